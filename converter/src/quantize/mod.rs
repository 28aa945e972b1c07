//! From a trained model to a blob of 8-bit weights.
//!
//! 1. [`observe`] runs the float reference over calibration images.
//! 2. A plan says in which form each value is held: 8-bit activations in front of convolutions, 16 bits in the residual
//!    stream, and which ops become one.
//! 3. Scales follow from what was seen; weights get one scale for each output feature.
//! 4. The blob is written, its registers and state laid out.

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
    const fn weights(&self) -> NumberFormat {
        match self {
            Self::Int8 { activations: Activations::Bits8, .. } => NumberFormat::I8,
            Self::Int8 { activations: Activations::Bits16, .. } => NumberFormat::I8A16,
            Self::F16 => NumberFormat::F16,
            Self::F32 => NumberFormat::F32,
        }
    }
}

/// Makes a blob of `model`, which has no batch normalization any more (see [`crate::fold`]).
///
/// # Errors
/// When the model has an op that the engine does not have, or numbers that those of the blob cannot hold.
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

    /// The activation of each level of the image.
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

    /// A factor of the stream: between scales, or as a float. `v` is the value that is made with it.
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

    /// The name of the op that makes a value, or its kind and place where it has none.
    fn name_of(&self, v: ValueId) -> String {
        match v.checked_sub(1).and_then(|n| self.model.nodes().get(n)) {
            Some(node) if !node.name.is_empty() => node.name.to_string(),
            Some(node) => format!("{v} ({})", node.op.kind()),
            None => "image".into(),
        }
    }

    /// How far a 16-bit value reaches.
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

/// Floats stand for themselves.
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

/// The form of the image: exact where the input map allows it.
fn input_form(model: &TrainedModel, weights: NumberFormat) -> Narrow {
    let description = model.description();
    let (scale, shift) = (f64::from(description.input.scale), f64::from(description.input.shift));
    let last_step = (description.image.levels - 1) as f64;
    let (last, steps) = (shift + scale * last_step, shift / scale);
    if weights == NumberFormat::I8A16 {
        if scale > 0.0 && steps.fract() == 0.0 && steps.abs() < 4096.0 {
            // Few steps, so that sums stay small.
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
