//! Panels by the instructions of x86-64; see [`super::panel`].

use super::panel::{Bias, Inputs, LANES, Shape, WORD};
use core::arch::x86_64::*;

/// What a panel needs of an instruction set.
///
/// # Safety
/// All functions are inlined into a caller that has the instructions, and are called nowhere else.
pub(super) trait Lanes {
    /// Registers that [`LANES`] sums take.
    const PARTS: usize;
    /// Sums of one register, [`LANES`]` / PARTS`.
    type Sums: Copy;
    /// A word of inputs, for all outputs.
    type Input: Copy;

    unsafe fn load(x: *const i32) -> Self::Sums;
    unsafe fn store(y: *mut i32, sums: Self::Sums);
    unsafe fn zero() -> Self::Sums;
    unsafe fn add(a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// The word at `x`.
    unsafe fn input(x: *const u8) -> Self::Input;
    /// The products of a word with the weights of one register's outputs, added.
    unsafe fn multiply(sums: Self::Sums, weights: *const u8, x: Self::Input) -> Self::Sums;
}

/// A panel.
///
/// # Safety
/// As of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn panel<L: Lanes, W, X>(
    weights: &[W],
    inputs: &Inputs<'_, X>,
    bias: Bias<'_>,
    vectors: usize,
    sums: &mut [i32],
) {
    let Some(shape) = Shape::new(size_of_val(weights), inputs, bias, vectors, sums) else { return };
    // SAFETY: the caller's, and the shape was checked. More registers than there are would be slow.
    unsafe {
        match (shape.vectors, L::PARTS) {
            (4, 1) => all::<L, X, 4, 6, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (3, 1) => all::<L, X, 3, 8, 1>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            (2, 1) => all::<L, X, 2, 12, 2>(weights.as_ptr().cast(), inputs, bias, shape, sums),
            _ => all::<L, X, 1, 4, 4>(weights.as_ptr().cast(), inputs, bias, shape, sums),
        }
    }
}

/// All places, `PLACES` at a time, then four and one at a time, the last with `SPLIT` sums to be added to one in the end, which
/// do not wait for each other; `REGISTERS` of outputs at a time.
///
/// # Safety
/// As of [`Lanes`]; the shape is that of the slices.
#[inline(always)]
unsafe fn all<L: Lanes, X, const REGISTERS: usize, const PLACES: usize, const SPLIT: usize>(
    weights: *const u8,
    inputs: &Inputs<'_, X>,
    bias: Bias<'_>,
    shape: Shape,
    sums: &mut [i32],
) {
    let registers = shape.vectors * L::PARTS;
    let mut first = 0;
    while first < registers {
        let mut place = 0;
        let tile = Tile { weights, inputs, bias, shape, sums: sums.as_mut_ptr(), first };
        // SAFETY: the caller's; there are so many places and registers.
        unsafe {
            while place + PLACES <= shape.places {
                tile.run::<L, REGISTERS, PLACES, 1>(place);
                place += PLACES;
            }
            while place + 4 <= shape.places {
                tile.run::<L, REGISTERS, 4, 1>(place);
                place += 4;
            }
            while place < shape.places {
                tile.run::<L, REGISTERS, 1, SPLIT>(place);
                place += 1;
            }
        }
        first += REGISTERS;
    }
}

/// What tiles share.
struct Tile<'a, X> {
    weights: *const u8,
    inputs: &'a Inputs<'a, X>,
    bias: Bias<'a>,
    shape: Shape,
    sums: *mut i32,
    /// The first register of outputs.
    first: usize,
}

impl<X> Tile<'_, X> {
    /// # Safety
    /// As of [`Lanes`]; there are so many places from `place` on and so many registers from the first on.
    #[inline(always)]
    unsafe fn run<L: Lanes, const REGISTERS: usize, const PLACES: usize, const SPLIT: usize>(&self, place: usize) {
        let Self { inputs, bias, shape: Shape { vectors, .. }, first, .. } = *self;
        let (outputs, each) = (vectors * LANES, LANES / L::PARTS);
        let step = outputs * WORD;
        // SAFETY: the caller's. Pieces read as many words of each place as the shape's check allows, weights one line of outputs a
        // word.
        unsafe {
            let mut weights = self.weights.add(first * each * WORD);
            let mut totals = [[[L::zero(); REGISTERS]; PLACES]; SPLIT];
            for (p, totals) in totals[0].iter_mut().enumerate() {
                let bias = bias.numbers.as_ptr().add((place + p) * bias.stride + first * each);
                for (r, total) in totals.iter_mut().enumerate() {
                    *total = L::load(bias.add(r * each));
                }
            }
            let stride = inputs.stride * size_of::<X>();
            for piece in inputs.pieces {
                let mut x = inputs.numbers.as_ptr().add(piece.start + place * inputs.stride).cast::<u8>();
                let mut words = piece.words;
                while words >= SPLIT {
                    for (s, totals) in totals.iter_mut().enumerate() {
                        word::<L, REGISTERS, PLACES>(totals, weights.add(s * step), x.add(s * WORD), stride);
                    }
                    weights = weights.add(SPLIT * step);
                    x = x.add(SPLIT * WORD);
                    words -= SPLIT;
                }
                while words > 0 {
                    word::<L, REGISTERS, PLACES>(&mut totals[0], weights, x, stride);
                    weights = weights.add(step);
                    x = x.add(WORD);
                    words -= 1;
                }
            }
            for p in 0..PLACES {
                for r in 0..REGISTERS {
                    let mut total = totals[0][p][r];
                    for totals in totals.iter().skip(1) {
                        total = L::add(total, totals[p][r]);
                    }
                    L::store(self.sums.add((place + p) * outputs + (first + r) * each), total);
                }
            }
        }
    }
}

