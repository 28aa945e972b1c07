//! Packing of convolution and state-to-state weights: open taps only.

use super::linear::{Source, Unit};
use super::plan::{Held, Target};
use super::scale::Narrow;
use super::{Lowering, write};
use crate::error::Error;
use crate::trained::Tensor;
use pixelrnn::blob::{ConvRecord, kind};
use pixelrnn::network::{Conv, Features, Mask, Op};

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
pub(super) fn pack(conv: &Conv, weight: &Tensor, outputs: Vec<usize>) -> Packed {
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

impl Lowering<'_> {
    /// Writes the convolution of node `n` with the destination `to`.
    pub(super) fn lower_conv(&self, n: usize, to: Target, blob: &mut write::BlobWriter) -> Result<(), Error> {
        let node = &self.model.nodes()[n];
        let Op::Conv(conv) = node.op else { return Err(Error::NotInEngine { op: node.op.kind() }) };
        let input = self.ranges.narrow[&node.inputs[0]];
        let mut record = conv_record(&conv, input);
        record.input = self.places[&Held::Narrow(node.inputs[0])];
        let weight = self.model.tensor(node, "weight").ok_or(Error::NotInEngine { op: "masked_conv" })?;
        let packed = pack(&conv, weight, sorted(conv.outputs));
        let (bias, class) = (self.model.tensor(node, "bias"), self.model.tensor(node, "class.weight"));

        let (value, unit) = match to {
            Target::Narrow(v) => {
                let narrow = self.ranges.narrow[&v];
                record.output_zero_point = narrow.zero_point;
                record.output_clamp_min = if v == node.output { narrow.clamp_min } else { narrow.zero_point };
                (v, narrow.scale)
            }
            Target::Wide(v) | Target::Accumulate { to: v, .. } => (v, self.ranges.wide[&v]),
            Target::Logits => (node.output, 2f64.powi(-16) / std::f64::consts::LOG2_E),
        };
        record.destination = to.destination() as u8;
        record.output = to.held().map_or(0, |held| self.places[&held]);
        let coarsest = if to == Target::Logits { 16 } else { 0 };
        let seen = self.inputs.get(n).and_then(|inputs| inputs.first());
        let (source, unit_of) = (Source { form: input, seen }, Unit { of: &|_| unit, coarsest });
        let linear = self.put_linear(blob, &packed, [bias, class], source, unit_of, &node.name)?;
        record.left_shift = linear.left_shift;
        record.logit_shift = linear.coarser;
        record.weights = linear.weights;
        record.bias = linear.bias;
        record.multipliers = linear.multipliers;
        record.class_bias = linear.class_bias;
        blob.patch(record.length(conv.outputs.groups, conv.outputs.groups - 1));
        blob.op(record.into(), value, unit, &node.name);
        Ok(())
    }
}

/// A record with the shape of `conv`, offsets unset.
fn conv_record(conv: &Conv, input: Narrow) -> ConvRecord {
    ConvRecord {
        kind: kind::MASKED_CONV,
        mask: u8::from(conv.mask == Some(Mask::B)),
        kernel: conv.kernel.map(|k| k as u8),
        dilation: conv.dilation as u8,
        input_zero_point: input.zero_point,
        inputs: conv.inputs.count as u16,
        outputs: conv.outputs.count as u16,
        ..bytemuck::Zeroable::zeroed()
    }
}
