//! The walk: one pixel at a time, one forward pass an image, in a buffer that the caller owns.
#![forbid(unsafe_code)]

mod conv;
mod elementwise;
mod lstm;
mod plan;
mod registers;
mod ring;
mod taps;

use crate::blob::{Instruction, Layout, Model, Weights};
use crate::distribution::Distribution;
#[cfg(feature = "std")]
use crate::kernels::KernelError;
use crate::kernels::{Kernel, Native};
use crate::model::Image;
#[cfg(feature = "float")]
use crate::numbers::Float;
use crate::numbers::{Arithmetic, Int8, NO_BIAS};
use crate::source::{Position, SymbolSource};
use conv::Conv;
use core::fmt;
use core::marker::PhantomData;
pub use plan::Plan;
pub use registers::Registers;
use ring::Ring;

/// Watches an engine at work, op by op; for checking a model, not for running one.
pub trait Observer {
    /// Called after op number `op` has run for `channel`: what it wrote is in its register.
    ///
    /// `logits` holds the channel's logits after the op that makes them.
    fn after(&mut self, op: usize, channel: usize, registers: &Registers<'_>, logits: &[u32]);
}

/// Watches nothing, and costs nothing.
impl Observer for () {
    #[inline(always)]
    fn after(&mut self, _: usize, _: usize, _: &Registers<'_>, _: &[u32]) {}
}

/// Runs a model pixel by pixel.
///
/// All that an image in the making needs lies in the caller's buffer of [`Model::state_words`] words; the engine
/// allocates nothing, and two engines share nothing but the blob.
#[derive(Debug)]
pub struct Engine<'m, 'b, K = Native> {
    model: Model<'m>,
    state: &'b mut [u32],
    kernel: K,
    plan: Plan,
    label: Option<usize>,
    next: usize,
}

/// One finished pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixel {
    /// Row, from the top.
    pub row: usize,
    /// Column, from the left.
    pub column: usize,
    /// The values of the channels; those that the model does not have are 0.
    pub values: [u8; 3],
    /// What the values cost, in units of 2⁻²⁴ bit: their negative log-likelihood, at the source's temperature.
    pub cost: u64,
}

impl Pixel {
    /// Nats that a cost is.
    pub fn nats(cost: u64) -> f64 {
        cost as f64 * (core::f64::consts::LN_2 / f64::from(1u32 << 24))
    }
}

/// Why an engine does not run, or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError<E> {
    /// The buffer is smaller than the model's state.
    Buffer {
        /// Words that the model needs.
        needed: usize,
        /// Words that there are.
        got: usize,
    },
    /// The model has no such class, or has classes and was given none.
    Label {
        /// How many classes the model has.
        classes: usize,
        /// The class asked for.
        got: Option<usize>,
    },
    /// The source gave a value that is no level of the model's.
    Value {
        /// Where.
        position: Position,
        /// What it gave.
        got: u8,
        /// How many levels there are.
        levels: usize,
    },
    /// The source has no value.
    Source(E),
    /// There is no kernel of the name that the environment gives.
    #[cfg(feature = "std")]
    Kernel(KernelError),
    /// The blob is not what it was when it was checked.
    Corrupt,
}

impl<E: fmt::Display> fmt::Display for EngineError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buffer { needed, got } => write!(f, "the buffer has {got} words, the model needs {needed}"),
            Self::Label { classes: 0, .. } => f.write_str("the model has no classes, and a label was given"),
            Self::Label { classes, got: None } => write!(f, "the model needs a label from 0 to {}", classes - 1),
            Self::Label { classes, got: Some(got) } => {
                write!(f, "label {got}, expected 0 to {}", classes - 1)
            }
            Self::Value { position: Position { row, column, channel }, got, levels } => {
                write!(f, "value {got} at row {row}, column {column}, channel {channel}, expected 0 to {}", levels - 1)
            }
            Self::Source(error) => error.fmt(f),
            #[cfg(feature = "std")]
            Self::Kernel(error) => error.fmt(f),
            Self::Corrupt => f.write_str("the blob changed after it was checked"),
        }
    }
}

impl<E: core::error::Error> core::error::Error for EngineError<E> {}

