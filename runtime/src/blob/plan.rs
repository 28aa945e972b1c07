//! What an engine gives for speed.

/// Where an engine may compute more at once if it has the memory. All plans give the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// Everything is computed at the pixel that reads it, in the least memory: the `state_bytes` of the blob's header.
    #[default]
    Pixel,
    /// What a row gives to the next one is computed for the whole row at once: the `state_to_state` sums of a Row LSTM.
    Row,
}
