//! LSTM cell with AVX2: eight units at a time in 32-bit lanes, with gathers from the `tanh` table; see
//! [`crate::fixed::lstm::cell`].

use crate::fixed::lstm::TANH;
use core::arch::x86_64::*;

/// Units per vector.
const UNITS: usize = 8;

/// Steps all units that fill whole vectors and returns their number.
#[target_feature(enable = "avx2")]
pub(super) fn cells(gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) -> usize {
    let units = (gates.len() / 4).min(before.len()).min(cell_bits.len()).min(c.len()).min(h.len()) / UNITS * UNITS;
    let mut unit = 0;
    while unit < units {
        // SAFETY: `units` bounds all slices and is a multiple of [`UNITS`], so each slice holds a full vector from `unit` on.
        unsafe {
            let gates = load_gates(gates.as_ptr().add(4 * unit));
            let before = _mm256_cvtepi16_epi32(_mm_loadu_si128(before.as_ptr().add(unit).cast()));
            let bits = _mm256_cvtepu8_epi32(_mm_loadl_epi64(cell_bits.as_ptr().add(unit).cast()));
            let (new_h, new_c) = step(gates, before, bits);
            store(c.as_mut_ptr().add(unit), new_c);
            store(h.as_mut_ptr().add(unit), new_h);
        }
        unit += UNITS;
    }
    units
}

/// `tanh`, in place, of all numbers that fill whole vectors; returns how many.
#[target_feature(enable = "avx2")]
pub(super) fn tanhs(z: &mut [i16], fraction: u32) -> usize {
    let fraction = _mm256_set1_epi32(fraction.cast_signed());
    let (vectors, _) = z.as_chunks_mut::<UNITS>();
    for vector in vectors.iter_mut() {
        // SAFETY: a chunk holds [`UNITS`] elements, 16 bytes.
        unsafe {
            let z = _mm256_cvtepi16_epi32(_mm_loadu_si128(vector.as_ptr().cast()));
            store(vector.as_mut_ptr(), tanh_of(z, fraction));
        }
    }
    vectors.len() * UNITS
}

/// Loads the gates o, f, i, g of [`UNITS`] units as pairs of 16 bits: `(o, f)` in the first vector, `(i, g)` in the second.
///
/// # Safety
/// `gates` is valid for reads of `4 * UNITS` elements.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_gates(gates: *const i16) -> [__m256i; 2] {
    // SAFETY: the caller guarantees two readable vectors; the loads need no alignment.
    let [low, high] = unsafe { [_mm256_loadu_si256(gates.cast()), _mm256_loadu_si256(gates.add(16).cast())] };
    let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
    let of = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(low, high));
    let ig = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(low, high));
    // The shuffle works within 128-bit halves; the permutation restores the order of the units.
    [_mm256_permute4x64_epi64::<0b11_01_10_00>(of), _mm256_permute4x64_epi64::<0b11_01_10_00>(ig)]
}

/// Stores the lower 16 bits of each lane; values fit an `i16`.
///
/// # Safety
/// `y` is valid for writes of [`UNITS`] elements.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store(y: *mut i16, v: __m256i) {
    let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(v, v));
    // SAFETY: the caller guarantees [`UNITS`] writable elements, 16 bytes; the store needs no alignment.
    unsafe { _mm_storeu_si128(y.cast(), _mm256_castsi256_si128(packed)) }
}

