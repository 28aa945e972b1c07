//! AVX2 and FMA, eight floats at a time.

use super::conv::{self, Forward, WeightGradient};
use super::gate::{self, Gate, GateGradient};
use super::lanes::Lanes;
use super::scan::{self, Scan, ScanGradient};
use std::arch::x86_64::{
    __m256, __m256i, _CMP_LT_OQ, _mm256_add_epi32, _mm256_add_ps, _mm256_blendv_ps, _mm256_castsi256_ps, _mm256_cmp_ps,
    _mm256_cvtps_epi32, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_maskload_ps,
    _mm256_maskstore_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_slli_epi32, _mm256_storeu_ps, _mm256_sub_ps,
};

/// One ymm register.
#[derive(Clone, Copy)]
struct F32x8(__m256);

/// Eight set lanes followed by eight clear ones. A window into it is a mask for the first n lanes.
static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// # Safety
/// The machine must have AVX2, and `n` be at most 8.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    // SAFETY: lanes 8 - n to 16 - n of sixteen.
    unsafe { _mm256_loadu_si256(MASK.as_ptr().add(8 - n).cast()) }
}

// SAFETY for all methods: the caller guarantees the instruction set and the pointers, as the trait requires.
impl Lanes for F32x8 {
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        // SAFETY: see above; masked-off elements are not read.
        unsafe { Self(_mm256_maskload_ps(from, first(n))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: see above; masked-off elements are not written.
        unsafe { _mm256_maskstore_ps(to, first(n), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: see above. The instruction returns its second operand if either one is NaN.
        unsafe { Self(_mm256_min_ps(other.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: see above. The instruction returns its second operand if either one is NaN.
        unsafe { Self(_mm256_max_ps(other.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        // SAFETY: see above.
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
            Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
        }
    }

    #[inline(always)]
    unsafe fn select_below(self, limit: Self, yes: Self, no: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, limit.0);
            Self(_mm256_blendv_ps(no.0, yes.0, below))
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, addend.0)) }
    }
}

pub(super) const LANES: usize = F32x8::COUNT;

/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn forward(job: &mut Forward) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { conv::forward::<F32x8, 6, 10>(job) }
}

/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn weight_gradient(job: &mut WeightGradient) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { conv::weight_gradient::<F32x8, 6, 12>(job) }
}

/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn scan(job: &mut Scan) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { scan::scan::<F32x8, 2>(job) }
}

/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn scan_gradient(job: &mut ScanGradient) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { scan::scan_gradient::<F32x8, 3>(job) }
}

/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn gate(job: &mut Gate) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { gate::gate::<F32x8>(job) }
}

/// # Safety
/// The machine must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn gate_gradient(job: &mut GateGradient) {
    // SAFETY: the caller guarantees the instruction set.
    unsafe { gate::gate_gradient::<F32x8>(job) }
}
