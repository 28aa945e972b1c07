//! AVX-512 (F), sixteen floats at a time.

use super::conv::{self, Forward, WeightGradient};
use super::lanes::Lanes;
use std::arch::x86_64::{
    __m512, __mmask16, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_set1_ps, _mm512_storeu_ps,
};

/// One zmm register.
#[derive(Clone, Copy)]
struct F32x16(__m512);

fn first(n: usize) -> __mmask16 {
    ((1_u32 << n) - 1) as __mmask16
}

// SAFETY of all methods: the trait's caller vouches for the instruction set and the pointers.
impl Lanes for F32x16 {
    const COUNT: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        // SAFETY: see above; masked-off elements are not read.
        unsafe { Self(_mm512_maskz_loadu_ps(first(n), from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: see above; masked-off elements are not written.
        unsafe { _mm512_mask_storeu_ps(to, first(n), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }
}

pub(super) const LANES: usize = F32x16::COUNT;

/// # Safety
/// The machine must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn forward(job: &mut Forward) {
    // SAFETY: the caller vouches for the instruction set. 14 pixels of two vectors fill 28 of the 32 registers.
    unsafe { conv::forward::<F32x16, 14, 14>(job) }
}

/// # Safety
/// The machine must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn weight_gradient(job: &mut WeightGradient) {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { conv::weight_gradient::<F32x16, 8, 16>(job) }
}
