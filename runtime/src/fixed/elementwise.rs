//! Integer definition of each elementwise step: one number in, one number out.
//!
//! Kernels vectorize these functions and executors call them through [`crate::arithmetic`]; each stands here alone.
//! Activations are `i8` here, residuals `i16`, accumulators `i32`.

use super::{Rescale, exp2_neg, lstm, mul_high, saturate8, saturate16, within};

/// Sum of two accumulators, modulo 2³².
#[inline(always)]
pub const fn sum(a: i32, b: i32) -> i32 {
    a.wrapping_add(b)
}

/// Activation of a requantized accumulator: `v + zero_point` clamped to `clamp_min..=127`.
#[inline(always)]
pub fn activation(v: i32, zero_point: i32, clamp_min: i32) -> i8 {
    // No wrap: a requantized accumulator is at most 2³⁰. Two saturations, each one instruction on many processors, replace a
    // saturation and a comparison; the second one makes no difference beyond 255 above `clamp_min`.
    saturate8(v.wrapping_add(zero_point.wrapping_sub(clamp_min)).clamp(0, 255).wrapping_add(clamp_min))
}

/// Requantized accumulator added to a residual, saturating.
#[inline(always)]
pub const fn accumulate(v: i32, y: i16) -> i16 {
    saturate16(v.wrapping_add(y as i32))
}

/// Logit in units of 2⁻¹⁶: `v · 2^shift`, saturating to the nearest multiple; `shift` is at most 16.
#[inline(always)]
pub const fn shift_logit(v: i32, shift: u8) -> i32 {
    let shift = shift as u32 & 31;
    let limit = i32::MAX >> shift;
    within(v, -limit, limit) << shift
}

/// Residual in units of an activation.
#[inline(always)]
pub const fn quantize(x: i16, rescale: Rescale) -> i32 {
    rescale.apply(x as i32)
}

/// `max(x, 0)`.
#[inline(always)]
pub const fn relu(x: i16) -> i32 {
    if x > 0 { x as i32 } else { 0 }
}

/// `x` if `x > 0`, else `exp(x) - 1`.
///
/// `exponent` rescales `-x` to a base-2 exponent in units of 2⁻¹⁶, and `back` converts units of 2⁻³⁰ to the scale of `x`.
#[inline]
pub const fn elu(x: i16, exponent: Rescale, back: i32) -> i32 {
    if x > 0 {
        return x as i32;
    }
    let exponent = exponent.apply(-(x as i32)) as u32;
    mul_high(exp2_neg(exponent) as i32 - (1 << 30), back)
}

/// `x` where `x > 0`, else `±slope · x`; `positive` and `negative` lead to the scale of the result.
#[inline(always)]
pub const fn leaky_relu(x: i16, positive: Rescale, negative: Rescale, negate: bool) -> i32 {
    if x > 0 {
        return positive.apply(x as i32);
    }
    let y = negative.apply(x as i32);
    if negate { y.wrapping_neg() } else { y }
}

/// [`lstm::tanh_of`], one copy for all elementwise ops where code size counts.
#[cfg_attr(target_os = "none", inline(never))]
const fn tanh_of(z: i16, fraction: u8) -> i32 {
    lstm::tanh_of(z, fraction as u32)
}

/// Argument of a look-up in the `tanh` table: `x` rescaled, saturating.
#[inline(always)]
pub const fn argument(x: i16, rescale: Rescale) -> i16 {
    saturate16(rescale.apply(x as i32))
}

/// Hyperbolic tangent: `rescale` leads to units of `2^-(fraction + 5)`, `back` from units of 2⁻¹⁵ to the scale of the result.
#[inline]
pub const fn tanh(x: i16, rescale: Rescale, fraction: u8, back: Rescale) -> i32 {
    back.apply(tanh_of(argument(x, rescale), fraction))
}

/// `1 / (1 + exp(-x))` as `(1 + tanh(x / 2)) / 2`: `rescale` leads to units of `2^-(fraction + 4)`, `back` as of [`tanh`].
#[inline]
pub const fn sigmoid(x: i16, rescale: Rescale, fraction: u8, back: Rescale) -> i32 {
    sigmoid_from(tanh_of(argument(x, rescale), fraction), back)
}

/// [`sigmoid`] from the `tanh` of half its argument.
#[inline(always)]
pub const fn sigmoid_from(tanh: i32, back: Rescale) -> i32 {
    back.apply((32_768 + tanh) >> 1)
}

