//! Copies of a few dozen bytes: four registers are loaded at once, and stored at once.

use core::arch::asm;

/// Bytes at a time.
const PIECE: usize = 16;

/// Copies as many bytes as there are of both in whole pieces, if both begin at multiples of four. Gives how many it has copied.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let pieces = to.len().min(from.len()) / PIECE;
    if pieces == 0 || !to.as_ptr().cast::<u32>().is_aligned() || !from.as_ptr().cast::<u32>().is_aligned() {
        return 0;
    }
    // SAFETY: it reads and writes that many pieces, of which both have as many, at addresses that `ldm` and `stm` take.
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
