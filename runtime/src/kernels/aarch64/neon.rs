//! NEON: `smull` multiplies eight byte pairs exactly to 16 bits, `sadalp` adds adjacent products to 32-bit accumulators.

#[cfg(feature = "std")]
use super::gemm;
use super::lanes::lanes;
use crate::kernels::Kernel;
use crate::kernels::vector::Vector;
use core::arch::aarch64::*;

/// Kernel of AArch64 CPUs.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_feature = "neon", derive(Default))]
pub struct Neon(());

impl Neon {
    /// The kernel, if the CPU has the instructions.
    pub fn new() -> Option<Self> {
        #[cfg(feature = "std")]
        let available = std::arch::is_aarch64_feature_detected!("neon");
        #[cfg(not(feature = "std"))]
        let available = cfg!(target_feature = "neon");
        available.then_some(Self(()))
    }
}

// SAFETY of the methods: a `Neon` exists only on a CPU with NEON.
impl Kernel for Neon {
    const VECTORS: bool = true;

    simd_methods!("neon", Widened, gemm::Wide8, gemm::Wide16);

    #[cfg(feature = "std")]
    #[inline(always)]
    fn input_offset(self) -> i32 {
        128
    }
}

/// Vector of sixteen bytes, with separate accumulators for the products of the lower and of the upper eight.
struct Widened;

impl Vector for Widened {
    const BYTES: usize = 16;
    type Inputs = int8x16_t;
    type Accumulators = [int32x4_t; 2];
    type Small = Self;

    #[inline(always)]
    unsafe fn zero() -> [int32x4_t; 2] {
        // SAFETY: the caller has NEON enabled.
        unsafe { [vdupq_n_s32(0); 2] }
    }

    #[inline(always)]
    unsafe fn inputs(x: *const i8) -> int8x16_t {
        // SAFETY: the caller has NEON enabled and guarantees 16 readable bytes; the load needs no alignment.
        unsafe { vld1q_s8(x) }
    }

    #[inline(always)]
    unsafe fn fours(x: *const i8) -> int8x16_t {
        // SAFETY: the caller has NEON enabled and guarantees four readable bytes.
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(x.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn add([low, high]: [int32x4_t; 2], weights: *const i8, x: int8x16_t) -> [int32x4_t; 2] {
        // A product of two bytes is at most 2¹⁴, so 16 bits hold it.
        // SAFETY: the caller has NEON enabled and guarantees 16 readable weights.
        unsafe {
            let weights = vld1q_s8(weights);
            let first = vmull_s8(vget_low_s8(weights), vget_low_s8(x));
            [vpadalq_s16(low, first), vpadalq_s16(high, vmull_high_s8(weights, x))]
        }
    }

    #[inline(always)]
    unsafe fn totals(sums: [[int32x4_t; 2]; 4]) -> [i32; 4] {
        // SAFETY: the caller has NEON enabled.
        unsafe {
            let [a, b, c, d] = sums.map(|[low, high]| vaddq_s32(low, high));
            lanes(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)))
        }
    }

    #[inline(always)]
    unsafe fn block([low, high]: [int32x4_t; 2]) -> [i32; 4] {
        // Each output is split across two adjacent lanes.
        // SAFETY: the caller has NEON enabled.
        unsafe { lanes(vpaddq_s32(low, high)) }
    }
}
