//! Context of the current pixel, and the split of the caller's buffer.

use super::gemv::OUTPUT_BLOCK;
use super::registers::Registers;
use super::ring::Ring;
use crate::arithmetic::Arithmetic;
use crate::blob::{ConvRecord, GRAPH, Instruction, Model, Plan};
use core::hint::black_box;

/// Current pixel and colour group.
#[derive(Clone, Copy)]
pub(super) struct PixelContext<'m> {
    pub(super) model: Model<'m>,
    pub(super) plan: Plan,
    /// Class, for a conditional model.
    pub(super) label: Option<usize>,
    /// Rows of the image.
    pub(super) height: usize,
    /// Columns of the image.
    pub(super) width: usize,
    /// Row of the pixel.
    pub(super) row: usize,
    /// Column of the pixel.
    pub(super) column: usize,
    /// Colour groups of the model: one per channel of the image, or one for all.
    pub(super) groups: usize,
    /// Colour group whose logits are computed, from 0.
    pub(super) group: usize,
    /// Value of the pixel, of one channel, after it is known.
    pub(super) value: u8,
}

impl PixelContext<'_> {
    /// Index of the pixel in raster order.
    pub(super) fn pixel(&self) -> usize {
        self.row * self.width + self.column
    }
}

/// State of the ops that have not run yet, in order.
pub(super) struct OpState<'b>(&'b mut [u32]);

impl<'b> OpState<'b> {
    /// State of the ops of a segment, `words` after the first.
    pub(super) fn from(&mut self, words: usize) -> Option<OpState<'_>> {
        self.0.get_mut(words..).map(OpState)
    }

    /// Splits off the state of the next op.
    pub(super) fn take(&mut self, instruction: Instruction<'_>, context: &PixelContext<'_>) -> Option<&'b mut [u32]> {
        let PixelContext { height, width, model, plan, .. } = context;
        self.0.split_off_mut(..instruction.state_bytes(*height, *width, model.weights(), *plan) / 4)
    }

    /// Fast path of [`OpState::take`] for a convolution: same words, as a ring.
    pub(super) fn ring<A: Arithmetic>(
        &mut self,
        record: &ConvRecord,
        context: &PixelContext<'_>,
    ) -> Option<Ring<'b, A::Activation>> {
        let (pixels, inputs) = (record.kept_pixels(context.height, context.width), usize::from(record.inputs));
        if pixels == 0 {
            return Ring::new(&mut [], 0, inputs);
        }
        let words = self.0.split_off_mut(..(pixels * inputs * size_of::<A::Activation>()).div_ceil(4))?;
        Ring::new(words, pixels, inputs)
    }
}

/// Memory shared by all ops.
pub(super) struct Scratch<'b, A: Arithmetic> {
    pub(super) registers: Registers<'b>,
    pub(super) logits: &'b mut [u32],
    pub(super) im2col: &'b mut [A::Activation],
    /// Maps of a graph.
    pub(super) maps: &'b mut [u32],
    /// Accumulators of one block of outputs.
    pub(super) sums: &'b mut [A::Sum; OUTPUT_BLOCK],
}

impl<A: Arithmetic> Scratch<'_, A> {
    /// The same memory with a shorter lifetime.
    pub(super) fn reborrow(&mut self) -> Scratch<'_, A> {
        let Self { registers, logits, im2col, maps, sums } = self;
        Scratch { registers: registers.reborrow(), logits, im2col, maps, sums }
    }
}

/// Zeroed [`Scratch::sums`]. The `black_box` hides the zero from the compiler, which would otherwise call `memset`.
pub(super) fn zeroed_accumulators<A: Arithmetic>() -> [A::Sum; OUTPUT_BLOCK] {
    [black_box(A::Sum::default()); OUTPUT_BLOCK]
}

/// Splits the caller's buffer into shared memory and op states. Order: registers, logits, im2col, maps, op states.
pub(super) fn split<'b, A: Arithmetic>(
    model: &Model<'_>,
    plan: Plan,
    state: &'b mut [u32],
    sums: &'b mut [A::Sum; OUTPUT_BLOCK],
) -> Option<(Scratch<'b, A>, OpState<'b>)> {
    let header = model.header();
    let (registers, rest) = state.split_at_mut_checked(header.register_bytes as usize / 4)?;
    let (logits, rest) = rest.split_at_mut_checked(model.logit_words())?;
    let (im2col, rest) = rest.split_at_mut_checked(header.im2col_bytes as usize / 4)?;
    let (maps, ops) = rest.split_at_mut_checked(if GRAPH { model.map_words(plan) } else { 0 })?;
    let im2col = bytemuck::try_cast_slice_mut(im2col).ok()?;
    Some((Scratch { registers: Registers::new(registers), logits, im2col, maps, sums }, OpState(ops)))
}
