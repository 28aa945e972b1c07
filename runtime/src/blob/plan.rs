//! Trade-off of memory against speed.

/// Trade-off of an engine's memory against its speed. All plans give the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// Least memory, the `state_bytes` of the blob's header: everything is computed at the pixel that reads it.
    #[default]
    Pixel,
    /// More memory: the `state_to_state` sums of a Row LSTM, and the values of a graph that depend on rows above alone, are computed
    /// once per row, for all of its columns.
    Row,
}
