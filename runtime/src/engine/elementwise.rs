//! Ops on each feature by itself.

use super::{Context, registers::Registers};
use crate::blob::{AddRecord, DepthGateRecord, EluRecord, QuantizeRecord, ReluRecord, group_start};
use crate::numbers::lstm::sigmoid;
use crate::numbers::{clamp8, exp2_neg, mul_high, saturate16};
use core::ops::Range;

/// The features of the colour that is being computed, of `count` in all.
fn features(context: &Context<'_>, count: u16) -> Range<usize> {
    let start = |group| group_start(usize::from(count), context.groups, group);
    start(context.group)..start(context.group + 1)
}

/// `clamp(zero_point + rescale(x), low, 127)`.
pub(super) fn quantize(q: &QuantizeRecord, context: &Context<'_>, registers: &mut Registers<'_>) -> Option<()> {
    for f in features(context, q.count) {
        let x = registers.wide(q.input, f)?;
        let y = clamp8(q.rescale.apply(i32::from(x)) + i32::from(q.zero_point), q.low);
        *registers.narrow_mut(q.output, f..f + 1)?.first_mut()? = y;
    }
    Some(())
}

/// `max(x, 0)`.
pub(super) fn relu(r: &ReluRecord, context: &Context<'_>, registers: &mut Registers<'_>) -> Option<()> {
    for f in features(context, r.count) {
        let x = registers.wide(r.input, f)?;
        *registers.wide_mut(r.output, f..f + 1)?.first_mut()? = x.max(0);
    }
    Some(())
}

/// `x` where `x > 0`, else `2^(x log2 e) - 1`.
pub(super) fn elu(e: &EluRecord, context: &Context<'_>, registers: &mut Registers<'_>) -> Option<()> {
    for f in features(context, e.count) {
        let x = i32::from(registers.wide(e.input, f)?);
        let y = if x > 0 {
            x
        } else {
            let exponent = e.exponent.apply(-x) as u32;
            mul_high(exp2_neg(exponent) as i32 - (1 << 30), e.back)
        };
        *registers.wide_mut(e.output, f..f + 1)?.first_mut()? = saturate16(y);
    }
    Some(())
}

/// `±rescale(a) + rescale(b)`, saturating.
pub(super) fn add(s: &AddRecord, context: &Context<'_>, registers: &mut Registers<'_>) -> Option<()> {
    for f in features(context, s.count) {
        let a = s.rescale_a.apply(i32::from(registers.wide(s.a, f)?));
        let b = s.rescale_b.apply(i32::from(registers.wide(s.b, f)?));
        let a = if s.negate == 0 { a } else { a.wrapping_neg() };
        *registers.wide_mut(s.output, f..f + 1)?.first_mut()? = saturate16(a.wrapping_add(b));
    }
    Some(())
}

/// `rescale(a) + sigmoid(rescale(t)) · rescale(b)`, saturating.
pub(super) fn depth_gate(d: &DepthGateRecord, context: &Context<'_>, registers: &mut Registers<'_>) -> Option<()> {
    for f in features(context, d.count) {
        let a = d.rescale_a.apply(i32::from(registers.wide(d.a, f)?));
        let b = saturate16(d.rescale_b.apply(i32::from(registers.wide(d.b, f)?)));
        let t = saturate16(d.rescale_t.apply(i32::from(registers.wide(d.t, f)?)));
        let gated = (sigmoid(t) * i32::from(b) + (1 << 14)) >> 15;
        *registers.wide_mut(d.output, f..f + 1)?.first_mut()? = saturate16(a.wrapping_add(gated));
    }
    Some(())
}
