//! From logits to frequencies, four levels at a time.

use crate::numbers::EXP2_COEFFICIENTS;
use core::arch::asm;

/// The largest of some logits; the least number where there are none.
#[inline(always)]
pub(super) fn largest(logits: &[u32]) -> i32 {
    let mut largest = i32::MIN;
    // SAFETY: it reads as many numbers as there are.
    unsafe {
        asm!(
            "wlstp.32 lr, {count}, 3f",
            "2:",
            "vldrw.u32 q0, [{logits}], #16",
            "vmaxv.s32 {largest}, q0",
            "letp lr, 2b",
            "3:",
            count = in(reg) logits.len(),
            logits = inout(reg) logits.as_ptr() => _,
            largest = inout(reg) largest,
            out("lr") _,
            out("q0") _,
            options(nostack, readonly),
        );
    }
    largest
}

/// [`crate::kernels::Kernel::weights`].
///
/// Of the distance times `inverse` the upper half is the whole part, and the upper half of the lower one the fraction. The
/// polynomial is that of [`crate::numbers::exp2_neg`]: the instruction doubles its products, and the fraction is halved.
#[inline(always)]
pub(super) fn weights(logits: &mut [u32], largest: i32, inverse: u32) -> u64 {
    let [c0, c1, c2, c3, c4, c5] = EXP2_COEFFICIENTS;
    let low: u32;
    let mut high = 0u32;
    // SAFETY: it changes as many numbers as there are.
    unsafe {
        asm!(
            "vdup.32 q3, r0",
            "movs r0, #0",
            "wlstp.32 lr, {count}, 3f",
            "2:",
            "vldrw.u32 q0, [{logits}]",
            "vsub.i32 q0, q0, {largest}",
            "vneg.s32 q0, q0",
            "vmulh.u32 q1, q0, q3",
            "vmul.i32 q0, q0, q3",
            "vmov.i32 q2, #31",
            "vmin.u32 q1, q1, q2",
            "vneg.s32 q1, q1",
            "vshr.u32 q0, q0, #16",
            "vshl.i32 q0, q0, #15",
            "vqdmulh.s32 q2, q0, {c5}",
            "vadd.i32 q2, q2, {c4}",
            "vqdmulh.s32 q2, q2, q0",
            "vadd.i32 q2, q2, {c3}",
            "vqdmulh.s32 q2, q2, q0",
            "vadd.i32 q2, q2, {c2}",
            "vqdmulh.s32 q2, q2, q0",
            "vadd.i32 q2, q2, {c1}",
            "vqdmulh.s32 q2, q2, q0",
            "vadd.i32 q2, q2, {c0}",
            "vshl.u32 q2, q2, q1",
            "vstrw.32 q2, [{logits}], #16",
            "vaddlva.u32 r0, r1, q2",
            "letp lr, 2b",
            "3:",
            count = in(reg) logits.len(),
            logits = inout(reg) logits.as_mut_ptr() => _,
            largest = in(reg) largest,
            c0 = in(reg) c0,
            c1 = in(reg) c1,
            c2 = in(reg) c2,
            c3 = in(reg) c3,
            c4 = in(reg) c4,
            c5 = in(reg) c5,
            inout("r0") inverse => low,
            inout("r1") high,
            out("lr") _,
            out("q0") _,
            out("q1") _,
            out("q2") _,
            out("q3") _,
            options(nostack),
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

/// [`crate::kernels::Kernel::frequencies`].
#[inline(always)]
pub(super) fn frequencies(weights: &mut [u32], scale: u32) -> u32 {
    let mut sum = 0u32;
    // SAFETY: it changes as many numbers as there are.
    unsafe {
        asm!(
            "vdup.32 q1, {scale}",
            "wlstp.32 lr, {count}, 3f",
            "2:",
            "vldrw.u32 q0, [{weights}]",
            "vmulh.u32 q0, q0, q1",
            "vadd.i32 q0, q0, {one}",
            "vstrw.32 q0, [{weights}], #16",
            "vaddva.u32 r0, q0",
            "letp lr, 2b",
            "3:",
            scale = in(reg) scale,
            one = in(reg) 1,
            count = in(reg) weights.len(),
            weights = inout(reg) weights.as_mut_ptr() => _,
            inout("r0") sum,
            out("lr") _,
            out("q0") _,
            out("q1") _,
            options(nostack),
        );
    }
    sum
}
