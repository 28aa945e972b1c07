//! From a trained model to a blob of 8-bit weights.
//!
//! 1. [`observe`] runs the float reference over calibration images.
//! 2. A plan says in which form each value is held: 8-bit activations in front of convolutions, 16 bits in the residual
//!    stream, and which ops become one.
//! 3. Scales follow from what was seen; weights get one scale for each output feature.
//! 4. The blob is written, its registers and state laid out.

mod calibrate;
mod conv;
mod inputs;
mod linear;
mod lstm;
mod plan;
mod registers;
mod round;
mod scale;
mod write;

pub use calibrate::{Method, Observed, Seen, observe};
pub(crate) use conv::sorted;
pub use inputs::Inputs;
pub use scale::Narrow;

use crate::blob::Blob;
use crate::error::Error;
use crate::reference::StateRange;
use crate::trained::TrainedModel;
use pixelrnn::blob::{
    AddRecord, ConvRecord, DepthGateRecord, EluRecord, Instruction, QuantizeRecord, Record, ReluRecord, Weights, kind,
};
use pixelrnn::model::{MaskedConv, Op, ValueId};
use pixelrnn::numbers::Rescale;
use plan::{Held, Step, Target};
use registers::place;
use std::collections::BTreeMap;

/// Headroom of the 16-bit stream above what calibration saw.
const HEADROOM: f64 = 1.5;

/// Least worth of a step of the stream.
const LEAST_STEP: f64 = 1e-8;

/// The numbers of a blob.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// 8-bit weights.
    Int8 {
        /// What calibration saw; see [`observe`].
        seen: &'a Observed,
        /// How ranges of 8-bit activations follow from it.
        method: Method,
        /// Bits of the activations.
        activations: Activations,
    },
    /// `f16` weights, everything else `f32`.
    F16,
    /// `f32` throughout.
    F32,
}

/// Bits of the activations of a blob with 8-bit weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// Eight: the least memory.
    Bits8,
    /// Sixteen, of which 14 are in use: for models that lose too much with eight.
    Bits16,
}

impl Numbers<'_> {
    const fn weights(&self) -> Weights {
        match self {
            Self::Int8 { activations: Activations::Bits8, .. } => Weights::I8,
            Self::Int8 { activations: Activations::Bits16, .. } => Weights::I8A16,
            Self::F16 => Weights::F16,
            Self::F32 => Weights::F32,
        }
    }
}

/// Makes a blob of `model`, which has no batch normalization any more (see [`crate::fold`]).
///
/// # Errors
/// When the model has an op that the engine does not have, or numbers that those of the blob cannot hold.
pub fn quantize(model: &TrainedModel, numbers: Numbers<'_>) -> Result<Blob, Error> {
    let steps = plan::plan(model.nodes())?;
    let ops = steps.iter().map(|step| step.ops(model)).sum();
    let lowering = Lowering::new(model, numbers, &steps);
    let mut blob = write::BlobWriter::new(model.description(), numbers.weights(), ops);
    lowering.input_table(&mut blob);
    for step in &steps {
        lowering.lower(step, &mut blob)?;
    }
    blob.finish(lowering.register_bytes)
}

struct Lowering<'a> {
    model: &'a TrainedModel,
    weights: Weights,
    narrow: BTreeMap<ValueId, Narrow>,
    wide: BTreeMap<ValueId, f64>,
    /// How far the states of the LSTMs go, by the value that each makes.
    states: BTreeMap<ValueId, &'a [StateRange]>,
    /// What the sums of each node read when calibrated; nothing in a float blob.
    inputs: &'a [Vec<Inputs>],
    places: BTreeMap<Held, u32>,
    register_bytes: u32,
}

impl<'a> Lowering<'a> {
    fn new(model: &'a TrainedModel, numbers: Numbers<'a>, steps: &[Step]) -> Self {
        let weights = numbers.weights();
        let (places, register_bytes) = place(model, steps, weights);
        let (narrow, wide, states) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut lowering = Self { model, weights, narrow, wide, states, inputs: &[], places, register_bytes };
        match numbers {
            Numbers::Int8 { seen, method, .. } => {
                lowering.inputs = &seen.inputs;
                lowering.states = seen.values.iter().map(|seen| seen.states.as_slice()).enumerate().collect();
                lowering.choose_scales(&seen.values, method, steps);
            }
            Numbers::F16 | Numbers::F32 => lowering.no_scales(steps),
        }
        lowering
    }

