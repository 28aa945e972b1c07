//! The instruction `sdot`, by inline assembly: stable Rust has no intrinsic for it.

use core::arch::aarch64::{int8x16_t, int32x4_t};
use core::arch::asm;

/// Adds sixteen byte products to four accumulators, four adjacent ones to each.
///
/// # Safety
/// The CPU has NEON and `dotprod`.
#[inline(always)]
pub(super) unsafe fn sdot(mut sums: int32x4_t, weights: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the caller guarantees the instruction, which reads and writes its register operands alone.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sums:v}.4s, {weights:v}.16b, {x:v}.16b",
            sums = inout(vreg) sums,
            weights = in(vreg) weights,
            x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
