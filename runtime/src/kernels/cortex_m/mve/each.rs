//! What happens to each number by itself, four numbers at a time.

use crate::fixed::Rescale;
use core::arch::asm;

/// A loop over all numbers, whose last round leaves off what is beyond. What is narrowed or widened on its way has its address
/// in r0 or r1: these loads and stores want one of the first eight registers.
macro_rules! each {
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
pub(super) fn scale(sums: &mut [i32], left: u32, multipliers: &[i32]) {
    // SAFETY: it reads as many multipliers and changes as many sums as there are of both.
    unsafe {
        each!(
            sums.len().min(multipliers.len()),
            [],
            [
                "vldrw.u32 q0, [{sums}]",
                "vldrw.u32 q1, [{multipliers}], #16",
                "vshl.s32 q0, {left}",
                "vrmulh.s32 q0, q0, q1",
                "vstrw.32 q0, [{sums}], #16"
            ],
            sums = inout(reg) sums.as_mut_ptr() => _,
            multipliers = inout(reg) multipliers.as_ptr() => _,
            left = in(reg) left & 31,
        );
    }
}

/// `v + add` within `low..=127`.
#[inline(always)]
pub(super) fn activations(v: &[i32], add: i32, low: i32, y: &mut [i8]) {
    // SAFETY: it reads and writes as many numbers as there are of both.
    unsafe {
        each!(
            v.len().min(y.len()),
            ["vdup.32 q1, {low}", "vmov.i32 q2, #127"],
            [
                "vldrw.u32 q0, [{v}], #16",
                "vadd.i32 q0, q0, {add}",
                "vmax.s32 q0, q0, q1",
                "vmin.s32 q0, q0, q2",
                "vstrb.32 q0, [r0], #4"
            ],
            v = inout(reg) v.as_ptr() => _,
            add = in(reg) add,
            low = in(reg) low,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// `v` within `low..=high`.
#[inline(always)]
pub(super) fn residuals(v: &[i32], low: i32, high: i32, y: &mut [i16]) {
    // SAFETY: it reads and writes as many numbers as there are of both.
    unsafe {
        each!(
            v.len().min(y.len()),
            ["vdup.32 q1, {low}", "vdup.32 q2, {high}"],
            [
                "vldrw.u32 q0, [{v}], #16",
                "vmax.s32 q0, q0, q1",
                "vmin.s32 q0, q0, q2",
                "vstrh.32 q0, [r0], #8"
            ],
            v = inout(reg) v.as_ptr() => _,
            low = in(reg) low,
            high = in(reg) high,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// `y + v`, saturated.
#[inline(always)]
pub(super) fn accumulate(v: &[i32], y: &mut [i16]) {
    // SAFETY: it reads as many numbers and changes as many as there are of both.
    unsafe {
        each!(
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

/// What a [`Rescale`] multiplies by and, as a negative number, how far it shifts to the right.
#[inline(always)]
fn factor(rescale: Rescale) -> (i32, i32) {
    (i32::from(rescale.multiplier), -i32::from(rescale.shift & 31))
}

/// `x` rescaled, plus `add`, saturated: eight numbers at a time, of which q1 gets the even ones and q2 the odd ones. There must be
/// an even number of them.
#[inline(always)]
pub(super) fn rescaled8_saturated(x: &[i16], rescale: Rescale, add: i32, y: &mut [i8]) {
    let (multiplier, shift) = factor(rescale);
    // SAFETY: it reads and writes as many numbers as there are of both.
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

/// `x` rescaled, plus `add`, within `low..=127`.
#[inline(always)]
pub(super) fn rescaled_i8(x: &[i16], rescale: Rescale, add: i32, low: i32, y: &mut [i8]) {
    let (multiplier, shift) = factor(rescale);
    // SAFETY: it reads and writes as many numbers as there are of both.
    unsafe {
        each!(
            x.len().min(y.len()),
            ["vdup.32 q1, {low}", "vmov.i32 q2, #127"],
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
            low = in(reg) low,
            inout("r1") x.as_ptr() => _,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// `x` rescaled, within `low..=high`.
#[inline(always)]
pub(super) fn rescaled_i16(x: &[i16], rescale: Rescale, low: i32, high: i32, y: &mut [i16]) {
    let (multiplier, shift) = factor(rescale);
    // SAFETY: it reads and writes as many numbers as there are of both.
    unsafe {
        each!(
            x.len().min(y.len()),
            ["vdup.32 q1, {low}", "vdup.32 q2, {high}"],
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
            low = in(reg) low,
            high = in(reg) high,
            inout("r1") x.as_ptr() => _,
            inout("r0") y.as_mut_ptr() => _,
        );
    }
}

/// `y` plus `x` rescaled, saturated.
#[inline(always)]
pub(super) fn rescaled_onto(x: &[i16], rescale: Rescale, y: &mut [i16]) {
    let (multiplier, shift) = factor(rescale);
    // SAFETY: it reads as many numbers and changes as many as there are of both.
    unsafe {
        each!(
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
