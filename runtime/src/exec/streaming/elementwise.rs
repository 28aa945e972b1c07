//! Ops on each feature by itself.

use super::context::{PixelContext, Scratch};
use super::gemv::{OUTPUT_BLOCK, Store, opaque};
use super::registers::bytes;
use crate::arithmetic::Arithmetic;
use crate::blob::{Instruction, QuantizeRecord, group_start};
use crate::kernels::Kernel;
use core::ops::Range;

/// Runs an op on the features of the colour that is being computed; one of another sort does nothing.
#[cfg_attr(pixelrnn_mve, inline(never))]
pub(super) fn run<A: Arithmetic, K: Kernel>(
    op: Instruction<'_>,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Option<()> {
    let (count, output, inputs) = match op {
        Instruction::Quantize(q) => return quantize(q, features(context, q.count), scratch, kernel),
        Instruction::Relu(r) => (r.count, r.output, [r.input; 3]),
        Instruction::Elu(e) => (e.count, e.output, [e.input; 3]),
        Instruction::Add(s) => (s.count, s.output, [s.a, s.b, s.b]),
        Instruction::DepthGate(d) => (d.count, d.output, [d.a, d.b, d.t]),
        _ => return Some(()),
    };
    let Scratch { registers, sums, .. } = scratch;
    let Range { start: mut first, end } = features(context, count);
    while first < end {
        // Where the output is an input as well: features are read before they are written.
        let range = first..end.min(first + OUTPUT_BLOCK);
        first = range.end;
        let values = sums.get_mut(..range.len())?;
        let read = |at| registers.get::<A::Residual>(at, range.clone());
        let [a, b, t] = inputs;
        for (((v, a), b), t) in values.iter_mut().zip(read(a)?).zip(read(b)?).zip(read(t)?) {
            *v = match op {
                Instruction::Elu(e) => A::elu(*a, e.exponent, e.back),
                Instruction::Add(s) => A::add(*a, *b, [s.rescale_a, s.rescale_b], s.negate != 0),
                Instruction::DepthGate(d) => A::depth_gate([*a, *b, *t], [d.rescale_a, d.rescale_b, d.rescale_t]),
                _ => A::relu(*a),
            };
        }
        Store::Residual.put::<A, K>(registers, (output, range), values, kernel)?;
    }
    Some(())
}

/// From the stream to activations, of some features.
#[inline(always)]
pub(super) fn quantize<A: Arithmetic, K: Kernel>(
    record: &QuantizeRecord,
    features: Range<usize>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Option<()> {
    let (zero_point, low) = opaque::<K>(record.zero_point, record.low);
    let x = bytes::<A::Residual>(record.input, features.clone());
    let (x, y) = scratch.registers.split_disjoint_mut(x, bytes::<A::Activation>(record.output, features))?;
    A::quantized(kernel, x, record.rescale, zero_point, low, y);
    Some(())
}

/// The features of the colour that is being computed, of `count`.
#[inline(always)]
pub(super) fn features(context: &PixelContext<'_>, count: u16) -> Range<usize> {
    let start = |group| group_start(usize::from(count), context.groups, group);
    start(context.group)..start(context.group + 1)
}
