//! Packing of convolution and state-to-state weights: open taps only.

use super::layout::{Slots, sorted};
use super::linear::{Source, Unit};
use super::plan::{Held, Target};
use super::schedule::{Form, form, opens_centre, taps_in_row};
use super::{Lowering, write};
use crate::error::Error;
use crate::trained::Tensor;
use pixelrnn::blob::{ConvRecord, Destination, MapConvRecord, group_start, kind};
use pixelrnn::network::{Conv, Mask, Op, Presence, ValueId};

/// Float weights in the engine's order, without closed taps.
pub(super) struct Packed {
    /// Weights of each output, outputs in the engine's order.
    pub rows: Vec<Vec<f32>>,
    /// Original index of each output; `None` for padding.
    pub outputs: Slots,
    /// True when sums start from a bias.
    pub biased: bool,
}

/// Taps of a convolution in the order of its weights: those of the past or of a map, row by row, then a centre whose inputs a mask
/// opens. `None` stands for a tap of padding.
pub(super) struct TapOrder {
    pub taps: Vec<(usize, usize)>,
    /// True if the last tap is the centre, open by the mask.
    pub centre: bool,
}

impl TapOrder {
    pub(super) fn new(conv: &Conv, form: Form) -> Self {
        let [row, column] = conv.anchor;
        if form == Form::Masked {
            let before = |u: usize| if u < row { conv.kernel[1] } else { column };
            let taps = (0..=row).flat_map(|u| (0..before(u)).map(move |v| (u, v))).chain([(row, column)]);
            return Self { taps: taps.collect(), centre: true };
        }
        let mut taps: Vec<_> =
            (0..conv.kernel[0]).flat_map(|u| (0..taps_in_row(conv, form, u)).map(move |v| (u, v))).collect();
        let centre = form == Form::Centre && opens_centre(conv);
        if centre {
            taps.push((row, column));
        }
        Self { taps, centre }
    }
}

/// Packs the weights of a convolution. Each of `outputs` has all of `inputs` under each tap; under the centre only those that its
/// mask opens. A feature has `each` outputs: one, or the four gates of a unit.
pub(super) fn pack(
    conv: &Conv,
    weight: &Tensor,
    order: &TapOrder,
    inputs: &Slots,
    (outputs, each): (Slots, usize),
) -> Packed {
    let [height, width] = conv.kernel;
    let count = conv.inputs.count;
    let at = |o: usize, c: usize, u: usize, v: usize| {
        if conv.open(u, v, c, o) { weight.data[((o * count + c) * height + u) * width + v] } else { 0.0 }
    };
    let groups = conv.outputs.groups;
    let row = |(slot, o): (usize, &Option<usize>)| {
        let (before, centre) = order.taps.split_at(order.taps.len() - usize::from(order.centre));
        let mut row = Vec::new();
        for (u, v) in before {
            row.extend(inputs.iter().map(|c| o.zip(*c).map_or(0.0, |(o, c)| at(o, c, *u, *v))));
        }
        if let [(u, v)] = centre {
            let features = outputs.len() / each;
            let group = (0..groups).find(|g| slot / each < group_start(features, groups, g + 1)).unwrap_or(0);
            let open = match conv.mask {
                Some(Mask::A) => group_start(inputs.len(), groups, group),
                Some(Mask::B) => group_start(inputs.len(), groups, group + 1),
                None => inputs.len(),
            };
            row.extend(inputs[..open].iter().map(|c| o.zip(*c).map_or(0.0, |(o, c)| at(o, c, *u, *v))));
        }
        row
    };
    let rows = outputs.iter().enumerate().map(row).collect();
    Packed { rows, outputs, biased: true }
}

