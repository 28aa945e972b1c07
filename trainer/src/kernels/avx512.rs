//! AVX-512 (F), sixteen floats at a time.

use super::conv::{self, Forward, WeightGradient};
use super::gate::{self, Gate, GateGradient};
use super::lanes::Lanes;
use super::scan::{self, Scan, ScanGradient};
use std::arch::x86_64::{
    __m512, __mmask16, _CMP_LT_OQ, _mm512_add_epi32, _mm512_add_ps, _mm512_castsi512_ps, _mm512_cmp_ps_mask,
    _mm512_cvtps_epi32, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_blend_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_slli_epi32, _mm512_storeu_ps, _mm512_sub_ps,
};

/// One zmm register.
#[derive(Clone, Copy)]
struct F32x16(__m512);

fn first(n: usize) -> __mmask16 {
    ((1_u32 << n) - 1) as __mmask16
}

// SAFETY for all methods: the caller guarantees the instruction set and the pointers, as the trait requires.
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
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: see above. The instruction returns its second operand if either one is NaN.
        unsafe { Self(_mm512_min_ps(other.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: see above. The instruction returns its second operand if either one is NaN.
        unsafe { Self(_mm512_max_ps(other.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        // SAFETY: see above.
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased)))
        }
    }

    #[inline(always)]
    unsafe fn select_below(self, limit: Self, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, limit.0);
            Self(_mm512_mask_blend_ps(below, no.0, yes.0))
        }
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
    // SAFETY: the caller guarantees the instruction set. 14 pixels of two vectors occupy 28 of the 32 registers.
    unsafe { conv::forward::<F32x16, 14, 14>(job) }
}

/// # Safety
/// The machine must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn weight_gradient(job: &mut WeightGradient) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { conv::weight_gradient::<F32x16, 8, 16>(job) }
}

/// # Safety
/// The machine must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn scan(job: &mut Scan) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { scan::scan::<F32x16, 4>(job) }
}

/// # Safety
/// The machine must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn scan_gradient(job: &mut ScanGradient) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { scan::scan_gradient::<F32x16, 4>(job) }
}

/// # Safety
/// The machine must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn gate(job: &mut Gate) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { gate::gate::<F32x16>(job) }
}

/// # Safety
/// The machine must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn gate_gradient(job: &mut GateGradient) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { gate::gate_gradient::<F32x16>(job) }
}