/// New states `(h, c)`. Products are below 2³⁰ in magnitude.
#[inline]
#[target_feature(enable = "avx2")]
fn step([of, ig]: [__m256i; 2], before: __m256i, bits: __m256i) -> (__m256i, __m256i) {
    let (bits, fraction) = (_mm256_and_si256(bits, _mm256_set1_epi32(15)), _mm256_srli_epi32::<4>(bits));
    let half = _mm256_set1_epi32(1 << 14);
    let fresh = _mm256_srav_epi32(product(sigmoid(low(ig)), tanh_of(high(ig), fraction)), bits);
    let kept = product(sigmoid(high(of)), before);
    let c = saturate(_mm256_srai_epi32::<15>(_mm256_add_epi32(_mm256_add_epi32(kept, fresh), half)));
    // Shift left by `bits - 3`, or right with rounding if that is negative. A negative count shifts out of range, and the
    // blend discards its result.
    let up = _mm256_sub_epi32(bits, _mm256_set1_epi32(3));
    let down = _mm256_sub_epi32(_mm256_setzero_si256(), up);
    let rounding = _mm256_srli_epi32::<1>(_mm256_sllv_epi32(_mm256_set1_epi32(1), down));
    let rounded = _mm256_srav_epi32(_mm256_add_epi32(c, rounding), down);
    let t = _mm256_blendv_epi8(
        saturate(_mm256_sllv_epi32(c, up)),
        rounded,
        _mm256_cmpgt_epi32(down, _mm256_setzero_si256()),
    );
    let h = _mm256_srai_epi32::<15>(_mm256_add_epi32(product(sigmoid(low(of)), tanh(t)), half));
    (h, c)
}

/// Lower 16 bits of each lane, sign-extended.
#[inline]
#[target_feature(enable = "avx2")]
fn low(pair: __m256i) -> __m256i {
    high(_mm256_slli_epi32::<16>(pair))
}

/// Upper 16 bits of each lane, sign-extended.
#[inline]
#[target_feature(enable = "avx2")]
fn high(pair: __m256i) -> __m256i {
    _mm256_srai_epi32::<16>(pair)
}

/// Products of lanes within `i16`. `a` is not negative, so its upper 16 bits are 0 and add nothing in `vpmaddwd`.
#[inline]
#[target_feature(enable = "avx2")]
fn product(a: __m256i, b: __m256i) -> __m256i {
    _mm256_madd_epi16(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn saturate(v: __m256i) -> __m256i {
    let (least, most) = (_mm256_set1_epi32(i16::MIN.into()), _mm256_set1_epi32(i16::MAX.into()));
    _mm256_max_epi32(_mm256_min_epi32(v, most), least)
}

/// `tanh` of `u`, 0 to 2¹⁶, by linear interpolation in the table.
#[inline]
#[target_feature(enable = "avx2")]
fn tanh_positive(u: __m256i, fraction: __m256i) -> __m256i {
    let at = _mm256_min_epi32(_mm256_srlv_epi32(u, fraction), _mm256_set1_epi32(511));
    // SAFETY: a gather reads entries `at` and `at + 1`; `at` is 0 to 511, and the table has 514 entries.
    let pair = unsafe { _mm256_i32gather_epi32::<2>(TANH.as_ptr().cast(), at) };
    let value = low(pair);
    let slope = _mm256_sub_epi32(high(pair), value);
    let rest = _mm256_sub_epi32(u, _mm256_sllv_epi32(at, fraction));
    let half = _mm256_srli_epi32::<1>(_mm256_sllv_epi32(_mm256_set1_epi32(1), fraction));
    let more = _mm256_add_epi32(_mm256_madd_epi16(slope, rest), half);
    _mm256_add_epi32(value, _mm256_srav_epi32(more, fraction))
}

/// `t`, negated in lanes with a negative `z`.
#[inline]
#[target_feature(enable = "avx2")]
fn signed(t: __m256i, z: __m256i) -> __m256i {
    let sign = _mm256_srai_epi32::<31>(z);
    _mm256_sub_epi32(_mm256_xor_si256(t, sign), sign)
}

#[inline]
#[target_feature(enable = "avx2")]
fn tanh(z: __m256i) -> __m256i {
    tanh_of(z, _mm256_set1_epi32(7))
}

#[inline]
#[target_feature(enable = "avx2")]
fn tanh_of(z: __m256i, fraction: __m256i) -> __m256i {
    signed(tanh_positive(_mm256_slli_epi32::<1>(_mm256_abs_epi32(z)), fraction), z)
}

#[inline]
#[target_feature(enable = "avx2")]
fn sigmoid(z: __m256i) -> __m256i {
    _mm256_srai_epi32::<1>(_mm256_add_epi32(tanh(z), _mm256_set1_epi32(32_768)))
}