/// What every op of a pixel needs to know.
#[derive(Clone, Copy)]
struct Context<'m> {
    model: Model<'m>,
    plan: Plan,
    label: Option<usize>,
    height: usize,
    width: usize,
    row: usize,
    column: usize,
    groups: usize,
    group: usize,
}

impl<'m> Context<'m> {
    /// Words of state that an op keeps.
    fn words(&self, instruction: &Instruction<'_>) -> usize {
        instruction.state_bytes(self.height, self.width, self.model.weights(), self.plan) / 4
    }

    /// Number of the pixel in raster order.
    fn pixel(&self) -> usize {
        self.row * self.width + self.column
    }

    /// The factors of an op's sums. Floats have none: as many other numbers stand in their place, which nobody reads.
    fn multipliers<A: Arithmetic>(&self, at: u32, bias: &'m [A::Sum]) -> Option<&'m [A::Sum]> {
        if A::MULTIPLIERS { self.model.numbers(at, bias.len()) } else { Some(bias) }
    }

    /// The label's biases of an op with `count` of them a class; empty where there are none.
    fn class_bias<A: Arithmetic>(&self, at: u32, count: usize) -> Option<&'m [A::Sum]> {
        match (at, self.label) {
            (0, _) | (_, None) => Some(&[]),
            (at, Some(label)) => self.model.numbers(at, (label + 1) * count)?.get(label * count..),
        }
    }
}

/// The parts of the buffer that ops share.
struct Shared<'b, A: Arithmetic> {
    registers: Registers<'b>,
    logits: &'b mut [u32],
    patch: &'b mut [A::Activation],
    /// The outputs that are computed at a time.
    sums: [A::Sum; SUMS],
}

/// Outputs computed at a time: whole blocks of a [`Layout`], few enough for the stack of a small machine.
const SUMS: usize = 2 * NO_BIAS;

const _: () = assert!(SUMS.is_multiple_of(Layout::OUTPUTS));

impl<'m, 'b> Engine<'m, 'b> {
    /// An engine at the first pixel of an image, with the kernel that suits the machine best and in the least memory.
    ///
    /// On hosts the environment variable `PIXELRNN_KERNEL` names another kernel: `portable`, `avx2`, `avx512vnni`, `neon`,
    /// `neon-dotprod` or `simd128`; see [`crate::kernels`].
    ///
    /// # Errors
    /// When the buffer is too small, or the machine has no kernel of the name in the variable.
    pub fn new(model: Model<'m>, state: &'b mut [u32]) -> Result<Self, EngineError<core::convert::Infallible>> {
        #[cfg(feature = "std")]
        let kernel = Native::chosen().map_err(EngineError::Kernel)?;
        #[cfg(not(feature = "std"))]
        let kernel = Native::default();
        Self::with(model, state, kernel, Plan::Pixel)
    }
}

impl<'m, 'b, K: Kernel> Engine<'m, 'b, K> {
    /// An engine at the first pixel of an image, in a buffer of [`Model::state_words_for`] `plan` words.
    ///
    /// # Errors
    /// When the buffer is too small.
    pub fn with(
        model: Model<'m>,
        state: &'b mut [u32],
        kernel: K,
        plan: Plan,
    ) -> Result<Self, EngineError<core::convert::Infallible>> {
        let (needed, got) = (model.state_words_for(plan), state.len());
        let state = state.get_mut(..needed).ok_or(EngineError::Buffer { needed, got })?;
        Ok(Self { model, state, kernel, plan, label: None, next: 0 })
    }

    /// Goes back to the first pixel, to make another image.
    ///
    /// Nothing needs to be cleared: what lies outside the image is never read.
    ///
    /// # Errors
    /// When the model has no class `label`, or has classes and `label` is `None`.
    pub fn restart(&mut self, label: Option<usize>) -> Result<(), EngineError<core::convert::Infallible>> {
        let classes = self.model.classes();
        if label.map_or(classes > 0, |label| label >= classes) {
            return Err(EngineError::Label { classes, got: label });
        }
        self.label = label;
        self.next = 0;
        Ok(())
    }

    /// The model.
    pub const fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// Pixels done.
    pub const fn position(&self) -> usize {
        self.next
    }

