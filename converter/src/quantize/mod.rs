//! Post-training quantization: from a trained model to a blob.
//!
//! 1. [`observe`] runs the float reference over calibration images.
//! 2. The plan picks each value's number formats, 8-bit activations as convolution inputs and 16-bit residuals, and
//!    fuses ops.
//! 3. Scales come from the calibrated and proven ranges. Each output feature has its own weight scale.
//! 4. Values get registers, and the blob is written.

mod activation;
mod bounds;
mod calibrate;
mod conv;
mod elementwise;
mod inputs;
mod linear;
mod lstm;
mod plan;
mod ranges;
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
use pixelrnn::blob::{Instruction, NumberFormat, Record};
use pixelrnn::fixed::Rescale;
use pixelrnn::network::ValueId;
use plan::{Held, Step};
use ranges::Ranges;
use registers::place;
use std::collections::BTreeMap;

/// Number format of a blob, with the parameters that quantization needs.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// 8-bit weights.
    Int8 {
        /// Calibration statistics from [`observe`].
        seen: &'a Observed,
        /// Choice of 8-bit activation ranges.
        method: Method,
        /// Width of the activations.
        activations: Activations,
    },
    /// `f16` weights, everything else `f32`.
    F16,
    /// `f32` throughout.
    F32,
}

/// Width of the activations in a blob with 8-bit weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// Eight bits: least memory.
    Bits8,
    /// Sixteen bits, 14 of them used: for models that lose too much accuracy with eight.
    Bits16,
}

impl Numbers<'_> {
    const fn weights(&self) -> NumberFormat {
        match self {
            Self::Int8 { activations: Activations::Bits8, .. } => NumberFormat::I8,
            Self::Int8 { activations: Activations::Bits16, .. } => NumberFormat::I8A16,
            Self::F16 => NumberFormat::F16,
            Self::F32 => NumberFormat::F32,
        }
    }
}

/// Converts `model` to a blob. Batch normalization must be folded first (see [`crate::fold`]).
///
/// # Errors
/// When the engine lacks an op of the model, or a value does not fit the blob's number format.
pub fn quantize(model: &TrainedModel, numbers: Numbers<'_>) -> Result<Blob, Error> {
    let magnitudes = match numbers {
        Numbers::Int8 { seen, .. } => seen.values.iter().map(Seen::most).collect(),
        Numbers::F16 | Numbers::F32 => Vec::new(),
    };
    let steps = plan::plan(model.nodes(), &magnitudes)?;
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
    weights: NumberFormat,
    ranges: Ranges,
    /// State ranges of each LSTM, by its output value.
    states: BTreeMap<ValueId, &'a [StateRange]>,
    /// Calibrated inputs of each node's matrices. Empty for a float blob.
    inputs: &'a [Vec<Inputs>],
    places: BTreeMap<Held, u32>,
    register_bytes: u32,
}

impl<'a> Lowering<'a> {
    fn new(model: &'a TrainedModel, numbers: Numbers<'a>, steps: &[Step]) -> Self {
        let weights = numbers.weights();
        let (places, register_bytes) = place(model, steps, weights);
        let (mut states, mut inputs) = (BTreeMap::new(), &[][..]);
        let mut ranges = match numbers {
            Numbers::Int8 { seen, method, .. } => {
                inputs = &seen.inputs;
                states = seen.values.iter().map(|seen| seen.states.as_slice()).enumerate().collect();
                ranges::choose(seen, &bounds::of_values(model), method, steps, weights == NumberFormat::I8A16)
            }
            Numbers::F16 | Numbers::F32 => real_numbers(steps),
        };
        let image = if weights.is_integer() { input_form(model, weights) } else { Narrow::symmetric(1.0) };
        ranges.narrow.insert(0, image);
        Self { model, weights, ranges, states, inputs, places, register_bytes }
    }

    /// Writes the input activation of each level.
    fn input_table(&self, blob: &mut write::BlobWriter) {
        let description = self.model.description();
        let real = |v: usize| v as f64 * f64::from(description.input.scale) + f64::from(description.input.shift);
        let levels = (0..description.image.levels).map(real);
        let at = match self.weights {
            NumberFormat::I8 => {
                blob.numbers(&levels.map(|x| self.ranges.narrow[&0].quantize(x) as i8).collect::<Vec<_>>())
            }
            NumberFormat::I8A16 => {
                blob.numbers(&levels.map(|x| self.ranges.narrow[&0].quantize(x)).collect::<Vec<_>>())
            }
            NumberFormat::F16 | NumberFormat::F32 => blob.numbers(&levels.map(|x| x as f32).collect::<Vec<_>>()),
        };
        blob.input_table(at);
    }

