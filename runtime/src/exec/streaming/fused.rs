//! Fast path of [`super::conv`] for convolutions whose outputs fit one block: same result.
//!
//! No accumulator state crosses blocks, so there is less set-up. Set-up dominates if vectors make the products short.

use super::context::{OpState, PixelContext, Scratch};
use super::conv::{gather, to_logits};
use super::elementwise::{features, quantize};
use super::gemv::OUTPUT_BLOCK;
use super::memory::copy;
use super::observer::Observer;
use super::ring::{Ring, Rows};
use crate::arithmetic::Arithmetic;
use crate::blob::{ConvRecord, Destination, Layout, group_start};
use crate::exec::error::Corrupt;
use crate::kernels::{Gemv, Kernel};
use crate::network::Mask;
use crate::network::taps::Reach;
use bytemuck::Pod;
use core::ops::Range;

/// Fast path of [`super::forward::run`] for convolutions and `quantize`: same result. Returns the index of the first of `ops` that it cannot
/// run.
///
/// Weights must be row-major, with multipliers. `GROUPS` is 1 for a model of one colour, else 3. The loop inlines its ops, because
/// calls would be a large share of their time. It leaves LSTMs to the caller, to save stack.
#[inline(never)]
pub(super) fn ops<A: Arithmetic, K: Kernel, O: Observer, const GROUPS: usize>(
    ops: Range<usize>,
    context: &PixelContext<'_>,
    op_state: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
    observer: &mut O,
) -> Result<usize, Corrupt> {
    // A local copy avoids a load through a pointer at each use.
    let mut scratch = scratch.reborrow();
    let mut op = ops.start;
    for record in context.model.records().get(ops).ok_or(Corrupt)? {
        if let Some(record) = record.conv() {
            if !conv::<A, K, GROUPS>(record, context, op_state, &mut scratch, kernel)? {
                break;
            }
        } else if let Some(record) = record.quantize() {
            let features = if GROUPS == 1 { 0..usize::from(record.count) } else { features(context, record.count) };
            quantize(record, features, &mut scratch, kernel)?;
        } else {
            break;
        }
        observer.after(op, context.group, &scratch.registers, scratch.logits);
        op += 1;
    }
    Ok(op)
}

/// Fast path of [`super::conv::conv`]: same result. Returns `false`, with nothing done, for convolutions that it does not support.
///
/// Unsupported are more outputs than [`OUTPUT_BLOCK`], except 1x1 logits, and class biases besides ordinary biases.
#[inline(always)]
fn conv<A: Arithmetic, K: Kernel, const GROUPS: usize>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    op_state: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<bool, Corrupt> {
    let GroupShape { open, outputs, first_weight, last } = GroupShape::new::<GROUPS>(record, context);
    let count = outputs.end - outputs.start;
    if record.class_bias != 0 && record.bias != 0 {
        return Ok(false);
    }
    if count > OUTPUT_BLOCK {
        if record.destination != Destination::Logits as u8 || record.kernel != [1, 1] {
            return Ok(false);
        }
        let x = scratch.registers.get(record.input, 0..open).ok_or(Corrupt)?;
        return many_logits::<A, K>(record, context, outputs, first_weight, x, scratch.logits, kernel);
    }
    let x = if record.kernel == [1, 1] {
        let x = scratch.im2col.get_mut(..open).ok_or(Corrupt)?;
        scratch.registers.read(record.input, 0, x)?;
        &*x
    } else {
        let length = collect::<A>(record, context, open, last && record.input != 0, op_state, scratch)?;
        scratch.im2col.get(..length).ok_or(Corrupt)?
    };
    let Scratch { registers, logits, sums, .. } = scratch;
    let sums = sums.get_mut(..count).ok_or(Corrupt)?;
    let gemv = Gemv {
        bias: biases::<A>(record, context, outputs.clone())?,
        weights: context.model.slice(record.weights, first_weight..first_weight + count * x.len()).ok_or(Corrupt)?,
        x,
        left_shift: record.left_shift,
        multipliers: context.model.slice(record.multipliers, outputs.clone()).ok_or(Corrupt)?,
    };
    match record.destination().ok_or(Corrupt)? {
        Destination::Activation => {
            let (zero_point, clamp_min) = (i32::from(record.output_zero_point), i32::from(record.output_clamp_min));
            let y = registers.get_mut(record.output, outputs).ok_or(Corrupt)?;
            A::gemv_activations(kernel, gemv, zero_point, clamp_min, sums, y);
        }
        Destination::Accumulate => {
            A::gemv_accumulated(kernel, gemv, sums, registers.get_mut(record.output, outputs).ok_or(Corrupt)?);
        }
        Destination::Residual => {
            A::gemv_scaled(kernel, gemv, sums);
            A::residuals(kernel, sums, registers.get_mut(record.output, outputs).ok_or(Corrupt)?);
        }
        Destination::Logits => {
            A::gemv_scaled(kernel, gemv, sums);
            let logits = logits.get_mut(..count).ok_or(Corrupt)?;
            copy(logits, bytemuck::try_cast_slice(sums).ok().ok_or(Corrupt)?)?;
            to_logits::<A, K>(record.logit_shift, context, logits, kernel);
        }
    }
    Ok(true)
}

