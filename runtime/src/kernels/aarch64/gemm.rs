//! Packed matrix product on AArch64; see [`crate::kernels::vector::gemm`].
//!
//! The instructions multiply signed bytes, so loads subtract 128 from the inputs.

use super::sdot::sdot;
use crate::kernels::vector::gemm::Lanes;
use core::arch::aarch64::*;

/// `sdot`.
pub(super) struct Dot8;

/// `smull`, with its products accumulated by `sadalp`.
pub(super) struct Wide8;

/// `smull` of 16-bit inputs.
#[cfg(feature = "a16")]
pub(super) struct Wide16;

/// Word of four inputs minus 128, broadcast to four outputs.
///
/// # Safety
/// NEON is enabled, and `x` is valid for reads of four bytes.
#[inline(always)]
unsafe fn signed(x: *const u8) -> int8x16_t {
    // SAFETY: the caller has NEON enabled and guarantees four readable bytes.
    unsafe { vreinterpretq_s8_u32(vdupq_n_u32(x.cast::<u32>().read_unaligned() ^ 0x8080_8080)) }
}

/// Items of [`Lanes`] for registers of four accumulators.
macro_rules! sums_of_four {
    () => {
        const PARTS: usize = 4;
        type Accumulators = int32x4_t;

        #[inline(always)]
        unsafe fn load(x: *const i32) -> int32x4_t {
            // SAFETY: the caller has NEON enabled and guarantees four readable elements.
            unsafe { vld1q_s32(x) }
        }

        #[inline(always)]
        unsafe fn store(y: *mut i32, sums: int32x4_t) {
            // SAFETY: the caller has NEON enabled and guarantees four writable elements.
            unsafe { vst1q_s32(y, sums) }
        }

        #[inline(always)]
        unsafe fn zero() -> int32x4_t {
            // SAFETY: the caller has NEON enabled.
            unsafe { vdupq_n_s32(0) }
        }

        #[inline(always)]
        unsafe fn add(a: int32x4_t, b: int32x4_t) -> int32x4_t {
            // SAFETY: the caller has NEON enabled.
            unsafe { vaddq_s32(a, b) }
        }
    };
}

impl Lanes for Dot8 {
    sums_of_four!();
    type Input = int8x16_t;

    #[inline(always)]
    unsafe fn input(x: *const u8) -> int8x16_t {
        // SAFETY: the caller has NEON enabled and guarantees a readable word.
        unsafe { signed(x) }
    }

    #[inline(always)]
    unsafe fn multiply(sums: int32x4_t, weights: *const u8, x: int8x16_t) -> int32x4_t {
        // SAFETY: the caller has `dotprod` enabled and guarantees a word of weights for each of four outputs.
        unsafe { sdot(sums, vld1q_s8(weights.cast()), x) }
    }
}

impl Lanes for Wide8 {
    const PARTS: usize = 4;
    /// Four accumulators, each split across two adjacent lanes.
    type Accumulators = [int32x4_t; 2];
    type Input = int8x16_t;

    #[inline(always)]
    unsafe fn load(x: *const i32) -> [int32x4_t; 2] {
        // SAFETY: the caller has NEON enabled and guarantees four readable elements.
        unsafe {
            let (x, zero) = (vld1q_s32(x), vdupq_n_s32(0));
            [vzip1q_s32(x, zero), vzip2q_s32(x, zero)]
        }
    }

    #[inline(always)]
    unsafe fn store(y: *mut i32, [low, high]: [int32x4_t; 2]) {
        // SAFETY: the caller has NEON enabled and guarantees four writable elements.
        unsafe { vst1q_s32(y, vpaddq_s32(low, high)) }
    }

    #[inline(always)]
    unsafe fn zero() -> [int32x4_t; 2] {
        // SAFETY: the caller has NEON enabled.
        unsafe { [vdupq_n_s32(0); 2] }
    }

    #[inline(always)]
    unsafe fn add(a: [int32x4_t; 2], b: [int32x4_t; 2]) -> [int32x4_t; 2] {
        // SAFETY: the caller has NEON enabled.
        unsafe { [vaddq_s32(a[0], b[0]), vaddq_s32(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn input(x: *const u8) -> int8x16_t {
        // SAFETY: the caller has NEON enabled and guarantees a readable word.
        unsafe { signed(x) }
    }

    #[inline(always)]
    unsafe fn multiply([low, high]: [int32x4_t; 2], weights: *const u8, x: int8x16_t) -> [int32x4_t; 2] {
        // A product of two bytes is at most 2¹⁴, so 16 bits hold it.
        // SAFETY: the caller has NEON enabled and guarantees a word of weights for each of four outputs.
        unsafe {
            let weights = vld1q_s8(weights.cast());
            let first = vmull_s8(vget_low_s8(weights), vget_low_s8(x));
            [vpadalq_s16(low, first), vpadalq_s16(high, vmull_high_s8(weights, x))]
        }
    }
}

#[cfg(feature = "a16")]
impl Lanes for Wide16 {
    sums_of_four!();
    type Input = int16x8_t;

    #[inline(always)]
    unsafe fn input(x: *const u8) -> int16x8_t {
        // SAFETY: the caller has NEON enabled and guarantees a readable word.
        unsafe { vreinterpretq_s16_u32(vdupq_n_u32(x.cast::<u32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn multiply(sums: int32x4_t, weights: *const u8, x: int16x8_t) -> int32x4_t {
        // SAFETY: the caller has NEON enabled and guarantees a word of weights for each of four outputs.
        unsafe {
            let weights = vld1q_s16(weights.cast());
            let low = vmull_s16(vget_low_s16(weights), vget_low_s16(x));
            vaddq_s32(sums, vpaddq_s32(low, vmull_high_s16(weights, x)))
        }
    }
}
