//! All ops at one pixel.

use super::conv::conv;
use super::registers::Registers;
use super::ring::Ring;
use super::sums::SUMS;
use super::{Observer, Plan, elementwise, lstm, whole};
use crate::blob::{ConvRecord, Instruction, LSTM, Layout, Model};
use crate::kernels::Kernel;
use crate::numbers::Arithmetic;
use core::hint::black_box;

/// What every op of a pixel needs to know.
#[derive(Clone, Copy)]
pub(super) struct Context<'m> {
    pub(super) model: Model<'m>,
    pub(super) plan: Plan,
    pub(super) label: Option<usize>,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) groups: usize,
    pub(super) group: usize,
}

impl Context<'_> {
    /// Number of the pixel in raster order.
    pub(super) fn pixel(&self) -> usize {
        self.row * self.width + self.column
    }
}

/// The ops' own state: what those that are still to run keep.
pub(super) struct Own<'b>(&'b mut [u32]);

impl<'b> Own<'b> {
    /// Takes off what an op keeps.
    fn take(&mut self, instruction: Instruction<'_>, context: &Context<'_>) -> Option<&'b mut [u32]> {
        let Context { height, width, model, plan, .. } = context;
        self.0.split_off_mut(..instruction.state_bytes(*height, *width, model.weights(), *plan) / 4)
    }

    /// Takes off what a convolution keeps.
    pub(super) fn ring<A: Arithmetic>(
        &mut self,
        record: &ConvRecord,
        context: &Context<'_>,
    ) -> Option<Ring<'b, A::Activation>> {
        let (pixels, inputs) = (record.kept_pixels(context.height, context.width), usize::from(record.inputs));
        if pixels == 0 {
            return Ring::new(&mut [], 0, inputs);
        }
        let own = self.0.split_off_mut(..(pixels * inputs * size_of::<A::Activation>()).div_ceil(4))?;
        Ring::new(own, pixels, inputs)
    }
}

/// The parts of the buffer that ops share.
pub(super) struct Shared<'b, A: Arithmetic> {
    pub(super) registers: Registers<'b>,
    pub(super) logits: &'b mut [u32],
    pub(super) patch: &'b mut [A::Activation],
    /// The outputs that are computed at a time.
    pub(super) sums: &'b mut [A::Sum; SUMS],
}

impl<A: Arithmetic> Shared<'_, A> {
    /// The same parts, for a while.
    pub(super) fn again(&mut self) -> Shared<'_, A> {
        let Self { registers, logits, patch, sums } = self;
        Shared { registers: registers.again(), logits, patch, sums }
    }
}

/// Memory for [`Shared::sums`]. To the compiler the number is unknown, as it would clear what is 0 by `memset`.
pub(super) fn no_sums<A: Arithmetic>() -> [A::Sum; SUMS] {
    [black_box(A::Sum::default()); SUMS]
}

/// The buffer's parts: shared ones, and the words of the ops' own state.
fn split<'b, A: Arithmetic>(
    model: &Model<'_>,
    state: &'b mut [u32],
    sums: &'b mut [A::Sum; SUMS],
) -> Option<(Shared<'b, A>, Own<'b>)> {
    let header = model.header();
    let (registers, rest) = state.split_at_mut_checked(header.register_bytes as usize / 4)?;
    let (logits, rest) = rest.split_at_mut_checked(model.image().levels)?;
    let (patch, ops) = rest.split_at_mut_checked(header.patch_bytes as usize / 4)?;
    let patch = bytemuck::try_cast_slice_mut(patch).ok()?;
    Some((Shared { registers: Registers::new(registers), logits, patch, sums }, Own(ops)))
}

/// Runs all ops for one colour of one pixel, and gives the logits; `None` where the blob contradicts what was checked.
#[inline(never)]
pub(super) fn run<'b, A: Arithmetic, K: Kernel, O: Observer>(
    context: &Context<'_>,
    state: &'b mut [u32],
    sums: &'b mut [A::Sum; SUMS],
    kernel: K,
    observer: &mut O,
) -> Option<&'b mut [u32]> {
    let (mut shared, mut own) = split::<A>(&context.model, state, sums)?;
    let mut records = context.model.records().iter();
    let mut op = 0;
    loop {
        // Unless none is left, which is quicker to find out here.
        if K::WHOLE && A::MULTIPLIERS && context.model.layout() == Layout::Rows && records.len() > 0 {
            let ops = if context.groups == 1 { whole::ops::<A, K, O, 1> } else { whole::ops::<A, K, O, 3> };
            op = ops(op, context, &mut own, &mut shared, kernel, observer)?;
            records = context.model.records().get(op..)?.iter();
        }
        let Some(record) = records.next() else { break };
        let instruction = record.instruction()?;
        match instruction {
            Instruction::MaskedConv(record) => {
                let ring = own.ring::<A>(record, context)?;
                conv::<A, K>(record, context, op == 0, ring, &mut shared, kernel)?;
            }
            Instruction::RowLstm(record) if LSTM => {
                lstm::row(record, context, own.take(instruction, context)?, &mut shared, kernel)?;
            }
            Instruction::DiagonalLeft(record) if LSTM => {
                lstm::diagonal_left(record, context, own.take(instruction, context)?, &mut shared, kernel)?;
            }
            Instruction::DiagonalRight(record) if LSTM => {
                lstm::diagonal_right(record, context, own.take(instruction, context)?, &mut shared, kernel)?;
            }
            _ => elementwise::run(instruction, context, &mut shared, kernel)?,
        }
        observer.after(op, context.group, &shared.registers, shared.logits);
        op += 1;
    }
    Some(shared.logits)
}

/// What waits for all values of a pixel: the first convolution keeps the image itself, and after a row's last pixel
/// comes the sweep of each Diagonal BiLSTM.
#[inline(never)]
pub(super) fn finish<A: Arithmetic, K: Kernel>(
    context: &Context<'_>,
    state: &mut [u32],
    sums: &mut [A::Sum; SUMS],
    kernel: K,
) -> Option<()> {
    let (mut shared, mut own) = split::<A>(&context.model, state, sums)?;
    let mut instructions = context.model.instructions();
    if let Some(Instruction::MaskedConv(record)) = instructions.next()? {
        let mut ring = own.ring::<A>(record, context)?;
        if !ring.is_empty() {
            shared.registers.read(record.input, 0, ring.get_mut(context.pixel())?)?;
        }
    }
    if LSTM && context.column + 1 == context.width && context.row + 1 < context.height {
        for instruction in instructions {
            let instruction = instruction?;
            let kept = own.take(instruction, context)?;
            if let Instruction::DiagonalRight(record) = instruction {
                lstm::sweep::<A, K>(record, context, kept, &mut shared, kernel)?;
            }
        }
    }
    Some(())
}
