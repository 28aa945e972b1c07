//! Elementwise ops and quantization, one pixel and one colour at a time.

use super::context::{PixelContext, Scratch};
use super::gemv::{OUTPUT_BLOCK, Store, opaque};
use super::registers::bytes;
use crate::arithmetic::Arithmetic;
use crate::blob::{Elementwise, Operands, QuantizeRecord, group_start};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use core::ops::Range;

/// Runs an elementwise op on the features of the current colour group.
#[cfg_attr(pixelrnn_mve, inline(never))]
pub(super) fn run<A: Arithmetic, K: Kernel>(
    op: Elementwise<'_>,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let operands = op.operands();
    let Operands { inputs: [a, b, t], output, count, .. } = operands;
    let Scratch { registers, sums, .. } = scratch;
    let group = features(context, count);
    let Range { start: mut first, end } = group;
    while first < end {
        // An output register may also be an input: a block is read before it is written.
        let range = first..end.min(first + OUTPUT_BLOCK);
        first = range.end;
        let values = sums.get_mut(..range.len()).ok_or(Corrupt)?;
        let read = |at, range| registers.get::<A::Residual>(at, range).ok_or(Corrupt);
        let [of_a, of_b, of_t] = operands.ranges(&group, range.clone());
        A::elementwise_all(kernel, op, [read(a, of_a)?, read(b, of_b)?, read(t, of_t)?], values);
        Store::Residual.put::<A, K>(registers, output, range, values, kernel)?;
    }
    Ok(())
}

/// Quantizes residuals to activations, for a range of features.
#[inline(always)]
pub(super) fn quantize<A: Arithmetic, K: Kernel>(
    record: &QuantizeRecord,
    features: Range<usize>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let (zero_point, clamp_min) = opaque::<K>(record.zero_point, record.clamp_min);
    let x = bytes::<A::Residual>(record.input, features.clone());
    let (x, y) =
        scratch.registers.split_disjoint_mut(x, bytes::<A::Activation>(record.output, features)).ok_or(Corrupt)?;
    A::quantized(kernel, x, record.rescale, zero_point, clamp_min, y);
    Ok(())
}

/// Features of the current colour group, out of `count`.
#[inline(always)]
pub(super) fn features(context: &PixelContext<'_>, count: u16) -> Range<usize> {
    let start = |group| group_start(usize::from(count), context.groups, group);
    start(context.group)..start(context.group + 1)
}
