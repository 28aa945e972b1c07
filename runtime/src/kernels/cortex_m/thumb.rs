//! Cortex-M0 and M0+: no multiply-accumulate, eight registers for most instructions, and signed byte loads only with an index
//! register.

use crate::kernels::{Kernel, Portable};
use core::arch::asm;

/// Kernel of Cortex-M0 and M0+.
///
/// Two outputs share each load of an activation, and one index register serves all three loads. Fastest with weights in
/// [`crate::blob::Layout::RowMajor`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Thumb;

impl Kernel for Thumb {
    #[inline(never)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        let length = x.len();
        let whole = sums.len().min(bias.len()) / 2 * 2;
        let (Some(pairs), false) = (weights.get(..whole * length), x.is_empty()) else {
            return Portable.gemv_row_major(bias, weights, x, sums);
        };
        for ((sums, bias), rows) in
            sums.chunks_exact_mut(2).zip(bias.chunks_exact(2)).zip(pairs.chunks_exact(2 * length))
        {
            if let (Ok(sums), &[a, b]) = (<&mut [i32; 2]>::try_from(sums), bias) {
                // SAFETY: `rows` holds two rows of `x.len()`, and `x` is not empty.
                *sums = unsafe { two([a, b], rows, x) };
            }
        }
        if let (Some(sums), Some(bias), Some(weights)) =
            (sums.get_mut(whole..), bias.get(whole..), weights.get(whole * length..))
            && !sums.is_empty()
        {
            Portable.gemv_row_major(bias, weights, x, sums);
        }
    }

    #[inline(always)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        Portable.gemv_tiled(bias, weights, x, sums);
    }
}

/// One input of two outputs.
macro_rules! round {
    () => {
        "ldrsb {x}, [{xs}, {i}]
        ldrsb {w}, [{a}, {i}]
        muls {w}, {x}, {w}
        add r8, r8, {w}
        ldrsb {w}, [{b}, {i}]
        muls {w}, {x}, {w}
        add r9, r9, {w}
        adds {i}, #1"
    };
}

/// Two outputs: `sums` plus the dot products of two rows with `x`.
///
/// # Safety
/// `weights` is twice as long as `x`, and `x` is not empty.
#[inline(always)]
unsafe fn two(sums: [i32; 2], weights: &[i8], x: &[i8]) -> [i32; 2] {
    let length = x.len();
    let [mut a, mut b] = sums;
    // Pointers are at the row ends and the index counts up to 0: one by one to a multiple of four, then by fours.
    let ends = [x.as_ptr_range().end, weights.as_ptr().wrapping_add(length), weights.as_ptr_range().end];
    let index = length.wrapping_neg();
    // SAFETY: indices run from `-x.len()` to -1, relative to the ends of `x` and of two rows of the same length. The code
    // writes its output registers alone, r8 and r9 among them.
    unsafe {
        asm!(
            "mov r8, {w}",
            "mov r9, {x}",
            "b 3f",
            "2:",
            round!(),
            "3:",
            "lsls {x}, {i}, #30",
            "bne 2b",
            "cmp {i}, #0",
            "beq 5f",
            "4:",
            round!(),
            round!(),
            round!(),
            round!(),
            "bne 4b",
            "5:",
            "mov {w}, r8",
            "mov {x}, r9",
            xs = in(reg) ends[0],
            a = in(reg) ends[1],
            b = in(reg) ends[2],
            i = inout(reg) index => _,
            w = inout(reg) a,
            x = inout(reg) b,
            out("r8") _,
            out("r9") _,
            options(nostack, readonly),
        );
    }
    [a, b]
}
