//! The LSTM cell by AVX2: eight units at once, in 32 bits, with gathers that read the table of `tanh`; see
//! [`crate::fixed::lstm::cell`].

use crate::fixed::lstm::TANH;
use core::arch::x86_64::*;

/// Units of a vector.
const UNITS: usize = 8;

/// The steps of as many units as whole vectors hold; gives how many.
#[target_feature(enable = "avx2")]
pub(super) fn cells(gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) -> usize {
    let units = (gates.len() / 4).min(before.len()).min(cell_bits.len()).min(c.len()).min(h.len()) / UNITS * UNITS;
    let mut unit = 0;
    while unit < units {
        // SAFETY: all slices have numbers for a vector of units from `unit` on.
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

/// The gates o, f, i, g of so many units, as pairs of 16 bits: `o, f` of each in one vector, `i, g` in the other.
///
/// # Safety
/// They can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_gates(gates: *const i16) -> [__m256i; 2] {
    // SAFETY: the caller's; the loads want no alignment.
    let [low, high] = unsafe { [_mm256_loadu_si256(gates.cast()), _mm256_loadu_si256(gates.add(16).cast())] };
    let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
    let of = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(low, high));
    let ig = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(low, high));
    // Both halves of a vector were dealt with apart.
    [_mm256_permute4x64_epi64::<0b11_01_10_00>(of), _mm256_permute4x64_epi64::<0b11_01_10_00>(ig)]
}

/// Writes the lower 16 bits of numbers that fit these.
///
/// # Safety
/// So many can be written.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store(y: *mut i16, v: __m256i) {
    let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(v, v));
    // SAFETY: the caller's; the store wants no alignment.
    unsafe { _mm_storeu_si128(y.cast(), _mm256_castsi256_si128(packed)) }
}

/// `(h, c)`; products are below 2³⁰.
#[inline]
#[target_feature(enable = "avx2")]
fn step([of, ig]: [__m256i; 2], before: __m256i, bits: __m256i) -> (__m256i, __m256i) {
    let (bits, fraction) = (_mm256_and_si256(bits, _mm256_set1_epi32(15)), _mm256_srli_epi32::<4>(bits));
    let half = _mm256_set1_epi32(1 << 14);
    let fresh = _mm256_srav_epi32(product(sigmoid(low(ig)), tanh_of(high(ig), fraction)), bits);
    let kept = product(sigmoid(high(of)), before);
    let c = saturate(_mm256_srai_epi32::<15>(_mm256_add_epi32(_mm256_add_epi32(kept, fresh), half)));
    // Shifted left by `bits - 3`, which rounds where that is negative: by counts beyond 31 nothing is left of a number.
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

/// The lower 16 bits of each number, with their sign.
#[inline]
#[target_feature(enable = "avx2")]
fn low(pair: __m256i) -> __m256i {
    high(_mm256_slli_epi32::<16>(pair))
}

/// The upper 16 bits of each number, with their sign.
#[inline]
#[target_feature(enable = "avx2")]
fn high(pair: __m256i) -> __m256i {
    _mm256_srai_epi32::<16>(pair)
}

/// The products of numbers that fit 16 bits, of which `a` is not negative: its upper 16 bits are zero.
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

/// Of `u` from 0 to 2¹⁶.
#[inline]
#[target_feature(enable = "avx2")]
fn tanh_positive(u: __m256i, fraction: __m256i) -> __m256i {
    let at = _mm256_min_epi32(_mm256_srlv_epi32(u, fraction), _mm256_set1_epi32(511));
    // SAFETY: indices are 0 to 511, and the table has two more bytes behind the last of these.
    let pair = unsafe { _mm256_i32gather_epi32::<2>(TANH.as_ptr().cast(), at) };
    let value = low(pair);
    let slope = _mm256_sub_epi32(high(pair), value);
    let rest = _mm256_sub_epi32(u, _mm256_sllv_epi32(at, fraction));
    let half = _mm256_srli_epi32::<1>(_mm256_sllv_epi32(_mm256_set1_epi32(1), fraction));
    let more = _mm256_add_epi32(_mm256_madd_epi16(slope, rest), half);
    _mm256_add_epi32(value, _mm256_srav_epi32(more, fraction))
}

/// `t` with the sign of `z`.
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
