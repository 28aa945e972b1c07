//! A convolution whose outputs are few enough to be computed at once.
//!
//! It gives what [`super::conv`] gives. With nothing to keep from some outputs to the next ones it has less to set up, which
//! counts where vectors make the sums themselves short.

use super::context::{OpState, PixelContext, Scratch};
use super::conv::{gather, logits as to_logits};
use super::elementwise::{features, quantize};
use super::gemv::OUTPUT_BLOCK;
use super::memory::copy;
use super::observer::Observer;
use super::ring::Ring;
use crate::arithmetic::Arithmetic;
use crate::blob::{ConvRecord, Destination, Layout, group_start};
use crate::exec::error::Corrupt;
use crate::kernels::{Gemv, Kernel};
use crate::network::Mask;
use crate::network::taps::Reach;
use bytemuck::Pod;
use core::ops::Range;

/// Runs ops from `op` on of a model with weights in rows and multipliers, and gives the number of the first that is left to others. With
/// `GROUPS` 1, the model has one colour.
///
/// One function for all of them, as calls would be a good deal of what they do. An LSTM is called from outside, for the stack's
/// sake.
#[inline(never)]
pub(super) fn ops<A: Arithmetic, K: Kernel, O: Observer, const GROUPS: usize>(
    mut op: usize,
    context: &PixelContext<'_>,
    own: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
    observer: &mut O,
) -> Result<usize, Corrupt> {
    // Here, and not behind a pointer.
    let mut scratch = scratch.reborrow();
    for record in context.model.records().get(op..).ok_or(Corrupt)? {
        if let Some(record) = record.conv() {
            if !conv::<A, K, GROUPS>(record, context, op == 0, own, &mut scratch, kernel)? {
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

/// A convolution at a pixel, as [`super::conv::conv`]; `false` for one with more outputs than are computed at once, unless they are
/// logits, and for one whose biases and those of a class are still to be added.
#[inline(always)]
fn conv<A: Arithmetic, K: Kernel, const GROUPS: usize>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    first: bool,
    own: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<bool, Corrupt> {
    let Part { open, outputs, before, last } = Part::new::<GROUPS>(record, context);
    let count = outputs.end - outputs.start;
    if record.class_bias != 0 && record.bias != 0 {
        return Ok(false);
    }
    if count > OUTPUT_BLOCK {
        if record.destination != Destination::Logits as u8 || record.kernel != [1, 1] {
            return Ok(false);
        }
        let x = scratch.registers.get(record.input, 0..open).ok_or(Corrupt)?;
        return many_logits::<A, K>(record, context, (outputs, before), x, scratch.logits, kernel);
    }
    let x = if record.kernel == [1, 1] {
        let x = scratch.im2col.get_mut(..open).ok_or(Corrupt)?;
        scratch.registers.read(record.input, 0, x)?;
        &*x
    } else {
        let length = collect::<A>(record, context, open, last && !first, own, scratch)?;
        scratch.im2col.get(..length).ok_or(Corrupt)?
    };
    let Scratch { registers, logits, sums, .. } = scratch;
    let sums = sums.get_mut(..count).ok_or(Corrupt)?;
    let rows = Gemv {
        bias: biases::<A>(record, context, outputs.clone())?,
        weights: context.model.slice(record.weights, before..before + count * x.len()).ok_or(Corrupt)?,
        x,
        left_shift: record.left_shift,
        multipliers: context.model.slice(record.multipliers, outputs.clone()).ok_or(Corrupt)?,
    };
    match record.destination().ok_or(Corrupt)? {
        Destination::Activation => {
            let (zero_point, clamp_min) = (i32::from(record.output_zero_point), i32::from(record.output_clamp_min));
            let y = registers.get_mut(record.output, outputs).ok_or(Corrupt)?;
            A::gemv_activations(kernel, rows, zero_point, clamp_min, sums, y);
        }
        Destination::Accumulate => {
            A::gemv_accumulated(kernel, rows, sums, registers.get_mut(record.output, outputs).ok_or(Corrupt)?);
        }
        Destination::Residual => {
            A::gemv_scaled(kernel, rows, sums);
            A::residuals(kernel, sums, registers.get_mut(record.output, outputs).ok_or(Corrupt)?);
        }
        Destination::Logits => {
            A::gemv_scaled(kernel, rows, sums);
            let logits = logits.get_mut(..count).ok_or(Corrupt)?;
            copy(logits, bytemuck::try_cast_slice(sums).ok().ok_or(Corrupt)?)?;
            to_logits::<A, K>(record, context, logits, kernel);
        }
    }
    Ok(true)
}

/// Biases: those of the class, unless there are none.
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

/// Logits of a 1x1 kernel, however many: they are their own sums.
#[inline(never)]
fn many_logits<A: Arithmetic, K: Kernel>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    (outputs, before): (Range<usize>, usize),
    x: &[A::Activation],
    logits: &mut [u32],
    kernel: K,
) -> Result<bool, Corrupt> {
    let logits = logits.get_mut(..outputs.end - outputs.start).ok_or(Corrupt)?;
    let rows = Gemv {
        bias: biases::<A>(record, context, outputs.clone())?,
        weights: context.model.slice(record.weights, before..before + logits.len() * x.len()).ok_or(Corrupt)?,
        x,
        left_shift: record.left_shift,
        multipliers: context.model.slice(record.multipliers, outputs).ok_or(Corrupt)?,
    };
    A::gemv_sums(kernel, rows, logits);
    to_logits::<A, K>(record, context, logits, kernel);
    Ok(true)
}

/// Collects the inputs: those under the past taps, and the `open` ones of the centre, which may be kept for later pixels. Gives how
/// many these are.
#[inline(never)]
fn collect<A: Arithmetic>(
    record: &ConvRecord,
    context: &PixelContext<'_>,
    open: usize,
    kept: bool,
    own: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
) -> Result<usize, Corrupt> {
    let Scratch { registers, im2col, .. } = scratch;
    let mut ring = own.ring::<A>(record, context).ok_or(Corrupt)?;
    let past = record.past_taps() * usize::from(record.inputs);
    let length = past + open;
    let (past, centre) = im2col.get_mut(..length).ok_or(Corrupt)?.split_at_mut_checked(past).ok_or(Corrupt)?;
    if !inside(record, context, &ring, past)? {
        gather::<A>(record, context, &ring, past)?;
    }
    registers.read(record.input, 0, centre)?;
    if kept && !ring.is_empty() {
        registers.read(record.input, 0, ring.get_mut(context.pixel()).ok_or(Corrupt)?)?;
    }
    Ok(length)
}

/// [`gather`] where all taps are inside the image; `false` where they are not.
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
    ring.copy_rows(pixel, dilation, (above, (left + 1 + right) * inputs, dilation * width), past)?;
    Ok(true)
}

/// What a colour computes of a convolution.
struct Part {
    /// Features of the centre that it reads.
    open: usize,
    outputs: Range<usize>,
    /// Weights of the colours before.
    before: usize,
    /// Whether it is the last colour of the pixel.
    last: bool,
}

impl Part {
    #[inline(always)]
    fn new<const GROUPS: usize>(record: &ConvRecord, context: &PixelContext<'_>) -> Self {
        let (inputs, outputs) = (usize::from(record.inputs), usize::from(record.outputs));
        let own = usize::from(record.mask() == Mask::B);
        if GROUPS == 1 {
            return Self { open: inputs * own, outputs: 0..outputs, before: 0, last: true };
        }
        let group = context.group;
        let (last, past) = (group + 1 == GROUPS, record.past_taps() * inputs);
        let (each_input, each_output) = (inputs / GROUPS, outputs / GROUPS);
        if each_input * GROUPS == inputs && each_output * GROUPS == outputs {
            // Colours are alike but for what is open: of the first one `own` shares, and of each later one a share more.
            let shares = group * own + (0..group).sum::<usize>();
            return Self {
                open: (group + own) * each_input,
                outputs: group * each_output..(group + 1) * each_output,
                before: each_output * (group * past + shares * each_input),
                last,
            };
        }
        let first = |group| group_start(outputs, GROUPS, group);
        Self {
            open: group_start(inputs, GROUPS, group + own),
            outputs: first(group)..first(group + 1),
            before: record.weights_before(GROUPS, group, Layout::RowMajor),
            last,
        }
    }
}
