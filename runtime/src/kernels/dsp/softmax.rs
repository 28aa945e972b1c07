//! The softmax: `smmla` multiplies, keeps the upper half of the product and adds.

use crate::numbers::EXP2_COEFFICIENTS;
use core::arch::asm;

/// See [`crate::kernels::Kernel::weights`].
///
/// [`crate::numbers::exp2_neg`] with all in registers: a distance times `inverse` has the whole part of the exponent in its upper
/// word and the fraction in the upper half of its lower one.
#[inline(never)]
pub(super) fn weights(logits: &mut [u32], largest: i32, inverse: u32) -> u64 {
    let [_, c1, c2, c3, c4, c5] = EXP2_COEFFICIENTS;
    let logits = logits.as_mut_ptr_range();
    let (mut low, mut high) = (0u32, 0u32);
    // SAFETY: it reads and writes all logits and nothing else but the stack; register r7, which has no name here, is put
    // back.
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
            // The sum so far, doubled, times the fraction in units of 2⁻³¹.
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