/// One word of each place.
///
/// # Safety
/// As of [`Lanes`]; weights and words are there.
#[inline(always)]
unsafe fn word<L: Lanes, const REGISTERS: usize, const PLACES: usize>(
    totals: &mut [[L::Sums; REGISTERS]; PLACES],
    weights: *const u8,
    x: *const u8,
    stride: usize,
) {
    for (p, totals) in totals.iter_mut().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let x = L::input(x.add(p * stride));
            for (r, total) in totals.iter_mut().enumerate() {
                *total = L::multiply(*total, weights.add(r * (LANES / L::PARTS) * WORD), x);
            }
        }
    }
}

/// VNNI's `vpdpbusd`: unsigned inputs, signed weights, nothing saturates.
pub(super) struct Vnni8;

/// VNNI's `vpdpwssd`.
pub(super) struct Vnni16;

macro_rules! zmm {
    ($name:ty, $multiply:ident) => {
        impl Lanes for $name {
            const PARTS: usize = 1;
            type Sums = __m512i;
            type Input = __m512i;

            #[inline(always)]
            unsafe fn load(x: *const i32) -> __m512i {
                // SAFETY: the trait's; the load wants no alignment.
                unsafe { _mm512_loadu_epi32(x) }
            }

            #[inline(always)]
            unsafe fn store(y: *mut i32, sums: __m512i) {
                // SAFETY: as above.
                unsafe { _mm512_storeu_epi32(y, sums) }
            }

            #[inline(always)]
            unsafe fn zero() -> __m512i {
                // SAFETY: the trait's.
                unsafe { _mm512_setzero_si512() }
            }

            #[inline(always)]
            unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
                // SAFETY: the trait's.
                unsafe { _mm512_add_epi32(a, b) }
            }

            #[inline(always)]
            unsafe fn input(x: *const u8) -> __m512i {
                // SAFETY: the trait's; a word can be read.
                unsafe { _mm512_set1_epi32(x.cast::<i32>().read_unaligned()) }
            }

            #[inline(always)]
            unsafe fn multiply(sums: __m512i, weights: *const u8, x: __m512i) -> __m512i {
                // SAFETY: the trait's; weights of as many outputs can be read.
                unsafe { $multiply(sums, x, _mm512_loadu_epi32(weights.cast())) }
            }
        }
    };
}
zmm!(Vnni8, _mm512_dpbusd_epi32);
zmm!(Vnni16, _mm512_dpwssd_epi32);

/// AVX2's `vpmaddwd`, with bytes widened to 16 bits: even ones and odd ones apart.
pub(super) struct Avx8;

/// AVX2's `vpmaddwd`.
pub(super) struct Avx16;

macro_rules! ymm {
    ($name:ty, $input:ty, |$x:ident| $load:expr, |$sums:ident, $weights:ident, $word:ident| $multiply:expr) => {
        impl Lanes for $name {
            const PARTS: usize = 2;
            type Sums = __m256i;
            type Input = $input;

            #[inline(always)]
            unsafe fn load(x: *const i32) -> __m256i {
                // SAFETY: the trait's; the load wants no alignment.
                unsafe { _mm256_loadu_si256(x.cast()) }
            }

            #[inline(always)]
            unsafe fn store(y: *mut i32, sums: __m256i) {
                // SAFETY: as above.
                unsafe { _mm256_storeu_si256(y.cast(), sums) }
            }

            #[inline(always)]
            unsafe fn zero() -> __m256i {
                // SAFETY: the trait's.
                unsafe { _mm256_setzero_si256() }
            }

            #[inline(always)]
            unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
                // SAFETY: the trait's.
                unsafe { _mm256_add_epi32(a, b) }
            }

            #[inline(always)]
            unsafe fn input(x: *const u8) -> $input {
                // SAFETY: the trait's; a word can be read.
                unsafe {
                    let $x = _mm256_set1_epi32(x.cast::<i32>().read_unaligned());
                    $load
                }
            }

            #[inline(always)]
            unsafe fn multiply($sums: __m256i, weights: *const u8, $word: $input) -> __m256i {
                // SAFETY: the trait's; weights of as many outputs can be read.
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
ymm!(Avx16, __m256i, |x| x, |sums, weights, x| _mm256_add_epi32(sums, _mm256_madd_epi16(weights, x)));
