//! The weights of a masked convolution, packed to open taps.

use crate::trained::Tensor;
use pixelrnn::network::{Features, MaskedConv};

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
