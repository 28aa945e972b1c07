//! The vectors of WebAssembly: bytes are multiplied exactly to 16 bits, and pairs of these are added to sums of 32 bits.

use crate::kernels::Kernel;
use crate::kernels::vector::{self, Vector};
use core::arch::wasm32::*;

/// The kernel of WebAssembly with `simd128`, which a module has or has not from its compilation on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Simd128;

impl Kernel for Simd128 {
    const VECTORS: bool = true;

    #[inline(never)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        // SAFETY: this module is compiled for machines that have the instructions alone.
        unsafe { vector::gemv_row_major::<V128, 4>(bias, weights, x, sums) }
    }

    #[inline(never)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        // SAFETY: as above.
        unsafe { vector::gemv_tiled::<V128, 4>(bias, weights, x, sums) }
    }
}

/// Products of sixteen bytes, those of the first eight apart from the others.
struct V128;

impl Vector for V128 {
    const BYTES: usize = 16;
    type Inputs = v128;
    type Accumulators = [v128; 2];
    type Small = Self;

    #[inline(always)]
    unsafe fn zero() -> [v128; 2] {
        [i32x4_splat(0); 2]
    }

    #[inline(always)]
    unsafe fn inputs(x: *const i8) -> v128 {
        // SAFETY: the trait's; the load wants no alignment.
        unsafe { v128_load(x.cast()) }
    }

    #[inline(always)]
    unsafe fn fours(x: *const i8) -> v128 {
        // SAFETY: as above.
        unsafe { v128_load32_splat(x.cast()) }
    }

    #[inline(always)]
    unsafe fn add([low, high]: [v128; 2], weights: *const i8, x: v128) -> [v128; 2] {
        // SAFETY: as above. A product is at most 2^14.
        let weights = unsafe { v128_load(weights.cast()) };
        [
            i32x4_add(low, i32x4_extadd_pairwise_i16x8(i16x8_extmul_low_i8x16(weights, x))),
            i32x4_add(high, i32x4_extadd_pairwise_i16x8(i16x8_extmul_high_i8x16(weights, x))),
        ]
    }

    #[inline(always)]
    unsafe fn totals(sums: [[v128; 2]; 4]) -> [i32; 4] {
        let [a, b, c, d] = sums.map(|[low, high]| i32x4_add(low, high));
        numbers(neighbours(neighbours(a, b), neighbours(c, d)))
    }

    #[inline(always)]
    unsafe fn block([low, high]: [v128; 2]) -> [i32; 4] {
        // Each output's total is in two neighbours.
        numbers(neighbours(low, high))
    }
}

/// The sums of neighbours: two of `a`, two of `b`.
#[inline(always)]
fn neighbours(a: v128, b: v128) -> v128 {
    i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b))
}

#[inline(always)]
fn numbers(v: v128) -> [i32; 4] {
    [i32x4_extract_lane::<0>(v), i32x4_extract_lane::<1>(v), i32x4_extract_lane::<2>(v), i32x4_extract_lane::<3>(v)]
}