    /// Rescale factor between residuals: fixed-point in an integer blob, the `f32` itself in a float blob. `v` is the
    /// op's output, named in errors.
    fn factor(&self, factor: f64, v: ValueId) -> Result<Rescale, Error> {
        match self.weights {
            NumberFormat::I8 | NumberFormat::I8A16 => scale::rescale(factor).ok_or_else(|| Error::OutOfScale {
                op: self.name_of(v),
                why: format!(
                    "one step of what it reads is {factor:.3e} steps of what it makes, and 16-bit numbers can be scaled by up \
                     to {}: their ranges on the calibration images are too far apart",
                    scale::MAX_FACTOR
                ),
            }),
            NumberFormat::F16 | NumberFormat::F32 => Ok(bytemuck::must_cast(factor as f32)),
        }
    }

    /// Name of the op that computes a value, or its index and kind if unnamed.
    fn name_of(&self, v: ValueId) -> String {
        match v.checked_sub(1).and_then(|n| self.model.nodes().get(n)) {
            Some(node) if !node.name.is_empty() => node.name.to_string(),
            Some(node) => format!("{v} ({})", node.op.kind()),
            None => "image".into(),
        }
    }

    /// Largest magnitude of a 16-bit value.
    fn reach(&self, v: ValueId) -> f64 {
        self.ranges.wide[&v] * f64::from(i16::MAX)
    }

    fn count(&self, v: ValueId) -> u16 {
        self.model.nodes()[v - 1].features.count as u16
    }

    fn lower(&self, step: &Step, blob: &mut write::BlobWriter) -> Result<(), Error> {
        let record: Record = match *step {
            Step::Conv { node, to } => return self.lower_conv(node, to, blob),
            Step::Lstm { node, to } => return self.lower_lstm(node, to, blob),
            Step::DepthGate { a, b, t, to } => self.depth_gate([a, b, t], to)?,
            Step::Quantize { from, to } => self.quantize(from, to)?,
            Step::Activation { activation, from, to } => self.activation(activation, from, to)?,
            Step::Add { a, b, scale, to } => self.add(scale, [a, b], to)?,
        };
        let name = record.instruction().map_or("", |i: Instruction<'_>| i.kind());
        for held in step.writes() {
            let (value, step) = match held {
                Held::Narrow(v) => (v, self.ranges.narrow[&v].scale),
                Held::Wide(v) => (v, self.ranges.wide[&v]),
            };
            blob.op(record, value, step, name);
        }
        Ok(())
    }
}

/// Unit scales for a float blob.
fn real_numbers(steps: &[Step]) -> Ranges {
    let mut ranges = Ranges::default();
    for held in steps.iter().flat_map(Step::writes) {
        match held {
            Held::Narrow(v) => drop(ranges.narrow.insert(v, Narrow::symmetric(1.0))),
            Held::Wide(v) => drop(ranges.wide.insert(v, 1.0)),
        }
    }
    ranges
}

/// Quantization of the image, exact if the input map allows it.
fn input_form(model: &TrainedModel, weights: NumberFormat) -> Narrow {
    let description = model.description();
    let (scale, shift) = (f64::from(description.input.scale), f64::from(description.input.shift));
    let last_step = (description.image.levels - 1) as f64;
    let (last, steps) = (shift + scale * last_step, shift / scale);
    if weights == NumberFormat::I8A16 {
        if scale > 0.0 && steps.fract() == 0.0 && steps.abs() < 4096.0 {
            // A narrow integer range keeps sums small.
            let ends = [steps, steps + last_step].map(|q| q as i16);
            return Narrow { ends: [ends[0].min(0), ends[1].max(0)], ..Narrow::symmetric_16(scale) };
        }
        return Narrow::from_range_16(shift.abs().max(last.abs()));
    }
    let zero_point = -128.0 - steps;
    if scale > 0.0 && steps.fract() == 0.0 && (-128.0..=127.0).contains(&zero_point) {
        return Narrow { scale, zero_point: zero_point as i8, ..Narrow::symmetric(scale) };
    }
    Narrow::from_range((shift.min(last).min(0.0), shift.max(last).max(0.0)))
}
