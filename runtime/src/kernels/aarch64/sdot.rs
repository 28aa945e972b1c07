//! The instruction `sdot`, which stable Rust has no name for.

use core::arch::aarch64::{int8x16_t, int32x4_t};
use core::arch::asm;

/// Sixteen products, added to four sums.
///
/// # Safety
/// The processor has the instruction.
#[inline(always)]
pub(super) unsafe fn sdot(mut sums: int32x4_t, weights: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the caller's. The instruction has no name in stable Rust; it reads and writes registers alone.
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
