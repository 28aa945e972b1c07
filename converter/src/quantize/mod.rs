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
mod graph;
mod inputs;
mod layout;
mod linear;
mod lstm;
mod plan;
mod ranges;
mod registers;
mod round;
mod scale;
mod schedule;
mod write;

pub use calibrate::{Method, Observed, Seen, observe};
pub use inputs::Inputs;
pub(crate) use layout::Slots;
pub use scale::Narrow;

use crate::blob::Blob;
use crate::error::Error;
use crate::reference::StateRange;
use crate::trained::TrainedModel;
use pixelrnn::blob::{Instruction, NumberFormat, Record};
use pixelrnn::fixed::Rescale;
use pixelrnn::network::{Class, ColourGroups, Features, Mask, Node, Op, ValueId};
use plan::{Held, Step};
use ranges::Ranges;
use registers::{Offsets, place};
use schedule::{Form, Place, Schedule};
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
    one_scale(model)?;
    let magnitudes = match numbers {
        Numbers::Int8 { seen, .. } => seen.values.iter().map(Seen::most).collect(),
        Numbers::F16 | Numbers::F32 => Vec::new(),
    };
    let steps = plan::plan(model.nodes(), &magnitudes)?;
    let graph = !is_chain(model);
    let float = !numbers.weights().is_integer();
    let first = schedule::first_conv(model, &steps);
    let schedule = if graph { schedule::schedule(model, steps.clone(), float) } else { Schedule::chain(&steps) };
    let count: usize = schedule.items.iter().map(|item| item.step.ops(model)).sum();
    let structure = if graph { 1 + schedule.segments.len() } else { 0 };
    let mut lowering = Lowering::new(model, numbers, &steps, &schedule)?;
    (lowering.graph, lowering.first) = (graph, first);
    let mut blob = write::BlobWriter::new(model.description(), numbers.weights(), count + structure);
    lowering.input_table(&mut blob);
    if graph {
        blob.maps = schedule.map_records(|step| step.ops(model));
        lowering.begin_graph(&mut blob);
    }
    let mut segment = None;
    for item in &schedule.items {
        if graph && segment != Some(item.segment) {
            segment = Some(item.segment);
            let ops = schedule.items.iter().filter(|other| other.segment == item.segment);
            let ops = ops.map(|item| item.step.ops(model)).sum();
            Lowering::begin_segment(schedule.segments[item.segment], ops, &mut blob);
        }
        lowering.place = schedule.place(item.segment);
        lowering.lower(&item.step, &schedule, &mut blob)?;
    }
    blob.finish(lowering.register_bytes)
}

/// Refuses a model of several scales.
///
/// # Errors
/// [`Error::BlobOfScales`].
pub fn one_scale(model: &TrainedModel) -> Result<(), Error> {
    match model.scales().len() {
        1 => Ok(()),
        scales => Err(Error::BlobOfScales(scales)),
    }
}

/// True for a network that needs no graph: a chain of the paper's ops, whose first op alone reads the image.
fn is_chain(model: &TrainedModel) -> bool {
    let nodes = model.nodes();
    let description = model.description();
    let grouped = description.image.channels == 1 || description.colour_groups != ColourGroups::None;
    let first = nodes.first().is_some_and(|node| {
        matches!(node.op, Op::Conv(conv) if conv.centred_mask() == Some(Mask::A)) && node.inputs[0] == 0
    });
    let last = nodes.last().is_some_and(|node| matches!(node.op, Op::Conv(_)));
    let plain = |node: &Node| match node.op {
        Op::Conv(conv) => conv.centred_mask().is_some(),
        Op::BatchNorm { .. }
        | Op::Activation(_)
        | Op::RowLstm(_)
        | Op::DiagonalBilstm(_)
        | Op::Add { .. }
        | Op::DepthGate => true,
        Op::ConvTranspose(_)
        | Op::Condition
        | Op::Multiply
        | Op::Concat
        | Op::Slice { .. }
        | Op::Scale { .. }
        | Op::Gate
        | Op::Glu
        | Op::Shift { .. }
        | Op::ClassBias
        | Op::Embed { .. }
        | Op::Ones => false,
    };
    let image_again = nodes.iter().skip(1).any(|node| node.inputs[..node.op.arity()].contains(&0));
    let past = nodes.iter().all(|node| node.class <= Class::Past);
    let padded = |slots: &Slots| slots.contains(&None);
    let whole = layout::of_values(image_features(model), nodes).is_ok_and(|layouts| !layouts.iter().any(padded));
    grouped && first && last && past && !image_again && whole && nodes.iter().all(plain)
}

/// Layout of each value, and the form of each node's convolution.
pub(crate) fn shapes(model: &TrainedModel) -> Result<(Vec<Slots>, Vec<Form>), Error> {
    let layouts = layout::of_values(image_features(model), model.nodes())?;
    let graph = !is_chain(model);
    let steps = plan::plan(model.nodes(), &Vec::new())?;
    let first = schedule::first_conv(model, &steps);
    let form = |n| if graph { schedule::form(model, n, first) } else { Form::Masked };
    Ok((layouts, (0..model.nodes().len()).map(form).collect()))
}

