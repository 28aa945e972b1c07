//! Vectorized nonlinearities of LSTMs and gates.

use super::lanes::Lanes;

/// `e^x`, accurate to a few units in the last place. `x` is clamped to -87..=87.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
unsafe fn exp<V: Lanes>(x: V) -> V {
    // Adding and subtracting 1.5 · 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    const COEFFICIENTS: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let x = x.min(V::splat(87.0)).max(V::splat(-87.0));
        let n = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND)).sub(V::splat(ROUND));
        // ln 2 split into two parts, which makes the reduction exact.
        let rest = n.mul_add(V::splat(-0.693_359_4), x);
        let rest = n.mul_add(V::splat(2.121_944_4e-4), rest);
        let mut sum = V::splat(COEFFICIENTS[0]);
        for &c in &COEFFICIENTS[1..] {
            sum = sum.mul_add(rest, V::splat(c));
        }
        let sum = sum.mul_add(rest.mul(rest), rest).add(V::splat(1.0));
        sum.mul(n.power_of_two())
    }
}

/// `1 / (1 + e^-x)`.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn sigmoid<V: Lanes>(x: V) -> V {
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let one = V::splat(1.0);
        one.div(one.add(exp(V::splat(0.0).sub(x))))
    }
}

/// Hyperbolic tangent with small relative error even near 0. `2 · sigmoid(2x) - 1` lacks that, which degrades
/// gradients.
///
/// # Safety
/// The CPU must support the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn tanh<V: Lanes>(x: V) -> V {
    const COEFFICIENTS: [f32; 5] = [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_5e-2, 1.333_144_2e-1, -3.333_328e-1];
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let square = x.mul(x);
        let mut sum = V::splat(COEFFICIENTS[0]);
        for &c in &COEFFICIENTS[1..] {
            sum = sum.mul_add(square, V::splat(c));
        }
        let near = sum.mul(square).mul_add(x, x);
        let size = x.max(zero.sub(x));
        let far = one.sub(V::splat(2.0).div(exp(size.add(size)).add(one)));
        let far = x.select_below(zero, zero.sub(far), far);
        size.select_below(V::splat(0.625), near, far)
    }
}
