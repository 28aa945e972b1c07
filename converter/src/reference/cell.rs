//! The step that all LSTMs share.

use super::Map;

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `c = σ(f)·c_before + σ(i)·tanh(g)`, `h = σ(o)·tanh(c)`, of the pre-activations `[o, f, i, g]` of one unit; gives back
/// `(h, c)`.
pub(super) fn step([o, f, i, g]: [f64; 4], c_before: f64) -> (f64, f64) {
    let c = sigmoid(f) * c_before + sigmoid(i) * g.tanh();
    (sigmoid(o) * c.tanh(), c)
}

/// The greatest magnitudes that an LSTM's states take on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StateRange {
    /// Of `h`.
    pub h: f64,
    /// Of the cell, `c`.
    pub c: f64,
}

/// The states of an LSTM on one image; nothing for other ops.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// How far they go.
    pub range: StateRange,
    /// `h` at each pixel, a map for each direction.
    pub hidden: Vec<Map>,
}

impl StateRange {
    pub(super) fn see(&mut self, (h, c): (f64, f64)) {
        self.h = self.h.max(h.abs());
        self.c = self.c.max(c.abs());
    }

    /// The range that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { h: self.h.max(other.h), c: self.c.max(other.c) }
    }
}
