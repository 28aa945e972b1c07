//! Masked convolution, stride 1, zero padding.

use super::{Map, Weights};
use pixelrnn::network::Conv as Definition;

#[derive(Clone, Debug)]
pub(super) struct MaskedConv {
    /// Open taps of each output feature.
    taps: Vec<Vec<Tap>>,
    bias: Option<Vec<f64>>,
    /// `[out, classes]`.
    class: Option<Vec<f64>>,
}

/// One weight: `y[i, j] += weight · x[from, i + row, j + column]`.
#[derive(Clone, Copy, Debug)]
struct Tap {
    from: usize,
    row: isize,
    column: isize,
    weight: f64,
}

impl MaskedConv {
    /// Loads the convolution whose weight and bias have the prefix `part` in the node's tensors. An LSTM's class bias
    /// belongs to the op, not to its `input_to_state`.
    pub(super) fn new(conv: &Definition, weights: &Weights, part: &str) -> Self {
        let class = part.strip_suffix("input_to_state.").unwrap_or(part);
        let weight = weights.required(&format!("{part}weight"));
        let [kh, kw] = conv.kernel;
        let mut all = weight.into_iter();
        let mut taps = vec![Vec::new(); conv.outputs.count];
        for (to, taps) in taps.iter_mut().enumerate() {
            for from in 0..conv.inputs.count {
                for (u, v) in (0..kh).flat_map(|u| (0..kw).map(move |v| (u, v))) {
                    let weight = all.next().expect("a weight has the numbers of its shape");
                    if conv.open(u, v, from, to) {
                        let (row, column) = conv.offset(u, v);
                        taps.push(Tap { from, row, column, weight });
                    }
                }
            }
        }
        let bias = weights.optional(&format!("{part}bias"));
        Self { taps, bias, class: weights.optional(&format!("{class}class.weight")) }
    }

    pub(super) fn apply(&self, x: &Map, label: Option<usize>) -> Map {
        let mut y = Map::zeros(self.taps.len(), x.height, x.width);
        for (to, out) in y.data.chunks_exact_mut(x.height * x.width).enumerate() {
            out.fill(self.constant(to, label));
            for tap in &self.taps[to] {
                add_shifted(out, x.plane(tap.from), x.width, tap);
            }
        }
        y
    }

    /// Bias plus class bias.
    fn constant(&self, to: usize, label: Option<usize>) -> f64 {
        let bias = self.bias.as_ref().map_or(0.0, |bias| bias[to]);
        let class = match (&self.class, label) {
            (Some(class), Some(label)) => class[to * (class.len() / self.taps.len()) + label],
            _ => 0.0,
        };
        bias + class
    }
}

/// Adds `weight · x`, shifted by the tap's offset, to the plane `y` of row length `width`. Zero padding.
fn add_shifted(y: &mut [f64], x: &[f64], width: usize, tap: &Tap) {
    let height = y.len() / width;
    let (down, right) = (tap.row.unsigned_abs(), tap.column.unsigned_abs());
    if down >= height || right >= width {
        return;
    }
    // Rows `rows` of y read rows `from_row..` of x. Columns likewise.
    let rows = if tap.row < 0 { down..height } else { 0..height - down };
    let from_row = if tap.row < 0 { 0 } else { down };
    let columns = if tap.column < 0 { right..width } else { 0..width - right };
    let from_column = if tap.column < 0 { 0 } else { right };
    let count = columns.len();
    if count == width {
        // The tap covers whole rows, which are contiguous: one pass suffices.
        let (to, from, count) = (rows.start * width, from_row * width, rows.len() * width);
        add_scaled(&mut y[to..to + count], &x[from..from + count], tap.weight);
        return;
    }
    for (n, i) in rows.enumerate() {
        let to = i * width + columns.start;
        let from = (from_row + n) * width + from_column;
        add_scaled(&mut y[to..to + count], &x[from..from + count], tap.weight);
    }
}

/// `y += weight · x`.
pub(super) fn add_scaled(y: &mut [f64], x: &[f64], weight: f64) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += weight * x;
    }
}
