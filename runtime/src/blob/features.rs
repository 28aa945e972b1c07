//! Features of this crate that a blob needs and this build lacks.

use super::record::{GRAPH, LSTM, is_graph_kind, kind};

/// Disabled feature that the number format `weights` of a header needs.
pub(super) const fn missing_for_weights(weights: u8) -> Option<&'static str> {
    match weights {
        1 | 2 if !cfg!(feature = "float") => Some("float"),
        3 if !cfg!(feature = "a16") => Some("a16"),
        _ => None,
    }
}

/// Disabled feature that ops of this `kind` need.
pub(super) const fn missing_for_op(kind: u8) -> Option<&'static str> {
    match kind {
        kind::ROW_LSTM | kind::DIAGONAL_LEFT | kind::DIAGONAL_RIGHT if !LSTM => Some("lstm"),
        kind::MULTIPLY | kind::GATE | kind::GLU if !GRAPH => Some("graph"),
        kind if !GRAPH && is_graph_kind(kind) => Some("graph"),
        _ => None,
    }
}