/// Class biases of the outputs if the op has them, else its biases.
#[inline(always)]
fn biases<'m, A: Arithmetic>(
    record: &ConvRecord,
    context: &PixelContext<'m>,
    Range { start, end }: Range<usize>,
) -> Result<&'m [A::Sum], Corrupt> {
    if record.class_bias == 0 {
        return context.model.slice(record.bias, start..end).ok_or(Corrupt);
    }
    let class = context.label.ok_or(Corrupt)? * usize::from(record.outputs);
    context.model.slice(record.class_bias, class + start..class + end).ok_or(Corrupt)
}

/// Fast path of [`super::conv::conv`] for any number of 1x1 logits: same result. The logits themselves serve as accumulators.
#[inline(never)]
fn many_logits<A: Arithmetic, K: Kernel>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    outputs: Range<usize>,
    first_weight: usize,
    x: &[A::Activation],
    logits: &mut [u32],
    kernel: K,
) -> Result<bool, Corrupt> {
    let logits = logits.get_mut(..outputs.end - outputs.start).ok_or(Corrupt)?;
    let end = first_weight + logits.len() * x.len();
    let gemv = Gemv {
        bias: biases::<A>(record, context, outputs.clone())?,
        weights: context.model.slice(record.weights, first_weight..end).ok_or(Corrupt)?,
        x,
        left_shift: record.left_shift,
        multipliers: context.model.slice(record.multipliers, outputs).ok_or(Corrupt)?,
    };
    A::gemv_sums(kernel, gemv, logits);
    to_logits::<A, K>(record.logit_shift, context, logits, kernel);
    Ok(true)
}

/// Gathers the im2col vector: inputs of the past taps, then `open` inputs of the centre. Returns its length.
///
/// With `keep`, stores the centre's inputs for later pixels.
#[inline(never)]
fn collect<A: Arithmetic>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    open: usize,
    keep: bool,
    op_state: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
) -> Result<usize, Corrupt> {
    let Scratch { registers, im2col, .. } = scratch;
    let mut ring = op_state.ring::<A>(record, context).ok_or(Corrupt)?;
    let past = record.past_taps() * usize::from(record.inputs);
    let length = past + open;
    let (past, centre) = im2col.get_mut(..length).ok_or(Corrupt)?.split_at_mut_checked(past).ok_or(Corrupt)?;
    if !inside(record, context, &ring, past)? {
        gather::<A>(record, context, &ring, past)?;
    }
    registers.read(record.input, 0, centre)?;
    if keep && !ring.is_empty() {
        registers.read(record.input, 0, ring.get_mut(context.pixel()).ok_or(Corrupt)?)?;
    }
    Ok(length)
}

/// Fast path of [`gather`] for pixels whose taps are all inside the image: same result. Returns `false`, with nothing done, for others.
#[inline(always)]
fn inside<T: Pod>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    ring: &Ring<'_, T>,
    past: &mut [T],
) -> Result<bool, Corrupt> {
    let PixelContext { width, row, column, .. } = *context;
    let (inputs, dilation) = (usize::from(record.inputs), usize::from(record.dilation));
    let Reach { above, left, right } = record.reach();
    if row < above * dilation || column < left * dilation || column + right * dilation >= width {
        return Ok(false);
    }
    let pixel = row * width + column - (above * width + left) * dilation;
    let rows = Rows { count: above, length: (left + 1 + right) * inputs, stride: dilation * width };
    ring.copy_rows(pixel, dilation, rows, past)?;
    Ok(true)
}

/// Share of the current colour group in a convolution.
struct GroupShape {
    /// Features of the centre that the group reads.
    open: usize,
    outputs: Range<usize>,
    /// Index of the group's first weight.
    first_weight: usize,
    /// True for the last colour of the pixel.
    last: bool,
}

impl GroupShape {
    /// Fast path of [`crate::blob::MatrixDescriptor`]'s `open`, `group` and `weights_before`: same result.
    #[inline(always)]
    fn new<const GROUPS: usize>(record: &ConvRecord, context: &PixelContext<'_>) -> Self {
        let (inputs, outputs) = (usize::from(record.inputs), usize::from(record.outputs));
        let mask_b = usize::from(record.mask() == Mask::B);
        if GROUPS == 1 {
            return Self { open: inputs * mask_b, outputs: 0..outputs, first_weight: 0, last: true };
        }
        let group = context.group;
        let (last, past) = (group + 1 == GROUPS, record.past_taps() * inputs);
        let (each_input, each_output) = (inputs / GROUPS, outputs / GROUPS);
        if each_input * GROUPS == inputs && each_output * GROUPS == outputs {
            // Groups differ only in the open part of the centre: group g reads the inputs of g + mask_b groups.
            let open_groups = group * mask_b + (0..group).sum::<usize>();
            return Self {
                open: (group + mask_b) * each_input,
                outputs: group * each_output..(group + 1) * each_output,
                first_weight: each_output * (group * past + open_groups * each_input),
                last,
            };
        }
        let first = |group| group_start(outputs, GROUPS, group);
        Self {
            open: group_start(inputs, GROUPS, group + mask_b),
            outputs: first(group)..first(group + 1),
            first_weight: record.weights_before(GROUPS, group, Layout::RowMajor),
            last,
        }
    }
}