/// Packs state-to-state weights `[outputs, hidden, taps]`. Each of `outputs` is tap-major, `hidden` in its given order.
pub(super) fn pack_state(weight: &Tensor, hidden: &[usize], outputs: Vec<usize>) -> Packed {
    let taps: usize = weight.shape.iter().skip(2).product();
    let at = |o: usize, c: usize, tap: usize| weight.data[(o * hidden.len() + c) * taps + tap];
    let row = |&o: &usize| (0..taps).flat_map(|tap| hidden.iter().map(move |c| at(o, *c, tap))).collect();
    Packed { rows: outputs.iter().map(row).collect(), outputs: outputs.into_iter().map(Some).collect(), biased: false }
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
        let from = node.inputs[0];
        let weight = self.model.tensor(node, "weight").ok_or(Error::NotInEngine { op: "masked_conv" })?;
        let tensors = [self.model.tensor(node, "bias"), self.model.tensor(node, "class.weight")];
        let form = if self.graph { form(self.model, n, self.first) } else { Form::Masked };
        let order = TapOrder::new(&conv, form);
        // Logits are channel-major: each group is contiguous already.
        let logits = || sorted(conv.outputs).into_iter().map(Some).collect();
        let outputs = if to == Target::Logits { logits() } else { self.layouts[node.output].clone() };
        let packed = pack(&conv, weight, &order, &self.layouts[from], (outputs, 1));

        let (value, unit, [zero_point, clamp_min]) = match to {
            Target::Narrow(v) => {
                let narrow = self.ranges.narrow[&v];
                let clamp_min = if v == node.output { narrow.clamp_min } else { narrow.zero_point };
                (v, narrow.scale, [narrow.zero_point, clamp_min])
            }
            Target::Wide(v) | Target::Accumulate { to: v, .. } => (v, self.ranges.wide[&v], [0; 2]),
            Target::Logits => (node.output, 2f64.powi(-16) / std::f64::consts::LOG2_E, [0; 2]),
        };
        let coarsest = if to == Target::Logits { 16 } else { 0 };
        let input = self.ranges.narrow[&from];
        let seen = self.inputs.get(n).and_then(|inputs| inputs.first());
        let (source, unit_of) = (Source { form: input, seen }, Unit { of: &|_| unit, coarsest });
        let linear = self.put_linear(blob, &packed, tensors, source, unit_of, &node.name)?;
        let common = ConvRecord {
            kind: kind::MASKED_CONV,
            destination: to.destination() as u8,
            dilation: conv.dilation as u8,
            input_zero_point: input.zero_point,
            output: to.held().map_or(0, |held| self.at(held)),
            inputs: self.layouts[from].len() as u16,
            outputs: packed.outputs.len() as u16,
            output_zero_point: zero_point,
            output_clamp_min: clamp_min,
            left_shift: linear.left_shift,
            logit_shift: linear.coarser,
            weights: linear.weights,
            bias: linear.bias,
            multipliers: linear.multipliers,
            class_bias: linear.class_bias,
            ..bytemuck::Zeroable::zeroed()
        };
        let groups = conv.outputs.groups;
        if form == Form::Masked {
            let record = ConvRecord {
                // Without colour groups and mask, all inputs of a single tap are open.
                mask: u8::from(conv.mask != Some(Mask::A)),
                kernel: conv.kernel.map(|k| k as u8),
                input: self.at(Held::Narrow(from)),
                ..common
            };
            blob.patch(record.length(groups, groups - 1));
            blob.op(record.into(), value, unit, &node.name);
        } else {
            let record = self.map_record(&conv, form, &order, &common, from, blob);
            blob.patch(record.matrix().length(groups, groups - 1));
            blob.op(record.into(), value, unit, &node.name);
        }
        Ok(())
    }

    fn map_record(
        &self,
        conv: &Conv,
        form: Form,
        order: &TapOrder,
        common: &ConvRecord,
        from: ValueId,
        blob: &write::BlobWriter,
    ) -> MapConvRecord {
        let [rows, columns] = conv.kernel;
        let [row, column] = conv.anchor;
        let own = if row < rows { taps_in_row(conv, form, row) } else { 0 };
        let below = (row + 1..rows).filter(|u| taps_in_row(conv, form, *u) > 0).count();
        MapConvRecord {
            kind: kind::CONV,
            destination: common.destination,
            centre: match (order.centre, conv.mask) {
                (false, _) => 0,
                (true, Some(Mask::A)) => 1,
                (true, Some(Mask::B)) => 2,
                (true, None) => 3,
            },
            left_shift: common.left_shift,
            above: [rows.min(row) as u8, columns as u8],
            dilation: common.dilation,
            input_zero_point: common.input_zero_point,
            input: if order.centre { self.at(Held::Narrow(from)) } else { 0 },
            output: common.output,
            inputs: common.inputs,
            outputs: common.outputs,
            output_zero_point: common.output_zero_point,
            output_clamp_min: common.output_clamp_min,
            logit_shift: common.logit_shift,
            own: own as u8,
            weights: common.weights,
            bias: common.bias,
            multipliers: common.multipliers,
            class_bias: common.class_bias,
            anchor: [row as u8, column as u8],
            map: blob.map_of(Held::Narrow(from)),
            below: below as u8,
            ..bytemuck::Zeroable::zeroed()
        }
    }

    /// Writes the image as a residual: a 1x1 convolution with the identity.
    pub(super) fn widen(&self, blob: &mut write::BlobWriter) -> Result<(), Error> {
        let slots = &self.layouts[0];
        let features = super::image_features(self.model);
        let conv = Conv {
            mask: Some(Mask::B),
            kernel: [1, 1],
            anchor: [0, 0],
            dilation: 1,
            inputs: features,
            outputs: features,
            bias: Presence::Absent,
            class: Presence::Absent,
        };
        let count = features.count;
        let data = (0..count * count).map(|n| if n / count == n % count { 1.0 } else { 0.0 }).collect();
        let weight = Tensor { shape: vec![count, count, 1, 1], data };
        let packed = pack(&conv, &weight, &TapOrder::new(&conv, Form::Masked), slots, (slots.clone(), 1));
        let (input, unit) = (self.ranges.narrow[&0], self.ranges.wide[&0]);
        let (source, unit_of) = (Source { form: input, seen: None }, Unit { of: &|_| unit, coarsest: 0 });
        let linear = self.put_linear(blob, &packed, [None, None], source, unit_of, "image")?;
        let record = ConvRecord {
            kind: kind::MASKED_CONV,
            destination: Destination::Residual as u8,
            mask: 1,
            left_shift: linear.left_shift,
            kernel: [1, 1],
            dilation: 1,
            input_zero_point: input.zero_point,
            output: self.at(Held::Wide(0)),
            inputs: slots.len() as u16,
            outputs: slots.len() as u16,
            weights: linear.weights,
            bias: linear.bias,
            multipliers: linear.multipliers,
            ..bytemuck::Zeroable::zeroed()
        };
        blob.patch(record.length(features.groups, features.groups - 1));
        blob.op(record.into(), 0, unit, "image");
        Ok(())
    }
}
