//! AVX2: bytes are widened to 16 bits, and `vpmaddwd` multiplies and adds pairs of them, exactly.

use super::cell_x86::{self, Lanes};
#[cfg(feature = "std")]
use super::panel::Inputs;
use super::vector::{self, Vector};
use super::{Kernel, Portable};
#[cfg(feature = "std")]
use super::{panel_lanes, panel_x86};
use crate::numbers::lstm::TANH;
use core::arch::x86_64::*;

/// The kernel of x86-64 processors with AVX2.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(target_feature = "avx2", derive(Default))]
pub struct Avx2(());

impl Avx2 {
    /// The kernel, where the processor has the instructions.
    pub fn new() -> Option<Self> {
        #[cfg(feature = "std")]
        let there = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(feature = "std"))]
        let there = cfg!(target_feature = "avx2");
        there.then_some(Self(()))
    }
}

// SAFETY, of all: whoever holds an `Avx2` is on a processor that has AVX2.
impl Kernel for Avx2 {
    const VECTORS: bool = true;

    #[inline(always)]
    fn rows(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        // SAFETY: above.
        unsafe { rows(bias, weights, x, sums) }
    }

    #[inline(always)]
    fn blocks(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        // SAFETY: above.
        unsafe { blocks(bias, weights, x, sums) }
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn panel8(self, weights: &[i8], inputs: &Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        // SAFETY: above.
        unsafe { panel8(weights, inputs, bias, vectors, sums) }
    }

    #[cfg(all(feature = "std", feature = "a16"))]
    #[inline(always)]
    fn panel16(self, weights: &[i16], inputs: &Inputs<'_, i16>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        // SAFETY: above.
        unsafe { panel16(weights, inputs, bias, vectors, sums) }
    }

    #[inline(always)]
    fn run<R>(self, task: impl FnOnce() -> R) -> R {
        // SAFETY: above.
        unsafe { run(task) }
    }

    #[inline(always)]
    fn cells(self, gates: &[i16], before: &[i16], cell_bits: u32, c: &mut [i16], h: &mut [i16]) {
        // SAFETY: above.
        unsafe { cells(gates, before, cell_bits, c, h) }
    }
}

#[target_feature(enable = "avx2")]
fn rows(bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
    // SAFETY: the instructions are there.
    unsafe { vector::rows::<Ymm, 8>(bias, weights, x, sums) }
}

#[target_feature(enable = "avx2")]
fn blocks(bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
    // SAFETY: as above.
    unsafe { vector::blocks::<Ymm, 8>(bias, weights, x, sums) }
}

#[cfg(feature = "std")]
#[target_feature(enable = "avx2")]
fn panel8(weights: &[i8], inputs: &Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
    // SAFETY: as above.
    unsafe { panel_lanes::panel::<panel_x86::Avx8, _, _>(weights, inputs, bias, vectors, sums) }
}

#[cfg(all(feature = "std", feature = "a16"))]
#[target_feature(enable = "avx2")]
fn panel16(weights: &[i16], inputs: &Inputs<'_, i16>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
    // SAFETY: as above.
    unsafe { panel_lanes::panel::<panel_x86::Avx16, _, _>(weights, inputs, bias, vectors, sums) }
}

#[target_feature(enable = "avx2")]
fn run<R>(task: impl FnOnce() -> R) -> R {
    task()
}

#[target_feature(enable = "avx2")]
fn cells(gates: &[i16], before: &[i16], cell_bits: u32, c: &mut [i16], h: &mut [i16]) {
    // SAFETY: as above.
    let done = unsafe { cell_x86::cells::<Ymm>(gates, before, cell_bits, c, h) };
    if let (Some(gates), Some(before), Some(c), Some(h)) =
        (gates.get(4 * done..), before.get(done..), c.get_mut(done..), h.get_mut(done..))
    {
        Portable.cells(gates, before, cell_bits, c, h);
    }
}

/// Sixteen bytes as 16-bit numbers, or eight 32-bit numbers.
pub(super) struct Ymm;

impl Vector for Ymm {
    const BYTES: usize = 16;
    type Inputs = __m256i;
    type Sums = __m256i;
    type Small = Self;

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn inputs(x: *const i8) -> __m256i {
        // SAFETY: the trait's; the load wants no alignment.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(x.cast())) }
    }

    #[inline(always)]
    unsafe fn fours(x: *const i8) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_cvtepi8_epi16(_mm_set1_epi32(x.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn add(sums: __m256i, weights: *const i8, x: __m256i) -> __m256i {
        // SAFETY: as above. A pair of products is at most 2 · 2^14.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(Self::inputs(weights), x)) }
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
        // SAFETY: the trait's; four numbers are a vector.
        unsafe {
            let all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let both = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
            core::mem::transmute::<__m128i, [i32; 4]>(both)
        }
    }

    #[inline(always)]
    unsafe fn block(sums: __m256i) -> [i32; 4] {
        // SAFETY: the trait's; four numbers are a vector.
        unsafe {
            // Each output's total is in two neighbours.
            let (low, high) = (_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
            core::mem::transmute::<__m128i, [i32; 4]>(_mm_hadd_epi32(low, high))
        }
    }
}

impl Lanes for Ymm {
    const UNITS: usize = 8;
    type V = __m256i;

    #[inline(always)]
    unsafe fn load_gates(gates: *const i16) -> [__m256i; 2] {
        // SAFETY: the trait's; the loads want no alignment.
        unsafe {
            let low = _mm256_castsi256_ps(_mm256_loadu_si256(gates.cast()));
            let high = _mm256_castsi256_ps(_mm256_loadu_si256(gates.add(16).cast()));
            let of = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(low, high));
            let ig = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(low, high));
            // Both halves of a vector were dealt with apart.
            [_mm256_permute4x64_epi64::<0b11_01_10_00>(of), _mm256_permute4x64_epi64::<0b11_01_10_00>(ig)]
        }
    }

    #[inline(always)]
    unsafe fn load(x: *const i16) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_cvtepi16_epi32(_mm_loadu_si128(x.cast())) }
    }

    #[inline(always)]
    unsafe fn store(y: *mut i16, v: __m256i) {
        // SAFETY: as above.
        unsafe {
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(v, v));
            _mm_storeu_si128(y.cast(), _mm256_castsi256_si128(packed));
        }
    }

    #[inline(always)]
    unsafe fn table(at: __m256i) -> __m256i {
        // SAFETY: indices are 0 to 511, and the table has two more bytes behind the last of these.
        unsafe { _mm256_i32gather_epi32::<2>(TANH.as_ptr().cast(), at) }
    }

    #[inline(always)]
    unsafe fn set(v: i32) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_set1_epi32(v) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_sub_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn pairs(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_madd_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_min_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_max_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn abs(a: __m256i) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_abs_epi32(a) }
    }

    #[inline(always)]
    unsafe fn xor(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn left(a: __m256i, by: u32) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_sll_epi32(a, _mm_cvtsi32_si128(by as i32)) }
    }

    #[inline(always)]
    unsafe fn right(a: __m256i, by: u32) -> __m256i {
        // SAFETY: the trait's.
        unsafe { _mm256_sra_epi32(a, _mm_cvtsi32_si128(by as i32)) }
    }
}
