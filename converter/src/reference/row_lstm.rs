//! Row LSTM: `z[i, j] = input_to_state(x)[i, j] + state_to_state(h[i-1])[j]`, `c` from `(i-1, j)`.

use super::cell::{self, StateRange, States};
use super::condition::Condition;
use super::masked_conv::{MaskedConv, add_scaled};
use super::{Map, Weights};
use pixelrnn::network::RowLstm as Definition;

#[derive(Clone, Debug)]
pub(super) struct RowLstm {
    input_to_state: MaskedConv,
    condition: Option<Condition>,
    /// `[4h, h, k]`.
    state_to_state: Vec<f64>,
    kernel: usize,
    hidden: usize,
    /// `h` and `c` of the row above the image, `[h]` each, the same for every column.
    initial: Option<(Vec<f64>, Vec<f64>)>,
}

impl RowLstm {
    pub(super) fn new(lstm: &Definition, weights: &Weights) -> Self {
        Self {
            input_to_state: MaskedConv::new(&lstm.input_to_state, weights, "input_to_state."),
            condition: Condition::new(lstm.condition, weights, ""),
            state_to_state: weights.required("state_to_state.weight"),
            kernel: lstm.kernel,
            hidden: lstm.hidden.count,
            initial: lstm.initial_state.then(|| (weights.required("initial.h"), weights.required("initial.c"))),
        }
    }

    pub(super) fn apply(&self, x: &Map, condition: &Map, label: Option<usize>, states: &mut States) -> Map {
        let mut gates = self.input_to_state.apply(x, label);
        if let Some(conv) = &self.condition {
            conv.add_to(&mut gates, condition);
        }
        let (hidden, width) = (self.hidden, x.width);
        let mut out = Map::zeros(hidden, x.height, width);
        // States of the previous row, `[h, W]`.
        let (mut h, mut c) = (vec![0.0; hidden * width], vec![0.0; hidden * width]);
        let mut range = StateRange::new(hidden);
        if let Some((first_h, first_c)) = &self.initial {
            for unit in 0..hidden {
                range.see_initial(unit, first_c[unit]);
                h[unit * width..(unit + 1) * width].fill(first_h[unit]);
                c[unit * width..(unit + 1) * width].fill(first_c[unit]);
            }
        }
        for i in 0..x.height {
            let mut z = Vec::with_capacity(4 * hidden * width);
            for gate in 0..4 * hidden {
                let row = gates.index(gate, i, 0);
                z.extend_from_slice(&gates.data[row..row + width]);
            }
            for (gate, z) in z.chunks_exact_mut(width).enumerate() {
                self.add_state(z, &h, gate);
            }
            let z = |gate: usize, unit: usize, j: usize| z[(gate * hidden + unit) * width + j];
            for unit in 0..hidden {
                for j in 0..width {
                    let at = unit * width + j;
                    (h[at], c[at]) = cell::step([0, 1, 2, 3].map(|gate| z(gate, unit, j)), c[at]);
                    range.see(unit, (h[at], c[at]), z(3, unit, j));
                    let index = out.index(unit, i, j);
                    out.data[index] = h[at];
                }
            }
        }
        states.ranges = vec![range];
        states.hidden = vec![out.clone()];
        out
    }

    /// Adds `state_to_state(h)` of one gate feature to its row `z`.
    fn add_state(&self, z: &mut [f64], h: &[f64], gate: usize) {
        let width = z.len();
        let centre = self.kernel / 2;
        for (unit, row) in h.chunks_exact(width).enumerate() {
            for v in 0..self.kernel {
                let weight = self.state_to_state[(gate * self.hidden + unit) * self.kernel + v];
                // z[j] reads row[j + v - centre].
                let (to, from) = (centre.saturating_sub(v), v.saturating_sub(centre));
                if to < width && from < width {
                    add_scaled(&mut z[to..width - from], &row[from..width - to], weight);
                }
            }
        }
    }
}
