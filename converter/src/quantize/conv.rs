//! Packing of convolution and state-to-state weights: open taps only.

use crate::trained::Tensor;
use pixelrnn::network::{Features, MaskedConv};

/// Feature order of the engine: stable sort by colour group.
pub(crate) fn sorted(features: Features) -> Vec<usize> {
    let mut order: Vec<usize> = (0..features.count).collect();
    order.sort_by_key(|f| features.group(*f));
    order
}

/// Float weights in the engine's order, without closed taps.
pub(super) struct Packed {
    /// Weights of each output, outputs in the engine's order.
    pub rows: Vec<Vec<f32>>,
    /// Original index of each output.
    pub outputs: Vec<usize>,
    /// True when sums start from a bias.
    pub biased: bool,
}

/// Packs the weights of a masked convolution. Each of `outputs` has all past taps in raster order, then the centre tap
/// from the inputs that its mask opens.
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

/// Packs state-to-state weights `[outputs, hidden, taps]`. Each of `outputs` is tap-major, `hidden` in its given order.
pub(super) fn pack_state(weight: &Tensor, hidden: &[usize], outputs: Vec<usize>) -> Packed {
    let taps: usize = weight.shape.iter().skip(2).product();
    let at = |o: usize, c: usize, tap: usize| weight.data[(o * hidden.len() + c) * taps + tap];
    let row = |&o: &usize| (0..taps).flat_map(|tap| hidden.iter().map(move |c| at(o, *c, tap))).collect();
    Packed { rows: outputs.iter().map(row).collect(), outputs, biased: false }
}

/// LSTM gates in the engine's order: o, f, i, g of each unit.
pub(super) fn gates(hidden: &[usize]) -> Vec<usize> {
    hidden.iter().flat_map(|unit| (0..4).map(move |gate| gate * hidden.len() + unit)).collect()
}
