//! Comparison of a blob with the float reference: likelihoods, and errors layer by layer.

mod whole;

pub use whole::{Verified, verify};

use crate::error::Error;
use crate::fold::fold_batch_norms;
use crate::memory;
use crate::quantize::{Slots, one_scale};
use crate::reference::{Map, Reference, StateRange, States};
use crate::run::{engine_error, setup_error};
use crate::trained::TrainedModel;
use pixelrnn::arithmetic::Int8A16;
use pixelrnn::blob::{DType, Destination, GraphOp, Instruction, NumberFormat, group_start};
use pixelrnn::network::{Features, Output};
use pixelrnn::{Engine, FromImage, Model, Observer, Registers};
use std::ops::Range;

/// Error of a blob's op, relative to the network value that it computes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerError {
    /// Name of the op.
    pub name: String,
    /// Network value, 0 if none.
    pub value: usize,
    /// Sums of squares: errors, exact values.
    squares: (f64, f64),
    /// Largest error.
    pub worst: f64,
    /// Saturated elements, and all elements.
    saturated: (usize, usize),
    /// LSTM states, which no register holds.
    pub states: Option<StateClamps>,
}

/// LSTM states and gates beyond the range of the blob.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StateClamps {
    /// Number of units.
    pub units: usize,
    /// Maximum over images of the number of units whose cell exceeded its 16-bit range.
    pub cells: usize,
    /// The same for gate g. The other gates saturate at 0 or 1.
    pub gates: usize,
    /// Largest magnitude, as a share of its range.
    pub most: f64,
}

impl LayerError {
    /// Root mean square error, relative to the root mean square of the exact values.
    pub fn relative(&self) -> f64 {
        if self.squares.1 > 0.0 { (self.squares.0 / self.squares.1).sqrt() } else { 0.0 }
    }

    /// True if the op completes a network value, which can be compared. The left half of a Diagonal `BiLSTM` completes
    /// none.
    pub fn is_measured(&self) -> bool {
        self.saturated.1 > 0
    }

    /// False if an element was infinite or NaN.
    pub fn is_finite(&self) -> bool {
        self.squares.0.is_finite() && self.worst.is_finite()
    }

    /// Number of saturated elements.
    pub fn clamped(&self) -> usize {
        self.saturated.0
    }

    /// Share of saturated elements.
    pub fn saturation(&self) -> f64 {
        self.saturated.0 as f64 / self.saturated.1.max(1) as f64
    }
}

/// Saturation bounds of logits, with a margin: beyond 22,000 nats.
const LOGIT_END: f64 = 2_147_000_000.0;

/// Bounds of a float format, which does not saturate.
const NO_ENDS: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Bounds of 16-bit activations.
const ENDS_16: (f64, f64) = (-(Int8A16::MAX as f64) - 1.0, Int8A16::MAX as f64);

/// Output of an op, in terms of the network.
struct Probe {
    register: u32,
    zero_point: f64,
    /// Type of the register. `None` for logits.
    dtype: Option<DType>,
    step: f64,
    /// Network feature of each register element. Empty if the op completes no value.
    features: Slots,
}

/// Compares a blob with its trained model, op by op.
pub struct Layers<'m> {
    reference: Reference,
    model: Model<'m>,
    probes: Vec<Probe>,
    /// Errors, one per op of the blob.
    pub errors: Vec<LayerError>,
}

impl<'m> Layers<'m> {
    /// Matches the blob's ops with network values by the blob's notes.
    ///
    /// # Errors
    /// When the blob was not made from a model with this description.
    pub fn new(trained: &TrainedModel, model: Model<'m>) -> Result<Self, Error> {
        one_scale(trained)?;
        let trained = &*fold_batch_norms(trained)?;
        let description = trained.description();
        if description.image != model.image() || description.output != model.output() {
            return Err(Error::Mismatch("its images or its output distribution differ".into()));
        }
        let (layouts, _) = crate::quantize::shapes(trained)?;
        let mut probes = Vec::new();
        let mut errors = Vec::new();
        let mut notes = model.notes();
        for (op, instruction) in model.instructions().enumerate() {
            let odd = |what: &str| Error::Mismatch(format!("op {op} {what}"));
            let note = notes.next().ok_or_else(|| odd("has no note"))?;
            let mut words = note.splitn(3, ' ');
            let mut word = || words.next().ok_or_else(|| odd("has an invalid note"));
            let value: usize = word()?.parse().map_err(|_| odd("has an invalid note"))?;
            let step: f64 = word()?.parse().map_err(|_| odd("has an invalid note"))?;
            let name = word()?.to_string();
            let (mut probe, count) = probe(&model, instruction, step).ok_or_else(|| odd("is of an unknown kind"))?;
            // The left half of a Diagonal BiLSTM completes no value.
            if value > 0 {
                let node = trained.nodes().get(value - 1);
                let node = node.ok_or_else(|| odd("computes a value that the model does not have"))?;
                let slots =
                    if probe.dtype.is_none() { logit_slots(node.features) } else { layouts[node.output].clone() };
                if count != slots.len() {
                    return Err(odd("computes a different number of features"));
                }
                probe.features = slots;
            }
            probes.push(probe);
            errors.push(LayerError { name, value, ..LayerError::default() });
        }
        Ok(Self { reference: Reference::new(trained), model, probes, errors })
    }

