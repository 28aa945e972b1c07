//! Ops on each feature by itself.

use super::{Context, registers::Registers};
use crate::blob::{AddRecord, DepthGateRecord, EluRecord, QuantizeRecord, ReluRecord, group_start};
use crate::kernels::{Kernel, map};
use crate::numbers::Arithmetic;
use core::ops::Range;

/// The features of the colour that is being computed, of `count` in all.
fn features(context: &Context<'_>, count: u16) -> Range<usize> {
    let start = |group| group_start(usize::from(count), context.groups, group);
    start(context.group)..start(context.group + 1)
}

/// Stream to activations, with a ReLU or without.
pub(super) fn quantize<A: Arithmetic, K: Kernel>(
    q: &QuantizeRecord,
    context: &Context<'_>,
    registers: &mut Registers<'_>,
    kernel: K,
) -> Option<()> {
    let QuantizeRecord { rescale, zero_point, low, .. } = *q;
    let features = features(context, q.count);
    let (input, output) =
        registers.apart::<A::Stream, A::Activation>((q.input, features.clone()), (q.output, features))?;
    map(
        kernel,
        input,
        output,
        #[inline(always)]
        move |x, y| *y = A::quantize(x, rescale, zero_point, low),
    );
    Some(())
}

/// `max(x, 0)`.
pub(super) fn relu<A: Arithmetic>(r: &ReluRecord, context: &Context<'_>, registers: &mut Registers<'_>) -> Option<()> {
    let zero = A::Stream::default();
    for f in features(context, r.count) {
        let x = registers.one::<A::Stream>(r.input, f)?;
        registers.set(r.output, f, if x > zero { x } else { zero })?;
    }
    Some(())
}

/// `x` where `x > 0`, else `exp(x) - 1`.
pub(super) fn elu<A: Arithmetic>(e: &EluRecord, context: &Context<'_>, registers: &mut Registers<'_>) -> Option<()> {
    for f in features(context, e.count) {
        let x = registers.one::<A::Stream>(e.input, f)?;
        registers.set(e.output, f, A::elu(x, e.exponent, e.back))?;
    }
    Some(())
}

/// `±a + b`, each in its scale.
pub(super) fn add<A: Arithmetic>(s: &AddRecord, context: &Context<'_>, registers: &mut Registers<'_>) -> Option<()> {
    for f in features(context, s.count) {
        let (a, b) = (registers.one(s.a, f)?, registers.one(s.b, f)?);
        registers.set(s.output, f, A::add(a, b, [s.rescale_a, s.rescale_b], s.negate != 0))?;
    }
    Some(())
}

/// `a + sigmoid(t) · b`, each in its scale.
pub(super) fn depth_gate<A: Arithmetic>(
    d: &DepthGateRecord,
    context: &Context<'_>,
    registers: &mut Registers<'_>,
) -> Option<()> {
    for f in features(context, d.count) {
        let values = [registers.one(d.a, f)?, registers.one(d.b, f)?, registers.one(d.t, f)?];
        registers.set(d.output, f, A::depth_gate(values, [d.rescale_a, d.rescale_b, d.rescale_t]))?;
    }
    Some(())
}
