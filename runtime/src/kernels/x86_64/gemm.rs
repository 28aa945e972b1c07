//! Packed matrix product on x86-64; see [`crate::kernels::vector::gemm`].

use crate::kernels::vector::gemm::Lanes;
use core::arch::x86_64::*;

/// VNNI `vpdpbusd`: unsigned inputs, signed weights, no saturation.
pub(super) struct Vnni8;

/// VNNI `vpdpwssd`.
#[cfg(feature = "a16")]
pub(super) struct Vnni16;

macro_rules! zmm {
    ($name:ty, $multiply:ident) => {
        impl Lanes for $name {
            const PARTS: usize = 1;
            type Accumulators = __m512i;
            type Input = __m512i;

            #[inline(always)]
            unsafe fn load(x: *const i32) -> __m512i {
                // SAFETY: the caller has AVX-512 enabled and guarantees 16 readable elements; the load needs no alignment.
                unsafe { _mm512_loadu_epi32(x) }
            }

            #[inline(always)]
            unsafe fn store(y: *mut i32, sums: __m512i) {
                // SAFETY: the caller has AVX-512 enabled and guarantees 16 writable elements; the store needs no alignment.
                unsafe { _mm512_storeu_epi32(y, sums) }
            }

            #[inline(always)]
            unsafe fn zero() -> __m512i {
                // SAFETY: the caller has AVX-512 enabled.
                unsafe { _mm512_setzero_si512() }
            }

            #[inline(always)]
            unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
                // SAFETY: the caller has AVX-512 enabled.
                unsafe { _mm512_add_epi32(a, b) }
            }

            #[inline(always)]
            unsafe fn input(x: *const u8) -> __m512i {
                // SAFETY: the caller has AVX-512 enabled and guarantees a readable word.
                unsafe { _mm512_set1_epi32(x.cast::<i32>().read_unaligned()) }
            }

            #[inline(always)]
            unsafe fn multiply(sums: __m512i, weights: *const u8, x: __m512i) -> __m512i {
                // SAFETY: the caller has AVX-512 and VNNI enabled and guarantees a word of weights for each of 16 outputs.
                unsafe { $multiply(sums, x, _mm512_loadu_epi32(weights.cast())) }
            }
        }
    };
}
zmm!(Vnni8, _mm512_dpbusd_epi32);
#[cfg(feature = "a16")]
zmm!(Vnni16, _mm512_dpwssd_epi32);

/// AVX2 `vpmaddwd` of even and of odd bytes, widened to 16 bits.
pub(super) struct Avx8;

/// AVX2 `vpmaddwd`.
#[cfg(feature = "a16")]
pub(super) struct Avx16;

macro_rules! ymm {
    ($name:ty, $input:ty, |$x:ident| $load:expr, |$sums:ident, $weights:ident, $word:ident| $multiply:expr) => {
        impl Lanes for $name {
            const PARTS: usize = 2;
            type Accumulators = __m256i;
            type Input = $input;

            #[inline(always)]
            unsafe fn load(x: *const i32) -> __m256i {
                // SAFETY: the caller has AVX2 enabled and guarantees eight readable elements; the load needs no alignment.
                unsafe { _mm256_loadu_si256(x.cast()) }
            }

            #[inline(always)]
            unsafe fn store(y: *mut i32, sums: __m256i) {
                // SAFETY: the caller has AVX2 enabled and guarantees eight writable elements; the store needs no alignment.
                unsafe { _mm256_storeu_si256(y.cast(), sums) }
            }

            #[inline(always)]
            unsafe fn zero() -> __m256i {
                // SAFETY: the caller has AVX2 enabled.
                unsafe { _mm256_setzero_si256() }
            }

            #[inline(always)]
            unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
                // SAFETY: the caller has AVX2 enabled.
                unsafe { _mm256_add_epi32(a, b) }
            }

            #[inline(always)]
            unsafe fn input(x: *const u8) -> $input {
                // SAFETY: the caller has AVX2 enabled and guarantees a readable word.
                unsafe {
                    let $x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
                    $load
                }
            }

            #[inline(always)]
            unsafe fn multiply($sums: __m256i, weights: *const u8, $word: $input) -> __m256i {
                // SAFETY: the caller has AVX2 enabled and guarantees a word of weights for each of eight outputs.
                unsafe {
                    let $weights = _mm256_loadu_si256(weights.cast());
                    $multiply
                }
            }
        }
    };
}
ymm!(
    Avx8,
    [__m256i; 2],
    |x| [_mm256_and_si256(x, _mm256_set1_epi16(255)), _mm256_srli_epi16::<8>(x)],
    |sums, weights, x| {
        let (even, odd) = (_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weights)), _mm256_srai_epi16::<8>(weights));
        let sums = _mm256_add_epi32(sums, _mm256_madd_epi16(even, x[0]));
        _mm256_add_epi32(sums, _mm256_madd_epi16(odd, x[1]))
    }
);
#[cfg(feature = "a16")]
ymm!(Avx16, __m256i, |x| x, |sums, weights, x| _mm256_add_epi32(sums, _mm256_madd_epi16(weights, x)));
