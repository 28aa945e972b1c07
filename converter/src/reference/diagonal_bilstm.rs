//! Diagonal `BiLSTM`: `left[i, j] + right[i - 1, j]`.
//!
//! `left` computes `z[i, j] = input_to_state(x)[i, j] + W0·h[i-1, j] + W1·h[i, j-1]` and takes `c` from `(i, j-1)`.
//! `right` is its mirror image.

use super::cell::{self, StateRange, States};
use super::condition::Condition;
use super::masked_conv::{MaskedConv, add_scaled};
use super::{Map, Weights};
use pixelrnn::network::DiagonalBilstm as Definition;

#[derive(Clone, Debug)]
pub(super) struct DiagonalBilstm {
    left: Direction,
    right: Direction,
}

#[derive(Clone, Debug)]
struct Direction {
    mirrored: bool,
    input_to_state: MaskedConv,
    condition: Option<Condition>,
    /// State-to-state weights for the row above and for the adjacent column, `[h, 4h]` each. Input-major: one input's
    /// contributions to all gates are contiguous.
    above: Vec<f64>,
    beside: Vec<f64>,
    hidden: usize,
    /// `h` and `c` before the first pixel of each row, `[height, h]` each.
    initial: Option<(Vec<f64>, Vec<f64>)>,
}

impl DiagonalBilstm {
    pub(super) fn new(lstm: &Definition, weights: &Weights) -> Self {
        Self { left: Direction::new(lstm, weights, "left"), right: Direction::new(lstm, weights, "right") }
    }

    /// True if the initial states, of which each row has its own, are learned.
    pub(super) const fn has_initial_states(&self) -> bool {
        self.left.initial.is_some()
    }

    pub(super) fn apply(&self, x: &Map, condition: &Map, label: Option<usize>, states: &mut States) -> Map {
        let (left, left_range) = self.left.apply(x, condition, label);
        let (right, right_range) = self.right.apply(x, condition, label);
        let mut out = left.clone();
        for c in 0..out.channels {
            for i in 1..out.height {
                for j in 0..out.width {
                    let index = out.index(c, i, j);
                    out.data[index] += right.at(c, i - 1, j);
                }
            }
        }
        states.ranges = vec![left_range, right_range];
        states.hidden = vec![left, right];
        out
    }
}

impl Direction {
    fn new(lstm: &Definition, weights: &Weights, side: &str) -> Self {
        let hidden = lstm.hidden.count;
        // [4h, h, 2, 1]: tap 0 reads the row above, tap 1 the same row.
        let state = weights.required(&format!("{side}.state_to_state.weight"));
        let tap = |tap: usize| {
            (0..hidden).flat_map(move |unit| (0..4 * hidden).map(move |gate| (gate * hidden + unit) * 2 + tap))
        };
        let initial = |what: &str| weights.required(&format!("{side}.initial.{what}"));
        Self {
            mirrored: side == "right",
            input_to_state: MaskedConv::new(&lstm.input_to_state, weights, &format!("{side}.input_to_state.")),
            condition: Condition::new(lstm.condition, weights, &format!("{side}.")),
            above: tap(0).map(|n| state[n]).collect(),
            beside: tap(1).map(|n| state[n]).collect(),
            hidden,
            initial: lstm.initial_state.then(|| (initial("h"), initial("c"))),
        }
    }

    fn apply(&self, x: &Map, condition: &Map, label: Option<usize>) -> (Map, StateRange) {
        let mut gates = self.input_to_state.apply(x, label);
        if let Some(conv) = &self.condition {
            conv.add_to(&mut gates, condition);
        }
        let (hidden, width) = (self.hidden, x.width);
        let mut out = Map::zeros(hidden, x.height, width);
        let mut range = StateRange::new(hidden);
        // `h` by column, `[W, h]`: the current row for columns already computed, the row above for the rest.
        let mut row = vec![0.0; width * hidden];
        let mut z = vec![0.0; 4 * hidden];
        for i in 0..x.height {
            let (mut h, mut c) = match &self.initial {
                Some((h, c)) => (h[i * hidden..][..hidden].to_vec(), c[i * hidden..][..hidden].to_vec()),
                None => (vec![0.0; hidden], vec![0.0; hidden]),
            };
            for (unit, c) in c.iter().enumerate() {
                range.see_initial(unit, *c);
            }
            for step in 0..width {
                let j = if self.mirrored { width - 1 - step } else { step };
                let above = &mut row[j * hidden..][..hidden];
                for (gate, z) in z.iter_mut().enumerate() {
                    *z = gates.at(gate, i, j);
                }
                for unit in 0..hidden {
                    add_scaled(&mut z, &self.above[unit * 4 * hidden..][..4 * hidden], above[unit]);
                    add_scaled(&mut z, &self.beside[unit * 4 * hidden..][..4 * hidden], h[unit]);
                }
                for unit in 0..hidden {
                    // `z` is complete, so the new state can overwrite the old one.
                    (h[unit], c[unit]) = cell::step([0, 1, 2, 3].map(|gate| z[gate * hidden + unit]), c[unit]);
                    range.see(unit, (h[unit], c[unit]), z[3 * hidden + unit]);
                    let index = out.index(unit, i, j);
                    out.data[index] = h[unit];
                }
                above.copy_from_slice(&h);
            }
        }
        (out, range)
    }
}
