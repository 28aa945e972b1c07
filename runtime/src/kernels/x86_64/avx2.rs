//! AVX2: bytes are widened to 16 bits, and `vpmaddwd` adds the products of adjacent pairs, exactly.

use super::cell_avx2;
use crate::kernels::vector::Vector;
use crate::kernels::{Kernel, Portable};
use core::arch::x86_64::*;

/// Kernel of x86-64 CPUs with AVX2.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_feature = "avx2", derive(Default))]
pub struct Avx2(());

impl Avx2 {
    /// The kernel, if the CPU has the instructions.
    pub fn new() -> Option<Self> {
        #[cfg(feature = "std")]
        let available = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(feature = "std"))]
        let available = cfg!(target_feature = "avx2");
        available.then_some(Self(()))
    }
}

// SAFETY of the methods: an `Avx2` exists only on a CPU with AVX2.
impl Kernel for Avx2 {
    const VECTORS: bool = true;
    const LOOKUPS: bool = true;

    simd_methods!("avx2", Ymm, panel::Avx8, panel::Avx16);

    #[inline(always)]
    fn cells(self, gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { cells(gates, before, cell_bits, c, h) }
    }

    #[inline(always)]
    fn tanhs(self, z: &mut [i16], fraction: u32) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { tanhs(z, fraction) }
    }
}

#[target_feature(enable = "avx2")]
fn tanhs(z: &mut [i16], fraction: u32) {
    let done = cell_avx2::tanhs(z, fraction);
    if let Some(z) = z.get_mut(done..) {
        Portable.tanhs(z, fraction);
    }
}

#[target_feature(enable = "avx2")]
fn cells(gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
    let done = cell_avx2::cells(gates, before, cell_bits, c, h);
    if let (Some(gates), Some(before), Some(cell_bits), Some(c), Some(h)) =
        (gates.get(4 * done..), before.get(done..), cell_bits.get(done..), c.get_mut(done..), h.get_mut(done..))
    {
        Portable.cells(gates, before, cell_bits, c, h);
    }
}

/// Vector of sixteen bytes widened to 16 bits, or of eight 32-bit lanes.
pub(super) struct Ymm;

impl Vector for Ymm {
    const BYTES: usize = 16;
    type Inputs = __m256i;
    type Accumulators = __m256i;
    type Small = Self;

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller has AVX2 enabled.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn inputs(x: *const i8) -> __m256i {
        // SAFETY: the caller has AVX2 enabled and guarantees 16 readable bytes; the load needs no alignment.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(x.cast())) }
    }

    #[inline(always)]
    unsafe fn fours(x: *const i8) -> __m256i {
        // SAFETY: the caller has AVX2 enabled and guarantees four readable bytes.
        unsafe { _mm256_cvtepi8_epi16(_mm_set1_epi32(x.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn add(sums: __m256i, weights: *const i8, x: __m256i) -> __m256i {
        // The sum of a pair of products is at most 2¹⁵, far below the 32 bits of its lane.
        // SAFETY: the caller has AVX2 enabled and guarantees 16 readable weights.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(Self::inputs(weights), x)) }
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
        // SAFETY: the caller has AVX2 enabled; `__m128i` and `[i32; 4]` have the same size, and every bit pattern is valid.
        unsafe {
            let all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let both = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
            core::mem::transmute::<__m128i, [i32; 4]>(both)
        }
    }

    #[inline(always)]
    unsafe fn block(sums: __m256i) -> [i32; 4] {
        // SAFETY: the caller has AVX2 enabled; `__m128i` and `[i32; 4]` have the same size, and every bit pattern is valid.
        unsafe {
            // Each output is split across two adjacent lanes.
            let (low, high) = (_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
            core::mem::transmute::<__m128i, [i32; 4]>(_mm_hadd_epi32(low, high))
        }
    }
}

/// Steps of the packed matrix product; see [`crate::kernels::vector::gemm`].
#[cfg(feature = "std")]
mod panel {
    use crate::kernels::vector::gemm::Lanes;
    use core::arch::x86_64::*;

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
            let (even, odd) =
                (_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weights)), _mm256_srai_epi16::<8>(weights));
            let sums = _mm256_add_epi32(sums, _mm256_madd_epi16(even, x[0]));
            _mm256_add_epi32(sums, _mm256_madd_epi16(odd, x[1]))
        }
    );
    #[cfg(feature = "a16")]
    ymm!(Avx16, __m256i, |x| x, |sums, weights, x| _mm256_add_epi32(sums, _mm256_madd_epi16(weights, x)));
}
