//! NEON with dot products: `sdot` multiplies sixteen byte pairs and adds groups of four products to four accumulators.

#[cfg(feature = "std")]
use super::gemm;
use super::lanes::lanes;
use super::sdot::sdot;
use crate::kernels::Kernel;
use crate::kernels::vector::Vector;
use core::arch::aarch64::*;

/// Kernel of AArch64 CPUs with the `dotprod` extension.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(all(target_feature = "neon", target_feature = "dotprod"), derive(Default))]
pub struct NeonDotprod(());

impl NeonDotprod {
    /// The kernel, if the CPU has the instructions.
    pub fn new() -> Option<Self> {
        #[cfg(feature = "std")]
        let available =
            std::arch::is_aarch64_feature_detected!("neon") && std::arch::is_aarch64_feature_detected!("dotprod");
        #[cfg(not(feature = "std"))]
        let available = cfg!(all(target_feature = "neon", target_feature = "dotprod"));
        available.then_some(Self(()))
    }
}

// SAFETY of the methods: a `NeonDotprod` exists only on a CPU with NEON and `dotprod`.
impl Kernel for NeonDotprod {
    const VECTORS: bool = true;

    simd_methods!("neon,dotprod", Dot, gemm::Dot8, gemm::Wide16);

    #[cfg(feature = "std")]
    #[inline(always)]
    fn input_offset(self) -> i32 {
        128
    }
}

/// Vector of sixteen bytes.
struct Dot;

impl Vector for Dot {
    const BYTES: usize = 16;
    type Inputs = int8x16_t;
    type Accumulators = int32x4_t;
    type Small = Self;

    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the caller has NEON enabled.
        unsafe { vdupq_n_s32(0) }
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
    unsafe fn add(sums: int32x4_t, weights: *const i8, x: int8x16_t) -> int32x4_t {
        // SAFETY: the caller has `dotprod` enabled and guarantees 16 readable weights.
        unsafe { sdot(sums, vld1q_s8(weights), x) }
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [int32x4_t; 4]) -> [i32; 4] {
        // SAFETY: the caller has NEON enabled.
        unsafe { lanes(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))) }
    }

    #[inline(always)]
    unsafe fn block(sums: int32x4_t) -> [i32; 4] {
        // SAFETY: the caller has NEON enabled.
        unsafe { lanes(sums) }
    }
}