    /// Predicts the next pixel's values one after the other, takes each from `source`, and moves on.
    ///
    /// `None` after the last pixel. After an error the engine stands at the same pixel.
    ///
    /// # Errors
    /// When the source has no value or one that is no level, or a model with classes was given no label.
    pub fn step<S: SymbolSource>(&mut self, source: &mut S) -> Result<Option<Pixel>, EngineError<S::Error>> {
        self.step_observed(source, &mut ())
    }

    /// As [`Engine::step`], with someone watching.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn step_observed<S: SymbolSource, O: Observer>(
        &mut self,
        source: &mut S,
        observer: &mut O,
    ) -> Result<Option<Pixel>, EngineError<S::Error>> {
        match self.model.weights() {
            Weights::I8 => self.step_as::<Int8, S, O>(source, observer),
            #[cfg(feature = "float")]
            Weights::F16 => self.step_as::<Float<u16>, S, O>(source, observer),
            #[cfg(feature = "float")]
            Weights::F32 => self.step_as::<Float<f32>, S, O>(source, observer),
        }
    }

    fn step_as<A: Arithmetic, S: SymbolSource, O: Observer>(
        &mut self,
        source: &mut S,
        observer: &mut O,
    ) -> Result<Option<Pixel>, EngineError<S::Error>> {
        let Image { height, width, channels, levels } = self.model.image();
        let classes = self.model.classes();
        if classes > 0 && self.label.is_none() {
            return Err(EngineError::Label { classes, got: None });
        }
        if self.next >= height * width {
            return Ok(None);
        }
        let row = self.next.checked_div(width).ok_or(EngineError::Corrupt)?;
        let column = self.next - row * width;
        let mut pixel = Pixel { row, column, values: [0; 3], cost: 0 };
        for (channel, slot) in pixel.values.iter_mut().enumerate().take(channels) {
            let context = self.context(row, column, channel);
            let logits = run::<A, K, O>(&context, self.state, self.kernel, observer).ok_or(EngineError::Corrupt)?;
            let distribution = match self.model.output() {
                crate::model::Output::Softmax => logits,
                crate::model::Output::Bernoulli => bernoulli(logits),
            };
            let distribution = Distribution::softmax(distribution, source.temperature(), self.kernel);
            let position = Position { row, column, channel };
            let value = source.next(position, &distribution).map_err(EngineError::Source)?;
            if usize::from(value) >= levels {
                return Err(EngineError::Value { position, got: value, levels });
            }
            pixel.cost += u64::from(distribution.cost(value));
            *slot = value;
            self.store::<A>(channel, value).ok_or(EngineError::Corrupt)?;
        }
        let context = self.context(row, column, channels - 1);
        self.finish::<A>(&context).ok_or(EngineError::Corrupt)?;
        self.next += 1;
        Ok(Some(pixel))
    }

    /// Makes or scores a whole image, `[C, H, W]`, from the first pixel on, and gives its cost in units of 2⁻²⁴ bit.
    ///
    /// # Errors
    /// As [`Engine::restart`] and [`Engine::step`]; `Corrupt` when `out` is not one image long.
    pub fn run<S: SymbolSource>(
        &mut self,
        label: Option<usize>,
        source: &mut S,
        out: &mut [u8],
    ) -> Result<u64, EngineError<S::Error>> {
        let Image { height, width, channels, .. } = self.model.image();
        self.restart(label).map_err(|_| EngineError::Label { classes: self.model.classes(), got: label })?;
        let mut cost = 0;
        while let Some(pixel) = self.step(source)? {
            for (channel, value) in pixel.values.iter().enumerate().take(channels) {
                let at = (channel * height + pixel.row) * width + pixel.column;
                *out.get_mut(at).ok_or(EngineError::Corrupt)? = *value;
            }
            cost += pixel.cost;
        }
        Ok(cost)
    }

    /// Writes a value into the input register.
    fn store<A: Arithmetic>(&mut self, channel: usize, value: u8) -> Option<()> {
        let image = self.model.image();
        let table: &[A::Activation] = self.model.numbers(self.model.header().input_table, image.levels)?;
        Registers::new(self.state).set(0, channel, *table.get(usize::from(value))?)
    }

    fn context(&self, row: usize, column: usize, group: usize) -> Context<'m> {
        let Image { height, width, channels, .. } = self.model.image();
        Context {
            model: self.model,
            plan: self.plan,
            label: self.label,
            height,
            width,
            row,
            column,
            groups: channels,
            group,
        }
    }

    /// What waits for all values of a pixel: the first convolution keeps the image itself, and after a row's last pixel
    /// comes the sweep of each Diagonal BiLSTM.
    fn finish<A: Arithmetic>(&mut self, context: &Context<'_>) -> Option<()> {
        let (mut shared, mut ops) = split::<A>(&self.model, self.state)?;
        let row_ends = context.column + 1 == context.width && context.row + 1 < context.height;
        for (op, instruction) in self.model.instructions().enumerate() {
            let instruction = instruction?;
            let (own, rest) = ops.split_at_mut_checked(context.words(&instruction))?;
            ops = rest;
            match instruction {
                Instruction::MaskedConv(record) if op == 0 => {
                    let slots = record.kept_pixels(context.height, context.width);
                    let image: &[A::Activation] = shared.registers.get(record.input, 0..context.groups)?;
                    let own = bytemuck::try_cast_slice_mut(own).ok()?;
                    Ring::new(own, slots, context.groups).put(context.pixel(), image)?;
                }
                Instruction::DiagonalRight(record) if row_ends => {
                    lstm::sweep::<A, K>(record, context, own, &mut shared, self.kernel)?;
                }
                _ if !row_ends => break,
                _ => {}
            }
        }
        Some(())
    }
}