    /// Scales of integers, from what calibration saw.
    fn choose_scales(&mut self, seen: &[Seen], method: Method, steps: &[Step]) {
        self.narrow.insert(0, input_form(self.model, self.weights));
        let mut most: BTreeMap<ValueId, f64> = BTreeMap::new();
        let mut scale_of: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        for step in steps {
            for held in step.writes() {
                match held {
                    Held::Narrow(v) => {
                        let form = match self.weights {
                            Weights::I8A16 => Narrow::from_range_16(seen[v].min, seen[v].most() * HEADROOM),
                            _ => Narrow::from_range(seen[v].range(method)),
                        };
                        self.narrow.insert(v, form);
                    }
                    Held::Wide(v) => {
                        // Ops that work in place, or change no scale, tie their values' scales together.
                        let root = match step {
                            Step::Conv { to: Target::Accumulate { onto, .. }, .. } => scale_of[onto],
                            Step::Relu { from, .. } | Step::Elu { from, .. } => scale_of[from],
                            _ => v,
                        };
                        scale_of.insert(v, root);
                        let most = most.entry(root).or_default();
                        *most = most.max(seen[v].most());
                    }
                }
            }
        }
        let step = |root: &ValueId| (most[root] * HEADROOM / f64::from(i16::MAX)).max(LEAST_STEP);
        self.wide = scale_of.iter().map(|(v, root)| (*v, step(root))).collect();
    }

    /// Floats stand for themselves.
    fn no_scales(&mut self, steps: &[Step]) {
        let real = Narrow::symmetric(1.0);
        self.narrow.insert(0, real);
        for held in steps.iter().flat_map(Step::writes) {
            match held {
                Held::Narrow(v) => drop(self.narrow.insert(v, real)),
                Held::Wide(v) => drop(self.wide.insert(v, 1.0)),
            }
        }
    }

    /// The activation of each level of the image.
    fn input_table(&self, blob: &mut write::BlobWriter) {
        let description = self.model.description();
        let real = |v: usize| v as f64 * f64::from(description.input.scale) + f64::from(description.input.shift);
        let levels = (0..description.image.levels).map(real);
        let at = match self.weights {
            Weights::I8 => blob.numbers(&levels.map(|x| self.narrow[&0].quantize(x) as i8).collect::<Vec<_>>()),
            Weights::I8A16 => blob.numbers(&levels.map(|x| self.narrow[&0].quantize(x)).collect::<Vec<_>>()),
            Weights::F16 | Weights::F32 => blob.numbers(&levels.map(|x| x as f32).collect::<Vec<_>>()),
        };
        blob.input_table(at);
    }

    /// A factor of the stream: between scales, or as a float.
    fn factor(&self, factor: f64) -> Rescale {
        match self.weights {
            Weights::I8 | Weights::I8A16 => scale::rescale(factor),
            Weights::F16 | Weights::F32 => bytemuck::must_cast(factor as f32),
        }
    }

    fn count(&self, v: ValueId) -> u16 {
        self.model.nodes()[v - 1].features.count as u16
    }