    /// The blob.
    pub const fn model(&self) -> Model<'m> {
        self.model
    }

    /// Accumulates the errors on one image, `[C, H, W]`.
    ///
    /// # Errors
    /// When the image or the label does not fit the model.
    pub fn add(&mut self, image: &[u8], label: Option<usize>) -> Result<(), Error> {
        let (exact, states) = self.reference.run_with_states(image, label)?;
        self.add_states(&states);
        let (shape, weights) = (self.model.image(), self.model.weights());
        let mut state = memory::zeros(self.model.state_words(), memory::STATE)?;
        let mut engine = Engine::new(self.model, &mut state).map_err(setup_error)?;
        engine.restart(label).map_err(setup_error)?;
        let mut source = FromImage::new(image, shape);
        for pixel in 0..shape.height * shape.width {
            let mut recorder = Recorder {
                layers: self.probes.as_slice(),
                errors: &mut self.errors,
                exact: &exact,
                weights,
                softmax: self.model.output() == Output::Softmax,
                groups: self.model.groups(),
                at: (pixel / shape.width, pixel % shape.width),
            };
            engine.step_observed(&mut source, &mut recorder).map_err(engine_error)?;
        }
        Ok(())
    }
}

impl Layers<'_> {
    /// Compares the LSTM states of one image with the ranges in the blob.
    fn add_states(&mut self, states: &[States]) {
        for (op, instruction) in self.model.instructions().enumerate() {
            let (record, direction) = match instruction {
                Some(Instruction::RowLstm(record) | Instruction::DiagonalLeft(record)) => (record, 0),
                Some(Instruction::DiagonalRight(record)) => (record, 1),
                Some(
                    Instruction::MaskedConv(_)
                    | Instruction::Quantize(_)
                    | Instruction::Elementwise(_)
                    | Instruction::Graph(_),
                )
                | None => continue,
            };
            // A left half completes its value together with the right half after it.
            let made = self.errors[op..].iter().position(|error| error.value > 0).map_or(op, |behind| op + behind);
            let range = states[self.errors[made].value].ranges.get(direction);
            if let (Some(range), Some(bits)) = (range, self.model.cell_bits(record))
                && !bits.is_empty()
            {
                self.errors[op].states.get_or_insert_default().add(bits, &self.probes[made].features, range);
            }
        }
    }
}

impl StateClamps {
    fn add(&mut self, bits: &[u8], units: &Slots, range: &StateRange) {
        self.units = units.iter().flatten().count();
        let (mut cells, mut gates) = (0, 0);
        for (bits, unit) in bits.iter().zip(units.iter().flatten()) {
            let cell = range.cells[*unit] / f64::from(bits & 15).exp2();
            let fraction = f64::from(bits >> 4);
            // At the coarsest step, a saturated gate has a `tanh` of 1: nothing is lost.
            let gate = if fraction > 7.0 { range.gates[*unit] / (10.0 - fraction).exp2() } else { 0.0 };
            cells += usize::from(cell > 1.0);
            gates += usize::from(gate > 1.0);
            self.most = self.most.max(cell).max(gate);
        }
        (self.cells, self.gates) = (self.cells.max(cells), self.gates.max(gates));
    }
}

/// Zero point of a map's activations.
fn zero_point_of(model: &Model<'_>, map: u16) -> Option<i8> {
    match model.records().get(usize::from(map))?.instruction()? {
        Instruction::Graph(GraphOp::Keep(keep)) => Some(keep.zero_point),
        _ => None,
    }
}