fn image_features(model: &TrainedModel) -> Features {
    let description = model.description();
    let image = description.image;
    let groups = if description.colour_groups == ColourGroups::None { 1 } else { image.channels };
    // An image has channels, which `check_image` has checked.
    Features::dealt(image.channels, groups, 1, ColourGroups::Cyclic).unwrap_or(Features::GRAY)
}

struct Lowering<'a> {
    model: &'a TrainedModel,
    weights: NumberFormat,
    ranges: Ranges,
    /// State ranges of each LSTM, by its output value.
    states: BTreeMap<ValueId, &'a [StateRange]>,
    /// Calibrated inputs of each node's matrices. Empty for a float blob.
    inputs: &'a [Vec<Inputs>],
    /// Features of each value in the order of the engine.
    layouts: Vec<Slots>,
    offsets: Offsets,
    /// Place of the op that is lowered.
    place: Place,
    register_bytes: u32,
    /// True for a graph.
    graph: bool,
    /// Node of the convolution that reads the image in its register.
    first: Option<usize>,
}

impl<'a> Lowering<'a> {
    fn new(model: &'a TrainedModel, numbers: Numbers<'a>, steps: &[Step], schedule: &Schedule) -> Result<Self, Error> {
        let weights = numbers.weights();
        let layouts = layout::of_values(image_features(model), model.nodes())?;
        let (offsets, register_bytes) = place(model, schedule, weights, |v| layouts[v].len());
        let (mut states, mut inputs) = (BTreeMap::new(), &[][..]);
        let image = if weights.is_integer() { input_form(model, weights) } else { Narrow::symmetric(1.0) };
        let ranges = match numbers {
            Numbers::Int8 { seen, method, .. } => {
                inputs = &seen.inputs;
                states = seen.values.iter().map(|seen| seen.states.as_slice()).enumerate().collect();
                let proven = bounds::of_values(model);
                ranges::choose(image, seen, &proven, method, steps, weights == NumberFormat::I8A16)
            }
            Numbers::F16 | Numbers::F32 => real_numbers(image, steps),
        };
        let (place, graph, first) = (Place::Pixel, false, None);
        Ok(Self { model, weights, ranges, states, inputs, layouts, offsets, place, register_bytes, graph, first })
    }

    /// Offset of a value in the registers.
    fn at(&self, held: Held) -> u32 {
        // With colour groups, the ops at a pixel and after its colours read each other's registers.
        let places = [self.place, Place::Pixel, Place::AfterPixel];
        let offset = places.iter().find_map(|place| self.offsets.get(&(*place, held)));
        offset.copied().unwrap_or(0)
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

    /// Features of a value, with the padding of its layout.
    fn count(&self, v: ValueId) -> u16 {
        self.layouts[v].len() as u16
    }

    fn lower(&self, step: &Step, schedule: &Schedule, blob: &mut write::BlobWriter) -> Result<(), Error> {
        let record: Record = match *step {
            Step::Conv { node, to } => return self.lower_conv(node, to, blob),
            Step::Lstm { node, to } => return self.lower_lstm(node, to, blob),
            Step::DepthGate { a, b, t, to } => self.depth_gate([a, b, t], to)?,
            Step::Quantize { from, to } => self.quantize(from, to)?,
            Step::Activation { activation, from, to } => self.activation(activation, from, to)?,
            Step::Add { a, b, scale, to } => self.add(scale, [a, b], to)?,
            Step::Multiply { a, b, to } => self.multiply([a, b], to),
            Step::Gate { from, to, glu } => self.gate(from, to, glu)?,
            Step::Scale { from, to, factor } => self.scaled(from, to, factor)?,
            Step::Concat { a, b, to } => self.concat([a, b], to)?,
            Step::Slice { of, from, to } => self.slice(of, from, to)?,
            Step::ClassBias { from, to } => self.class_bias(from, to)?,
            Step::Table { node, to } => self.table(node, to, blob),
            Step::Shift { from, to, rows, columns } | Step::Load { from, to, rows, columns } => {
                self.load(from, to, [rows, columns], blob)
            }
            Step::Widen => return self.widen(blob),
            Step::Logits { from } => self.logits(from)?,
            Step::Keep { held } => self.keep(held, schedule),
        };
        let name = record.instruction().map_or("", |i: Instruction<'_>| i.kind());
        let (value, unit) = match step.writes().first() {
            Some(Held::Narrow(v)) => (*v, self.ranges.narrow[v].scale),
            Some(Held::Wide(v)) => (*v, self.ranges.wide[v]),
            Some(Held::Row(_)) | None => (0, 1.0),
        };
        let (value, unit) = match *step {
            Step::Logits { from } => (from, 2f64.powi(-16) / std::f64::consts::LOG2_E),
            _ => (value, unit),
        };
        blob.op(record, value, unit, name);
        Ok(())
    }
}

/// Unit scales for a float blob.
fn real_numbers(image: Narrow, steps: &[Step]) -> Ranges {
    let mut ranges = Ranges::default();
    ranges.narrow.insert(0, image);
    for held in steps.iter().flat_map(Step::writes) {
        match held {
            Held::Narrow(v) => drop(ranges.narrow.insert(v, Narrow::symmetric(1.0))),
            Held::Wide(v) => drop(ranges.wide.insert(v, 1.0)),
            Held::Row(_) => {}
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