    fn lower(&self, step: &Step, blob: &mut write::BlobWriter) -> Result<(), Error> {
        let record = match *step {
            Step::Conv { node, to } => return self.lower_conv(node, to, blob),
            Step::Lstm { node, to } => return self.lower_lstm(node, to, blob),
            Step::DepthGate { a, b, t, to } => Record::from(DepthGateRecord {
                kind: kind::DEPTH_GATE,
                a: self.places[&Held::Wide(a)],
                b: self.places[&Held::Wide(b)],
                t: self.places[&Held::Wide(t)],
                output: self.places[&Held::Wide(to)],
                count: self.count(to),
                rescale_a: self.factor(self.wide[&a] / self.wide[&to]),
                rescale_b: self.factor(self.wide[&b] / self.wide[&to]),
                rescale_t: self.factor(self.wide[&t] * 2048.0),
                ..bytemuck::Zeroable::zeroed()
            }),
            Step::Quantize { from, to } => {
                let (wide, narrow) = (self.wide[&from], self.narrow[&to]);
                let relu = from != to;
                Record::from(QuantizeRecord {
                    kind: kind::QUANTIZE,
                    zero_point: narrow.zero_point,
                    low: if relu { narrow.zero_point } else { narrow.low },
                    input: self.places[&Held::Wide(from)],
                    output: self.places[&Held::Narrow(to)],
                    count: self.count(to),
                    rescale: self.factor(wide / narrow.scale),
                    ..bytemuck::Zeroable::zeroed()
                })
            }
            Step::Relu { from, to } => Record::from(ReluRecord {
                kind: kind::RELU,
                input: self.places[&Held::Wide(from)],
                output: self.places[&Held::Wide(to)],
                count: self.count(to),
                ..bytemuck::Zeroable::zeroed()
            }),
            Step::Elu { from, to } => Record::from(EluRecord {
                kind: kind::ELU,
                input: self.places[&Held::Wide(from)],
                output: self.places[&Held::Wide(to)],
                count: self.count(to),
                exponent: self.factor(self.wide[&from] * std::f64::consts::LOG2_E * 65536.0),
                back: (4.0 / self.wide[&to]).round().min(f64::from(i32::MAX)) as i32,
                ..bytemuck::Zeroable::zeroed()
            }),
            Step::Add { a, b, scale, to } => Record::from(AddRecord {
                kind: kind::ADD,
                negate: u8::from(scale < 0.0),
                a: self.places[&Held::Wide(a)],
                b: self.places[&Held::Wide(b)],
                output: self.places[&Held::Wide(to)],
                count: self.count(to),
                rescale_a: self.factor(f64::from(scale.abs()) * self.wide[&a] / self.wide[&to]),
                rescale_b: self.factor(self.wide[&b] / self.wide[&to]),
                ..bytemuck::Zeroable::zeroed()
            }),
        };
        let name = record.instruction().map_or("", |i: Instruction<'_>| i.kind());
        for held in step.writes() {
            let (value, step) = match held {
                Held::Narrow(v) => (v, self.narrow[&v].scale),
                Held::Wide(v) => (v, self.wide[&v]),
            };
            blob.op(record, value, step, name);
        }
        Ok(())
    }

    fn lower_conv(&self, n: usize, to: Target, blob: &mut write::BlobWriter) -> Result<(), Error> {
        let node = &self.model.nodes()[n];
        let Op::MaskedConv(conv) = node.op else { return Err(Error::NotInEngine { op: node.op.kind() }) };
        let input = self.narrow[&node.inputs[0]];
        let mut record = conv_record(&conv, input);
        record.input = self.places[&Held::Narrow(node.inputs[0])];
        let weight = self.model.tensor(node, "weight").ok_or(Error::NotInEngine { op: "masked_conv" })?;
        let packed = conv::pack(&conv, weight, conv::sorted(conv.outputs));
        let (bias, class) = (self.model.tensor(node, "bias"), self.model.tensor(node, "class.weight"));

        let (value, unit) = match to {
            Target::Narrow(v) => {
                let narrow = self.narrow[&v];
                record.output_zero_point = narrow.zero_point;
                record.output_low = if v == node.output { narrow.low } else { narrow.zero_point };
                (v, narrow.scale)
            }
            Target::Wide(v) | Target::Accumulate { to: v, .. } => (v, self.wide[&v]),
            Target::Logits => (node.output, 2f64.powi(-16) / std::f64::consts::LOG2_E),
        };
        record.destination = to.destination() as u8;
        record.output = to.held().map_or(0, |held| self.places[&held]);
        let coarsest = if to == Target::Logits { 16 } else { 0 };
        let seen = self.inputs.get(n).and_then(|inputs| inputs.first());
        let linear = self.put_linear(blob, &packed, [bias, class], (input, seen), (&|_| unit, coarsest), &node.name)?;
        record.left = linear.left;
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

/// The form of the image: exact where the input map allows it.
fn input_form(model: &TrainedModel, weights: Weights) -> Narrow {
    let description = model.description();
    let (scale, shift) = (f64::from(description.input.scale), f64::from(description.input.shift));
    let last_step = (description.image.levels - 1) as f64;
    let (last, steps) = (shift + scale * last_step, shift / scale);
    if weights == Weights::I8A16 {
        if scale > 0.0 && steps.fract() == 0.0 && steps.abs() < 4096.0 {
            // Few steps, so that sums stay small.
            let ends = [steps, steps + last_step].map(|q| q as i16);
            return Narrow { ends: [ends[0].min(0), ends[1].max(0)], ..Narrow::symmetric_16(scale, false) };
        }
        return Narrow::from_range_16(-1.0, shift.abs().max(last.abs()));
    }
    let zero_point = -128.0 - steps;
    if scale > 0.0 && steps.fract() == 0.0 && (-128.0..=127.0).contains(&zero_point) {
        return Narrow { scale, zero_point: zero_point as i8, ..Narrow::symmetric(scale) };
    }
    Narrow::from_range((shift.min(last).min(0.0), shift.max(last).max(0.0)))
}

/// A record with the shape of `conv`, all places still to come.
fn conv_record(conv: &MaskedConv, input: Narrow) -> ConvRecord {
    ConvRecord {
        kind: kind::MASKED_CONV,
        mask: u8::from(conv.mask == pixelrnn::model::Mask::B),
        kernel: conv.kernel.map(|k| k as u8),
        dilation: conv.dilation as u8,
        input_zero_point: input.zero_point,
        inputs: conv.inputs.count as u16,
        outputs: conv.outputs.count as u16,
        ..bytemuck::Zeroable::zeroed()
    }
}
