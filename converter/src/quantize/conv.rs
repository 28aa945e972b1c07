//! The weights of a masked convolution: packed to open taps, quantized, biases folded.

use super::inputs::Inputs;
use super::round;
use super::scale::Narrow;
use crate::trained::Tensor;
use pixelrnn::model::{Features, MaskedConv};

/// Features in the order of an engine: sorted by colour group, otherwise as they were.
pub(crate) fn sorted(features: Features) -> Vec<usize> {
    let mut order: Vec<usize> = (0..features.count).collect();
    order.sort_by_key(|f| features.group(*f));
    order
}

/// Float weights in the engine's order, closed taps left out.
pub(super) struct Packed {
    /// Weights of each output, in the engine's order of outputs.
    pub rows: Vec<Vec<f32>>,
    /// The original number of each output.
    pub outputs: Vec<usize>,
    /// Whether sums begin with a bias.
    pub biased: bool,
}

/// Packs the weights of a masked convolution: for each of `outputs`, all past taps in raster order, then the centre from
/// those inputs that are open to it.
pub(super) fn pack(conv: &MaskedConv, weight: &Tensor, outputs: Vec<usize>) -> Packed {
    let inputs = sorted(conv.inputs);
    let [height, width] = conv.kernel;
    let (top, left) = (height / 2, width / 2);
    let at = |o: usize, c: usize, u: usize, v: usize| weight.data[((o * inputs.len() + c) * height + u) * width + v];
    let row = |&o: &usize| {
        let mut row = Vec::new();
        for u in 0..=top {
            for v in 0..if u < top { width } else { left } {
                row.extend(inputs.iter().map(|c| at(o, *c, u, v)));
            }
        }
        row.extend(inputs.iter().filter(|c| conv.open(top, left, **c, o)).map(|c| at(o, *c, top, left)));
        row
    };
    Packed { rows: outputs.iter().map(row).collect(), outputs, biased: true }
}

/// Packs state-to-state weights, `[outputs, hidden, taps]`: for each of `outputs`, tap by tap, `hidden` in its order.
pub(super) fn pack_state(weight: &Tensor, hidden: &[usize], outputs: Vec<usize>) -> Packed {
    let taps: usize = weight.shape.iter().skip(2).product();
    let at = |o: usize, c: usize, tap: usize| weight.data[(o * hidden.len() + c) * taps + tap];
    let row = |&o: &usize| (0..taps).flat_map(|tap| hidden.iter().map(move |c| at(o, *c, tap))).collect();
    Packed { rows: outputs.iter().map(row).collect(), outputs, biased: false }
}

/// The gates of an LSTM in the engine's order: for each unit its o, f, i, g.
pub(super) fn gates(hidden: &[usize]) -> Vec<usize> {
    hidden.iter().flat_map(|unit| (0..4).map(move |gate| gate * hidden.len() + unit)).collect()
}

/// A convolution in integers.
pub(super) struct Quantized {
    /// 8-bit weights, all rows after each other.
    pub weights: Vec<i8>,
    /// What one unit of each output's sum is worth.
    pub scales: Vec<f64>,
    /// Folded biases: the zero point's share taken off.
    pub bias: Vec<i32>,
    /// The same of each class, `[classes, outputs]`.
    pub class_bias: Vec<i32>,
    /// The largest magnitude that a sum can have.
    pub bound: f64,
}

/// Biases stay below this, so that they never decide whether sums overflow.
const MAX_BIAS: f64 = (1 << 28) as f64;

/// Quantizes packed weights, one scale for each output.
///
/// `class` is `[outputs, classes]` in the original order; `seen` is what the sums read when calibrated.
pub(super) fn quantize(
    packed: &Packed,
    [bias, class]: [Option<&Tensor>; 2],
    input: Narrow,
    seen: &Inputs,
) -> Quantized {
    let classes = class.map_or(0, |t| t.shape.get(1).copied().unwrap_or(0));
    let outputs = packed.outputs.len();
    let mut q = Quantized {
        weights: Vec::new(),
        scales: Vec::with_capacity(outputs),
        bias: Vec::with_capacity(outputs),
        class_bias: vec![0; classes * outputs],
        bound: 0.0,
    };
    let bias_of = |o: usize| bias.map_or(0.0, |t| f64::from(t.data[o]));
    let class_bias_of = |o: usize, k: usize| class.map_or(0.0, |t| f64::from(t.data[o * classes + k]));
    let most_bias =
        |o: usize| (0..classes).map(|k| (bias_of(o) + class_bias_of(o, k)).abs()).fold(bias_of(o).abs(), f64::max);
    let weight_scale = |(row, &o): (&Vec<f32>, &usize)| {
        let largest = row.iter().fold(0f64, |a, w| a.max(f64::from(w.abs())));
        (largest / round::LARGEST).max(most_bias(o) / (MAX_BIAS * input.scale)).max(1e-12)
    };
    let weight_scales: Vec<f64> = packed.rows.iter().zip(&packed.outputs).map(weight_scale).collect();
    let rows = round::round(&packed.rows, &weight_scales, seen);
    for (at, (row, &o)) in rows.iter().zip(&packed.outputs).enumerate() {
        let scale = weight_scales[at] * input.scale;
        q.weights.extend(row);
        let sum: i64 = row.iter().map(|w| i64::from(*w)).sum();
        let folded = (bias_of(o) / scale).round() as i64 - sum * i64::from(input.zero_point);
        let folded = folded.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        for k in 0..classes {
            q.class_bias[k * outputs + at] = folded.wrapping_add((class_bias_of(o, k) / scale).round() as i32);
        }
        let reach: i64 = row.iter().map(|w| i64::from(w.unsigned_abs()) * input.reach()).sum();
        q.bound = q.bound.max(reach as f64 + most_bias(o) / scale);
        q.bias.push(folded);
        q.scales.push(scale);
    }
    q
}
