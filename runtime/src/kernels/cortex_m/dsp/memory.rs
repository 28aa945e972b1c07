//! Short copies by `ldm` and `stm` of four registers.

use core::arch::asm;

/// Bytes per iteration.
const PIECE: usize = 16;

/// Copies whole pieces up to the shorter length, if both slices are aligned to four bytes. Returns the number of bytes copied.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let pieces = to.len().min(from.len()) / PIECE;
    if pieces == 0 || !to.as_ptr().cast::<u32>().is_aligned() || !from.as_ptr().cast::<u32>().is_aligned() {
        return 0;
    }
    // SAFETY: both slices hold `pieces` pieces, at least one, and are aligned to four bytes as `ldm` and `stm` require.
    unsafe {
        asm!(
            "2:",
            "ldm {from}!, {{r2, r3, r4, r5}}",
            "subs {pieces}, #1",
            "stm {to}!, {{r2, r3, r4, r5}}",
            "bne 2b",
            pieces = inout(reg) pieces => _,
            from = inout(reg) from.as_ptr() => _,
            to = inout(reg) to.as_mut_ptr() => _,
            out("r2") _,
            out("r3") _,
            out("r4") _,
            out("r5") _,
            options(nostack),
        );
    }
    pieces * PIECE
}