/// The buffer's parts: shared ones, and the words of the ops' own state.
fn split<'b, A: Arithmetic>(model: &Model<'_>, state: &'b mut [u32]) -> Option<(Shared<'b, A>, &'b mut [u32])> {
    let header = model.header();
    let (registers, rest) = state.split_at_mut_checked(header.register_bytes as usize / 4)?;
    let (logits, rest) = rest.split_at_mut_checked(model.image().levels)?;
    let (patch, ops) = rest.split_at_mut_checked(header.patch_bytes as usize / 4)?;
    let patch = bytemuck::try_cast_slice_mut(patch).ok()?;
    Some((Shared { registers: Registers::new(registers), logits, patch, sums: [A::Sum::default(); SUMS] }, ops))
}

/// Runs all ops for one colour of one pixel; `None` where the blob contradicts what was checked.
fn run<'b, A: Arithmetic, K: Kernel, O: Observer>(
    context: &Context<'_>,
    state: &'b mut [u32],
    kernel: K,
    observer: &mut O,
) -> Option<&'b mut [u32]> {
    let (mut shared, mut ops) = split::<A>(&context.model, state)?;
    for (op, instruction) in context.model.instructions().enumerate() {
        let instruction = instruction?;
        let (own, rest) = ops.split_at_mut_checked(context.words(&instruction))?;
        ops = rest;
        let registers = &mut shared.registers;
        match instruction {
            Instruction::MaskedConv(record) => {
                let conv = Conv { record, context, reads_image: op == 0, arithmetic: PhantomData };
                conv.step(own, &mut shared, kernel)?;
            }
            Instruction::Quantize(record) => elementwise::quantize::<A, K>(record, context, registers, kernel)?,
            Instruction::Relu(record) => elementwise::relu::<A>(record, context, registers)?,
            Instruction::Elu(record) => elementwise::elu::<A>(record, context, registers)?,
            Instruction::Add(record) => elementwise::add::<A>(record, context, registers)?,
            Instruction::DepthGate(record) => elementwise::depth_gate::<A>(record, context, registers)?,
            Instruction::RowLstm(record) => lstm::row(record, context, own, &mut shared, kernel)?,
            Instruction::DiagonalLeft(record) => lstm::diagonal_left(record, context, own, &mut shared, kernel)?,
            Instruction::DiagonalRight(record) => lstm::diagonal_right(record, context, own, &mut shared, kernel)?,
        }
        observer.after(op, context.group, &shared.registers, shared.logits);
    }
    Some(shared.logits)
}

/// The two logits, 0 and z, of a Bernoulli output's one.
fn bernoulli(logits: &mut [u32]) -> &mut [u32] {
    if let [first, second, ..] = logits {
        *second = *first;
        *first = 0;
    }
    logits
}
