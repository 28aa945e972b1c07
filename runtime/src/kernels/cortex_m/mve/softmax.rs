//! Logits to frequencies, four levels at a time.

use crate::fixed::EXP2_COEFFICIENTS;
use core::arch::asm;

/// Largest logit; `i32::MIN` for an empty slice.
#[inline(always)]
pub(super) fn largest(logits: &[u32]) -> i32 {
    let mut largest = i32::MIN;
    // SAFETY: tail predication limits all reads to `logits`.
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

/// Logits per block. [`largest_of_blocks`] compares once per block.
pub(super) const BLOCK: usize = 16;

/// Largest logit and the index of the first block that holds it; `(i32::MIN, 0)` for an empty slice.
#[inline(always)]
pub(super) fn largest_of_blocks(blocks: &[[u32; BLOCK]]) -> (i32, usize) {
    let mut largest = i32::MIN;
    let first = blocks.as_ptr().wrapping_add(1);
    let mut behind = first;
    // SAFETY: the loop reads exactly `blocks`. `behind` is the end of the first block that exceeds all blocks before it.
    unsafe {
        asm!(
            "wls lr, {count}, 3f",
            "2:",
            "mov {before}, {largest}",
            "vldrw.u32 q0, [{logits}], #16",
            "vmaxv.s32 {largest}, q0",
            "vldrw.u32 q0, [{logits}], #16",
            "vmaxv.s32 {largest}, q0",
            "vldrw.u32 q0, [{logits}], #16",
            "vmaxv.s32 {largest}, q0",
            "vldrw.u32 q0, [{logits}], #16",
            "vmaxv.s32 {largest}, q0",
            "cmp {largest}, {before}",
            "csel {behind}, {logits}, {behind}, gt",
            "le lr, 2b",
            "3:",
            count = in(reg) blocks.len(),
            before = out(reg) _,
            logits = inout(reg) blocks.as_ptr() => _,
            largest = inout(reg) largest,
            behind = inout(reg) behind,
            out("lr") _,
            out("q0") _,
            options(nostack, readonly),
        );
    }
    (largest, (behind.addr() - first.addr()) / size_of::<[u32; BLOCK]>())
}

/// [`crate::kernels::Kernel::weights`].
///
/// The 64-bit product of a distance and `inverse` has the integer part of the exponent in its upper word and the fraction in
/// the upper half of its lower word. The polynomial of [`crate::fixed::exp2_neg`] is evaluated with doubling
/// multiplications, so the fraction is halved.
#[inline(always)]
pub(super) fn weights(logits: &mut [u32], largest: i32, inverse: u32) -> u64 {
    let [c0, c1, c2, c3, c4, c5] = EXP2_COEFFICIENTS;
    let low: u32;
    let mut high = 0u32;
    // SAFETY: tail predication limits all accesses to `logits`.
    unsafe {
        asm!(
            "vdup.32 q3, r0",
            "vdup.32 q4, {largest}",
            "vmov.i32 q5, #31",
            "movs r0, #0",
            "wlstp.32 lr, {count}, 3f",
            "2:",
            "vldrw.u32 q0, [{logits}]",
            "vsub.i32 q0, q4, q0",
            "vmulh.u32 q1, q0, q3",
            "vmul.i32 q0, q0, q3",
            "vmin.u32 q1, q1, q5",
            "vneg.s32 q1, q1",
            "vshllt.u16 q0, q0, #15",
            "vqdmulh.s32 q2, q0, {c5}",
            "vadd.i32 q2, q2, {c4}",
            "vqdmlash.s32 q2, q0, {c3}",
            "vqdmlash.s32 q2, q0, {c2}",
            "vqdmlash.s32 q2, q0, {c1}",
            "vqdmlash.s32 q2, q0, {c0}",
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
            out("q4") _,
            out("q5") _,
            options(nostack),
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

/// [`crate::kernels::Kernel::frequencies`].
#[inline(always)]
pub(super) fn frequencies(weights: &mut [u32], scale: u32) -> u32 {
    let mut sum = 0u32;
    // SAFETY: tail predication limits all accesses to `weights`.
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
