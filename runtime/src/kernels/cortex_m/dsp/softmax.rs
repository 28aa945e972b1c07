//! Softmax with `smmla`: a multiply-accumulate of the upper half of the product.

use crate::fixed::EXP2_COEFFICIENTS;
use crate::kernels::{Kernel, Portable};
use core::arch::asm;

/// [`crate::kernels::Kernel::weights`].
///
/// [`crate::fixed::exp2_neg`] in registers: the 64-bit product of a distance and `inverse` has the integer part of the
/// exponent in its upper word and the fraction in the upper half of its lower word.
#[inline(never)]
pub(super) fn weights(logits: &mut [u32], largest: i32, inverse: u32) -> u64 {
    let [_, c1, c2, c3, c4, c5] = EXP2_COEFFICIENTS;
    let logits = logits.as_mut_ptr_range();
    let (mut low, mut high) = (0u32, 0u32);
    // SAFETY: the loop reads and writes exactly `logits`. The stack is balanced, and r7, which cannot be an operand, is
    // restored.
    unsafe {
        asm!(
            "push {{r7}}",
            "b 4f",
            "2:",
            "ldr {v}, [{logit}]",
            "sub {v}, {largest}, {v}",
            "umull {f}, r7, {v}, {inverse}",
            "movs {v}, #0",
            "cmp r7, #30",
            "bhi 3f",
            "lsrs {f}, {f}, #16",
            "lsls {f}, {f}, #15",
            // Doubled partial sum times the fraction in units of 2⁻³¹.
            "smmla {v}, {c5}, {f}, {c4}",
            "lsls {v}, {v}, #1",
            "smmla {v}, {v}, {f}, {c3}",
            "lsls {v}, {v}, #1",
            "smmla {v}, {v}, {f}, {c2}",
            "lsls {v}, {v}, #1",
            "smmla {v}, {v}, {f}, {c1}",
            "lsls {v}, {v}, #1",
            "smmul {v}, {v}, {f}",
            "add {v}, {v}, #0x40000000",
            "lsrs {v}, r7",
            "adds {low}, {low}, {v}",
            "adc {high}, {high}, #0",
            "3:",
            "str {v}, [{logit}], #4",
            "4:",
            "cmp {logit}, {end}",
            "bne 2b",
            "pop {{r7}}",
            logit = inout(reg) logits.start => _,
            end = in(reg) logits.end,
            largest = in(reg) largest,
            inverse = in(reg) inverse,
            c1 = in(reg) c1,
            c2 = in(reg) c2,
            c3 = in(reg) c3,
            c4 = in(reg) c4,
            c5 = in(reg) 2 * c5,
            v = out(reg) _,
            f = out(reg) _,
            low = inout(reg) low,
            high = inout(reg) high,
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

/// [`crate::kernels::Kernel::largest`]. A new maximum is rare, so a branch is cheaper than conditional moves.
#[inline(never)]
pub(super) fn largest(logits: &[u32]) -> (i32, usize) {
    let Some(&first) = logits.first() else { return (i32::MIN, 0) };
    let range = logits.as_ptr_range();
    let (mut largest, mut behind) = (first as i32, range.start.wrapping_add(1));
    // SAFETY: `logits` is not empty, and the loop reads exactly its elements.
    unsafe {
        asm!(
            "2:",
            "ldr {v}, [{logit}], #4",
            "cmp {v}, {largest}",
            "bgt 4f",
            "3:",
            "cmp {logit}, {end}",
            "bne 2b",
            "b 5f",
            "4:",
            "mov {largest}, {v}",
            "mov {behind}, {logit}",
            "b 3b",
            "5:",
            logit = inout(reg) range.start => _,
            end = in(reg) range.end,
            largest = inout(reg) largest,
            behind = inout(reg) behind,
            v = out(reg) _,
            options(nostack, readonly),
        );
    }
    (largest, (behind.addr() - range.start.addr()) / size_of::<u32>() - 1)
}

/// [`crate::kernels::Kernel::frequencies`].
#[inline(never)]
pub(super) fn frequencies(weights: &mut [u32], scale: u32) -> u32 {
    let mut sum = 0u32;
    let (pairs, last) = weights.as_chunks_mut::<2>();
    let pairs = pairs.as_mut_ptr_range();
    if pairs.start != pairs.end {
        // SAFETY: `pairs` is not empty, and the loop reads and writes exactly its elements, which `ldrd` finds aligned.
        unsafe {
            asm!(
                "2:",
                "ldrd {a}, {b}, [{weight}]",
                "umull {t}, {a}, {a}, {scale}",
                "umull {t}, {b}, {b}, {scale}",
                "adds {a}, {a}, #1",
                "adds {b}, {b}, #1",
                "strd {a}, {b}, [{weight}], #8",
                "adds {sum}, {sum}, {a}",
                "adds {sum}, {sum}, {b}",
                "cmp {weight}, {end}",
                "bne 2b",
                weight = inout(reg) pairs.start => _,
                end = in(reg) pairs.end,
                scale = in(reg) scale,
                sum = inout(reg) sum,
                a = out(reg) _,
                b = out(reg) _,
                t = out(reg) _,
                options(nostack),
            );
        }
    }
    sum.wrapping_add(Portable.frequencies(last, scale))
}
