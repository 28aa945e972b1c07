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

/// The greatest magnitudes that the states of an LSTM's direction take on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateRange {
    /// Of `h`, all units together; of the initial state not.
    pub h: f64,
    /// Of the cell `c` of each unit.
    pub cells: Vec<f64>,
    /// Of the pre-activation of gate g of each unit.
    pub gates: Vec<f64>,
}

/// The states of an LSTM on one image; nothing for other ops.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// How far they go, for each direction.
    pub ranges: Vec<StateRange>,
    /// `h` at each pixel, a map for each direction.
    pub hidden: Vec<Map>,
}

impl StateRange {
    pub(super) fn new(hidden: usize) -> Self {
        Self { h: 0.0, cells: vec![0.0; hidden], gates: vec![0.0; hidden] }
    }

    /// Of a unit, `g` its pre-activation.
    pub(super) fn see(&mut self, unit: usize, (h, c): (f64, f64), g: f64) {
        self.h = self.h.max(h.abs());
        self.cells[unit] = self.cells[unit].max(c.abs());
        self.gates[unit] = self.gates[unit].max(g.abs());
    }

    pub(super) fn see_initial(&mut self, unit: usize, c: f64) {
        self.cells[unit] = self.cells[unit].max(c.abs());
    }

    /// Widens the range to hold `other`, of the same units.
    pub fn widen(&mut self, other: &Self) {
        self.h = self.h.max(other.h);
        let units = self.cells.iter_mut().chain(&mut self.gates);
        for (most, other) in units.zip(other.cells.iter().chain(&other.gates)) {
            *most = most.max(*other);
        }
    }
}
