//! Masked convolution, one pixel and one colour at a time.

use super::context::{PixelContext, Scratch};
use super::gemv::{BlockedGemv, OUTPUT_BLOCK, Store};
use super::im2col::Im2Col;
use super::memory::{copy, fill};
use super::ring::Ring;
use crate::arithmetic::Arithmetic;
use crate::blob::{ConvRecord, Destination, GRAPH, MatrixDescriptor};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::network::Output as OfValues;
use core::ops::Range;

/// Masked convolution at one pixel: gathers an im2col vector, then computes the outputs block by block.
///
/// `ring` holds inputs of earlier pixels. Of a convolution that reads the image, in register 0,
/// [`super::forward::end_pixel`] stores the current pixel's once they are known.
#[cfg_attr(pixelrnn_mve, inline(never))]
pub(super) fn conv<A: Arithmetic, K: Kernel>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    mut ring: Ring<'_, A::Activation>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let Scratch { registers, im2col, .. } = &mut *scratch;
    let (groups, group) = (context.groups, context.group);
    let matrix = record.matrix();
    let open = matrix.open(groups, group);
    let length = context.model.layout().row(matrix.past + open);
    // A 1x1 kernel reads its register directly.
    let gathered = length != open;
    if gathered {
        let (past, centre) =
            im2col.get_mut(..length).ok_or(Corrupt)?.split_at_mut_checked(matrix.past).ok_or(Corrupt)?;
        gather::<A>(record, context, &ring, past)?;
        let (centre, padding) = centre.split_at_mut_checked(open).ok_or(Corrupt)?;
        registers.read(record.input, 0, centre)?;
        fill(padding, A::zero(0));
    }
    let source = if gathered { None } else { Some(record.input) };
    let output = Output {
        destination: record.destination().ok_or(Corrupt)?,
        at: record.output,
        zero_point: record.output_zero_point,
        clamp_min: record.output_clamp_min,
        logit_shift: record.logit_shift,
    };
    product::<A, K>(&matrix, context, source, length, output, scratch, kernel)?;
    let Scratch { registers, .. } = scratch;
    if !ring.is_empty() && record.input != 0 && group + 1 == groups {
        registers.read(record.input, 0, ring.get_mut(context.pixel()).ok_or(Corrupt)?)?;
    }
    Ok(())
}

/// Destination of a product, as its record describes it.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub(super) destination: Destination,
    /// Register written.
    pub(super) at: u32,
    pub(super) zero_point: i8,
    pub(super) clamp_min: i8,
    pub(super) logit_shift: u8,
}

/// Product of a colour group over `length` inputs, in the im2col buffer or in the register `source`, block by block.
#[inline(always)]
pub(super) fn product<A: Arithmetic, K: Kernel>(
    matrix: &MatrixDescriptor,
    context: &PixelContext<'_>,
    source: Option<u32>,
    length: usize,
    output: Output,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let Scratch { registers, logits, im2col, sums: memory, .. } = scratch;
    let mut sums = BlockedGemv::<A>::new(matrix, context, length);
    let Range { start, end } = sums.outputs;
    let mut at = start;
    while at < end {
        let range = at..end.min(at + OUTPUT_BLOCK);
        let values = memory.get_mut(..range.len()).ok_or(Corrupt)?;
        let x = match source {
            None => im2col.get(..length).ok_or(Corrupt)?,
            Some(register) => registers.get(register, 0..length).ok_or(Corrupt)?,
        };
        sums.next(x, values, kernel)?;
        at = range.end;
        let store = match output.destination {
            Destination::Activation => Store::Activation { zero_point: output.zero_point, clamp_min: output.clamp_min },
            Destination::Residual => Store::Residual,
            Destination::Accumulate => Store::Accumulate,
            Destination::Logits => {
                let to = logits.get_mut(range.start - start..range.end - start).ok_or(Corrupt)?;
                copy(to, bytemuck::try_cast_slice(values).ok().ok_or(Corrupt)?)?;
                continue;
            }
        };
        store.put::<A, K>(registers, output.at, range, values, kernel)?;
    }
    if output.destination == Destination::Logits {
        to_logits::<A, K>(output.logit_shift, context, logits.get_mut(..end - start).ok_or(Corrupt)?, kernel);
    }
    Ok(())
}

/// Turns a value's scaled sums into logits, in place. Without colour groups, those of each channel by itself.
#[inline(always)]
pub(super) fn to_logits<A: Arithmetic, K: Kernel>(shift: u8, context: &PixelContext<'_>, sums: &mut [u32], kernel: K) {
    let (image, output) = (context.model.image(), context.model.output());
    if GRAPH && context.groups < image.channels {
        for sums in sums.chunks_exact_mut(output.logits_per_channel(image.levels).max(1)) {
            A::logits(kernel, sums, output == OfValues::Softmax, shift);
        }
        return;
    }
    A::logits(kernel, sums, output == OfValues::Softmax, shift);
}

/// Copies the inputs of the past taps to `im2col`, kernel row by kernel row, with zero padding outside the image.
pub(super) fn gather<A: Arithmetic>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    ring: &Ring<'_, A::Activation>,
    mut im2col: &mut [A::Activation],
) -> Result<(), Corrupt> {
    let reach = record.reach();
    let (inputs, dilation) = (usize::from(record.inputs), usize::from(record.dilation));
    let columns = Im2Col { left: reach.left, dilation, zero: A::zero(record.input_zero_point) };
    for above in (0..=reach.above).rev() {
        let taps = reach.past_taps_of_row(above);
        let row = im2col.split_off_mut(..taps * inputs).ok_or(Corrupt)?;
        columns.gather(context, context.row.checked_sub(above * dilation), ring, inputs, row)?;
    }
    Ok(())
}
