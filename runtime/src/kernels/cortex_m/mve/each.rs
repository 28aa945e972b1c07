//! Elementwise operations, four elements at a time.

use crate::fixed::Rescale;
use core::arch::asm;

/// Tail-predicated loop over `$count` elements, four per iteration. Widening loads and narrowing stores need a base
/// register from r0 to r7, so their addresses are in r0 or r1.
macro_rules! elementwise {
    ($count:expr, [$($before:literal),*], [$($round:literal),*], $($operands:tt)*) => {
        asm!(
            $($before,)*
            "wlstp.32 lr, {count}, 3f",
            "2:",
            $($round,)*
            "letp lr, 2b",
            "3:",
            count = in(reg) $count,
            $($operands)*
            out("lr") _,
            out("q0") _,
            out("q1") _,
            out("q2") _,
            out("q3") _,
            options(nostack),
        )
    };
}

/// [`crate::fixed::requantize`].
#[inline(always)]
pub(super) fn scale(sums: &mut [i32], left_shift: u32, multipliers: &[i32]) {
    // SAFETY: tail predication limits all accesses to the shorter length of `sums` and `multipliers`.
    unsafe {
        elementwise!(
            sums.len().min(multipliers.len()),
            [],
            [
                "vldrw.u32 q0, [{sums}]",
                "vldrw.u32 q1, [{multipliers}], #16",
                "vshl.s32 q0, {left_shift}",
                "vrmulh.s32 q0, q0, q1",
                "vstrw.32 q0, [{sums}], #16"
            ],
            sums = inout(reg) sums.as_mut_ptr() => _,
            multipliers = inout(reg) multipliers.as_ptr() => _,
            left_shift = in(reg) left_shift & 31,
        );
    }
}

