//! Packed matrix product with `simd128`; see [`crate::kernels::vector::gemm`].
//!
//! Weights and inputs are widened to 16 bits: `i32x4.dot_i16x8` then multiplies and adds pairs in one instruction of x86 and two of Arm.

use crate::kernels::vector::gemm::Lanes;
use core::arch::wasm32::*;

/// Unsigned 8-bit inputs and signed 8-bit weights.
pub(super) struct Wide8;

/// 16-bit inputs and weights.
#[cfg(feature = "a16")]
pub(super) struct Wide16;

impl Lanes for Wide8 {
    const PARTS: usize = 4;
    const FEW_REGISTERS: bool = true;
    /// Four accumulators, each split across two adjacent lanes.
    type Accumulators = [v128; 2];
    type Input = v128;

    #[inline(always)]
    unsafe fn load(x: *const i32) -> [v128; 2] {
        // SAFETY: the caller guarantees four readable elements; the load needs no alignment.
        let x = unsafe { v128_load(x.cast()) };
        let zero = i32x4_splat(0);
        [i32x4_shuffle::<0, 4, 1, 5>(x, zero), i32x4_shuffle::<2, 6, 3, 7>(x, zero)]
    }

    #[inline(always)]
    unsafe fn store(y: *mut i32, [low, high]: [v128; 2]) {
        let sums = i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(low, high), i32x4_shuffle::<1, 3, 5, 7>(low, high));
        // SAFETY: the caller guarantees four writable elements; the store needs no alignment.
        unsafe { v128_store(y.cast(), sums) }
    }

    #[inline(always)]
    unsafe fn zero() -> [v128; 2] {
        [i32x4_splat(0); 2]
    }

    #[inline(always)]
    unsafe fn add(a: [v128; 2], b: [v128; 2]) -> [v128; 2] {
        [i32x4_add(a[0], b[0]), i32x4_add(a[1], b[1])]
    }

    #[inline(always)]
    unsafe fn input(x: *const u8) -> v128 {
        // SAFETY: the caller guarantees a readable word; the load needs no alignment.
        u16x8_extend_low_u8x16(unsafe { v128_load32_splat(x.cast()) })
    }

    #[inline(always)]
    unsafe fn multiply([low, high]: [v128; 2], weights: *const u8, x: v128) -> [v128; 2] {
        // SAFETY: the caller guarantees a word of weights for each of four outputs; the loads need no alignment.
        let (first, second) =
            unsafe { (i16x8_load_extend_i8x8(weights.cast()), i16x8_load_extend_i8x8(weights.add(8).cast())) };
        [i32x4_add(low, i32x4_dot_i16x8(first, x)), i32x4_add(high, i32x4_dot_i16x8(second, x))]
    }
}

#[cfg(feature = "a16")]
impl Lanes for Wide16 {
    const PARTS: usize = 4;
    const FEW_REGISTERS: bool = true;
    type Accumulators = v128;
    type Input = v128;

    #[inline(always)]
    unsafe fn load(x: *const i32) -> v128 {
        // SAFETY: the caller guarantees four readable elements; the load needs no alignment.
        unsafe { v128_load(x.cast()) }
    }

    #[inline(always)]
    unsafe fn store(y: *mut i32, sums: v128) {
        // SAFETY: the caller guarantees four writable elements; the store needs no alignment.
        unsafe { v128_store(y.cast(), sums) }
    }

    #[inline(always)]
    unsafe fn zero() -> v128 {
        i32x4_splat(0)
    }

    #[inline(always)]
    unsafe fn add(a: v128, b: v128) -> v128 {
        i32x4_add(a, b)
    }

    #[inline(always)]
    unsafe fn input(x: *const u8) -> v128 {
        // SAFETY: the caller guarantees a readable word; the load needs no alignment.
        unsafe { v128_load32_splat(x.cast()) }
    }

    #[inline(always)]
    unsafe fn multiply(sums: v128, weights: *const u8, x: v128) -> v128 {
        // SAFETY: the caller guarantees a word of weights for each of four outputs; the load needs no alignment.
        i32x4_add(sums, i32x4_dot_i16x8(unsafe { v128_load(weights.cast()) }, x))
    }
}
