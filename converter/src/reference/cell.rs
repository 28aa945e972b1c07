//! The LSTM cell, shared by the Row LSTM and the Diagonal `BiLSTM`.

use super::Map;

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// One cell update from the pre-activations `[o, f, i, g]` of a unit: `c = σ(f)·c_before + σ(i)·tanh(g)`, `h =
/// σ(o)·tanh(c)`. Returns `(h, c)`.
pub(super) fn step([o, f, i, g]: [f64; 4], c_before: f64) -> (f64, f64) {
    let c = sigmoid(f) * c_before + sigmoid(i) * g.tanh();
    (sigmoid(o) * c.tanh(), c)
}

/// Largest magnitudes of one LSTM direction's states.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateRange {
    /// Maximum of `|h|` over all units, initial state excluded.
    pub h: f64,
    /// Maximum of `|c|` for each unit, initial state included.
    pub cells: Vec<f64>,
    /// Maximum pre-activation of gate g, in magnitude, for each unit.
    pub gates: Vec<f64>,
}

/// LSTM states on one image. Empty for other ops.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// State ranges, one per direction.
    pub ranges: Vec<StateRange>,
    /// `h` at each pixel, one map per direction.
    pub hidden: Vec<Map>,
}

impl StateRange {
    pub(super) fn new(hidden: usize) -> Self {
        Self { h: 0.0, cells: vec![0.0; hidden], gates: vec![0.0; hidden] }
    }

    /// Widens the range by one cell update; `g` is the unit's pre-activation of gate g.
    pub(super) fn see(&mut self, unit: usize, (h, c): (f64, f64), g: f64) {
        self.h = self.h.max(h.abs());
        self.cells[unit] = self.cells[unit].max(c.abs());
        self.gates[unit] = self.gates[unit].max(g.abs());
    }

    pub(super) fn see_initial(&mut self, unit: usize, c: f64) {
        self.cells[unit] = self.cells[unit].max(c.abs());
    }

    /// Widens the range to include `other`, which has the same units.
    pub fn widen(&mut self, other: &Self) {
        self.h = self.h.max(other.h);
        let units = self.cells.iter_mut().chain(&mut self.gates);
        for (most, other) in units.zip(other.cells.iter().chain(&other.gates)) {
            *most = most.max(*other);
        }
    }
}