/// `v + add` clamped to `clamp_min..=127`.
#[inline(always)]
pub(super) fn activations(v: &[i32], add: i32, clamp_min: i32, y: &mut [i8]) {
    // SAFETY: tail predication limits all accesses to the shorter length of `v` and `y`.
    unsafe {
        elementwise!(
            v.len().min(y.len()),
            ["vdup.32 q1, {clamp_min}", "vmov.i32 q2, #127"],
            [
                "vldrw.u32 q0, [{v}], #16",
                "vadd.i32 q0, q0, {add}",
                "vmax.s32 q0, q0, q1",
                "vmin.s32 q0, q0, q2",
                "vstrb.32 q0, [r0], #4"
            ],
            v = inout(reg) v.as_ptr() => _,
            add = in(reg) add,
            clamp_min = in(reg) clamp_min,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// `v` clamped to `clamp_min..=clamp_max`.
#[inline(always)]
pub(super) fn residuals(v: &[i32], clamp_min: i32, clamp_max: i32, y: &mut [i16]) {
    // SAFETY: tail predication limits all accesses to the shorter length of `v` and `y`.
    unsafe {
        elementwise!(
            v.len().min(y.len()),
            ["vdup.32 q1, {clamp_min}", "vdup.32 q2, {clamp_max}"],
            [
                "vldrw.u32 q0, [{v}], #16",
                "vmax.s32 q0, q0, q1",
                "vmin.s32 q0, q0, q2",
                "vstrh.32 q0, [r0], #8"
            ],
            v = inout(reg) v.as_ptr() => _,
            clamp_min = in(reg) clamp_min,
            clamp_max = in(reg) clamp_max,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// `y + v`, saturating.
#[inline(always)]
pub(super) fn accumulate(v: &[i32], y: &mut [i16]) {
    // SAFETY: tail predication limits all accesses to the shorter length of `v` and `y`.
    unsafe {
        elementwise!(
            v.len().min(y.len()),
            [],
            [
                "vldrw.u32 q0, [{v}], #16",
                "vldrh.s32 q1, [r0]",
                "vadd.i32 q0, q0, q1",
                "vqmovnb.s32 q0, q0",
                "vstrh.32 q0, [r0], #8"
            ],
            v = inout(reg) v.as_ptr() => _,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// Multiplier of a [`Rescale`], and its right shift as a negative left shift.
#[inline(always)]
fn factor(rescale: Rescale) -> (i32, i32) {
    (i32::from(rescale.multiplier), -i32::from(rescale.shift & 31))
}

/// `x` rescaled, plus `add`, saturating. Eight elements at a time: q1 holds the even ones, q2 the odd ones. The number of
/// elements must be even.
#[inline(always)]
pub(super) fn rescaled8_saturated(x: &[i16], rescale: Rescale, add: i32, y: &mut [i8]) {
    let (multiplier, shift) = factor(rescale);
    // SAFETY: tail predication limits all accesses to the shorter length of `x` and `y`.
    unsafe {
        asm!(
            "vdup.16 q3, {multiplier}",
            "wlstp.16 lr, {count}, 3f",
            "2:",
            "vldrh.u16 q0, [{x}], #16",
            "vmullb.s16 q1, q0, q3",
            "vmullt.s16 q2, q0, q3",
            "vrshl.s32 q1, {shift}",
            "vrshl.s32 q2, {shift}",
            "vqmovnb.s32 q0, q1",
            "vqmovnt.s32 q0, q2",
            "vqadd.s16 q0, q0, {add}",
            "vqmovnb.s16 q0, q0",
            "vstrb.16 q0, [r0], #8",
            "letp lr, 2b",
            "3:",
            count = in(reg) x.len().min(y.len()),
            x = inout(reg) x.as_ptr() => _,
            multiplier = in(reg) multiplier,
            shift = in(reg) shift,
            add = in(reg) add,
            inout("r0") y.as_mut_ptr() => _,
            out("lr") _,
            out("q0") _,
            out("q1") _,
            out("q2") _,
            out("q3") _,
            options(nostack),
        );
    }
}

/// `x` rescaled, plus `add`, clamped to `clamp_min..=127`.
#[inline(always)]
pub(super) fn rescaled_i8(x: &[i16], rescale: Rescale, add: i32, clamp_min: i32, y: &mut [i8]) {
    let (multiplier, shift) = factor(rescale);
    // SAFETY: tail predication limits all accesses to the shorter length of `x` and `y`.
    unsafe {
        elementwise!(
            x.len().min(y.len()),
            ["vdup.32 q1, {clamp_min}", "vmov.i32 q2, #127"],
            [
                "vldrh.s32 q0, [r1], #8",
                "vmul.i32 q0, q0, {multiplier}",
                "vrshl.s32 q0, {shift}",
                "vadd.i32 q0, q0, {add}",
                "vmax.s32 q0, q0, q1",
                "vmin.s32 q0, q0, q2",
                "vstrb.32 q0, [r0], #4"
            ],
            multiplier = in(reg) multiplier,
            shift = in(reg) shift,
            add = in(reg) add,
            clamp_min = in(reg) clamp_min,
            inout("r1") x.as_ptr() => _,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// `x` rescaled, clamped to `clamp_min..=clamp_max`.
#[inline(always)]
pub(super) fn rescaled_i16(x: &[i16], rescale: Rescale, clamp_min: i32, clamp_max: i32, y: &mut [i16]) {
    let (multiplier, shift) = factor(rescale);
    // SAFETY: tail predication limits all accesses to the shorter length of `x` and `y`.
    unsafe {
        elementwise!(
            x.len().min(y.len()),
            ["vdup.32 q1, {clamp_min}", "vdup.32 q2, {clamp_max}"],
            [
                "vldrh.s32 q0, [r1], #8",
                "vmul.i32 q0, q0, {multiplier}",
                "vrshl.s32 q0, {shift}",
                "vmax.s32 q0, q0, q1",
                "vmin.s32 q0, q0, q2",
                "vstrh.32 q0, [r0], #8"
            ],
            multiplier = in(reg) multiplier,
            shift = in(reg) shift,
            clamp_min = in(reg) clamp_min,
            clamp_max = in(reg) clamp_max,
            inout("r1") x.as_ptr() => _,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// `y` plus `x` rescaled, saturating.
#[inline(always)]
pub(super) fn rescaled_onto(x: &[i16], rescale: Rescale, y: &mut [i16]) {
    let (multiplier, shift) = factor(rescale);
    // SAFETY: tail predication limits all accesses to the shorter length of `x` and `y`.
    unsafe {
        elementwise!(
            x.len().min(y.len()),
            [],
            [
                "vldrh.s32 q0, [r1], #8",
                "vmul.i32 q0, q0, {multiplier}",
                "vrshl.s32 q0, {shift}",
                "vldrh.s32 q1, [r0]",
                "vadd.i32 q0, q0, q1",
                "vqmovnb.s32 q0, q0",
                "vstrh.32 q0, [r0], #8"
            ],
            multiplier = in(reg) multiplier,
            shift = in(reg) shift,
            inout("r1") x.as_ptr() => _,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}