/// Location of an op's output, and its number of features.
fn probe(model: &Model<'_>, instruction: Option<Instruction<'_>>, step: f64) -> Option<(Probe, usize)> {
    let instruction = instruction?;
    let zero_point = match instruction {
        Instruction::MaskedConv(c) if c.destination()? == Destination::Activation => c.output_zero_point,
        Instruction::Quantize(q) => q.zero_point,
        Instruction::Graph(GraphOp::Conv(c)) if c.destination()? == Destination::Activation => c.output_zero_point,
        Instruction::Graph(GraphOp::Load(l)) if l.dtype()? == DType::Activation => zero_point_of(model, l.map)?,
        Instruction::Graph(_)
        | Instruction::MaskedConv(_)
        | Instruction::Elementwise(_)
        | Instruction::RowLstm(_)
        | Instruction::DiagonalLeft(_)
        | Instruction::DiagonalRight(_) => 0,
    };
    let (register, dtype, count) = match (instruction.vectors().output, instruction) {
        (Some(vector), _) => (vector.at, Some(vector.kind), vector.count),
        (None, Instruction::MaskedConv(c)) => (0, None, c.outputs),
        (None, Instruction::Graph(GraphOp::Conv(c))) => (0, None, c.outputs),
        (None, Instruction::Graph(GraphOp::Logits(l))) => (0, None, l.count),
        // Structure and maps: they complete no value.
        (None, Instruction::Graph(_)) => (0, None, 0),
        // Every other op writes a register.
        (
            None,
            Instruction::Quantize(_)
            | Instruction::Elementwise(_)
            | Instruction::RowLstm(_)
            | Instruction::DiagonalLeft(_)
            | Instruction::DiagonalRight(_),
        ) => return None,
    };
    let zero_point = f64::from(zero_point);
    Some((Probe { register, zero_point, dtype, step, features: Vec::new() }, usize::from(count)))
}

struct Recorder<'a> {
    layers: &'a [Probe],
    errors: &'a mut [LayerError],
    exact: &'a [Map],
    weights: NumberFormat,
    softmax: bool,
    /// Colour groups of the model.
    groups: usize,
    /// Row and column of the ops that run.
    at: (usize, usize),
}

/// Reads one register element.
fn element<T: bytemuck::Pod + Into<f64>>(registers: &Registers<'_>, probe: &Probe, at: Range<usize>) -> Option<f64> {
    registers.get::<T>(probe.register, at)?.first().map(|x| (*x).into())
}

impl Observer for Recorder<'_> {
    fn after(&mut self, op: usize, channel: usize, registers: &Registers<'_>, logits: &[u32]) {
        let (probe, error) = (&self.layers[op], &mut self.errors[op]);
        let count = probe.features.len();
        let start = |group| group_start(count, self.groups, group);
        let exact = &self.exact[error.value];
        let (row, column) = self.at;
        let reals = |f: usize| {
            let at = f..f + 1;
            let (q, ends) = match (probe.dtype, self.weights) {
                (None, _) => (logits.get(f - start(channel)).map(|l| f64::from(*l as i32)), (-LOGIT_END, LOGIT_END)),
                (Some(DType::Activation), NumberFormat::I8) => (element::<i8>(registers, probe, at), (-128.0, 127.0)),
                (Some(DType::Activation), NumberFormat::I8A16) => (element::<i16>(registers, probe, at), ENDS_16),
                (Some(DType::Residual), NumberFormat::I8 | NumberFormat::I8A16) => {
                    (element::<i16>(registers, probe, at), (-32768.0, 32767.0))
                }
                (_, NumberFormat::F16 | NumberFormat::F32) => (element::<f32>(registers, probe, at), NO_ENDS),
            };
            let q = q.unwrap_or_default();
            let feature = probe.features[f].unwrap_or_default();
            (q, ends, probe.step * (q - probe.zero_point), exact.at(feature, row, column))
        };
        let features = (start(channel)..start(channel + 1)).filter(|f| probe.features[*f].is_some());
        // Softmax is invariant to a constant added to all logits: remove it.
        let common = if probe.dtype.is_none() && self.softmax {
            features.clone().map(reals).map(|(.., real, right)| real - right).sum::<f64>()
                / features.clone().count().max(1) as f64
        } else {
            0.0
        };
        for f in features {
            let (q, ends, real, right) = reals(f);
            let real = real - common;
            error.squares.0 += (real - right).powi(2);
            error.squares.1 += right.powi(2);
            error.worst = error.worst.max((real - right).abs());
            // The zero point is not saturation: a ReLU leaves most values there.
            let zero = (q - probe.zero_point).abs() < 0.5;
            let cut = (q < ends.0 + 0.5 || q > ends.1 - 0.5) && !zero;
            error.saturated.0 += usize::from(cut);
            error.saturated.1 += 1;
        }
    }

    fn position(&mut self, row: usize, column: usize) {
        self.at = (row, column);
    }
}

/// Logits in their own order.
fn logit_slots(features: Features) -> Slots {
    (0..features.count).map(Some).collect()
}