/// `±a + b`, each rescaled to the scale of the sum.
#[inline(always)]
pub const fn add(a: i16, b: i16, [rescale_a, rescale_b]: [Rescale; 2], negate: bool) -> i32 {
    let (a, b) = (rescale_a.apply(a as i32), rescale_b.apply(b as i32));
    b.wrapping_add(if negate { a.wrapping_neg() } else { a })
}

/// `a + sigmoid(t) · b`, with `a` and `b` rescaled to the scale of the sum and `t` to units of 2⁻¹¹.
#[inline]
pub const fn depth_gate([a, b, t]: [i16; 3], [rescale_a, rescale_b, rescale_t]: [Rescale; 3]) -> i32 {
    depth_gate_from([a, b], tanh_of(argument(t, rescale_t), DEPTH_GATE_FRACTION), [rescale_a, rescale_b])
}

/// Fraction of a depth gate's look-up: its argument is in units of 2⁻¹².
pub const DEPTH_GATE_FRACTION: u8 = 7;

/// [`depth_gate`] from `a`, `b` and `tanh(t / 2)`.
#[inline]
pub const fn depth_gate_from([a, b]: [i16; 2], tanh_t: i32, [rescale_a, rescale_b]: [Rescale; 2]) -> i32 {
    // Gate before rescale: `b` rescaled may exceed 16 bits if the gate is nearly closed.
    let sigmoid = (32_768 + tanh_t) >> 1;
    let gated = (sigmoid * b as i32) as i64 * rescale_b.multiplier as i64;
    let shift = (rescale_b.shift as u32 & 31) + 15;
    rescale_a.apply(a as i32).wrapping_add(((gated + (1 << (shift - 1))) >> shift) as i32)
}

/// `a · b` in the scale of the product, by the high word of the product with `multiplier`.
#[inline(always)]
pub const fn multiply(a: i16, b: i16, multiplier: i32) -> i32 {
    mul_high(a as i32 * b as i32, multiplier)
}

/// `tanh(a) · sigmoid(b)` in units of 2⁻¹⁵. `rescale_a` and `fraction` are as of [`tanh`], `rescale_b` and `fraction_b` as of [`sigmoid`].
#[inline]
pub const fn gated_tanh(
    [a, b]: [i16; 2],
    [rescale_a, rescale_b]: [Rescale; 2],
    [fraction, fraction_b]: [u8; 2],
) -> i32 {
    let (a, b) = (tanh_of(argument(a, rescale_a), fraction), tanh_of(argument(b, rescale_b), fraction_b));
    gated_tanh_from(a, b)
}

/// [`gated_tanh`] from `tanh(a)` and `tanh(b / 2)`.
#[inline(always)]
pub const fn gated_tanh_from(tanh_a: i32, tanh_b: i32) -> i32 {
    // 1 + tanh(b / 2) is twice the sigmoid. The product is at most 2³¹ in magnitude, and only if negative: no wrap.
    (tanh_a * (32_768 + tanh_b) + (1 << 15)) >> 16
}

/// `a · sigmoid(b)`: `multiplier` is the input scale to output scale, times 2¹⁶.
#[inline]
pub const fn gated([a, b]: [i16; 2], rescale_b: Rescale, fraction_b: u8, multiplier: i32) -> i32 {
    gated_from(a, tanh_of(argument(b, rescale_b), fraction_b), multiplier)
}

/// [`gated`] from `a` and `tanh(b / 2)`.
#[inline(always)]
pub const fn gated_from(a: i16, tanh_b: i32, multiplier: i32) -> i32 {
    mul_high(a as i32 * (32_768 + tanh_b), multiplier)
}

/// Gate pre-activation: the requantized sums over the input and over the state, added, saturating.
#[inline(always)]
pub const fn gate(x: i32, h: i32) -> i16 {
    saturate16(x.wrapping_add(h))
}

/// `h` as an activation, the input of `state_to_state`.
#[inline(always)]
pub const fn hidden(h: i16, to_hidden: Rescale) -> i8 {
    saturate8(to_hidden.apply(h as i32))
}

/// `h` in the output's scale, added to `y`, saturating.
#[inline(always)]
pub const fn output(h: i16, to_output: Rescale, y: i16) -> i16 {
    saturate16(to_output.apply(h as i32).wrapping_add(y as i32))
}
