//! LSTM cell with AVX-512: 32 units at a time in 16-bit lanes, with permutations as look-ups in the `tanh` table; see
//! [`crate::fixed::lstm::cell`].

use crate::fixed::lstm::TANH;
use core::arch::x86_64::*;

/// Units per vector.
const UNITS: usize = 32;

/// Units per half vector.
const HALF: usize = UNITS / 2;

/// Vectors of table entries; all later entries equal the last one.
const VECTORS: usize = 12;

/// Binary logarithm of the table's step, in units of 2⁻¹³.
const FRACTION: i16 = 7;

/// Entries of the `tanh` table, and their differences to the next entry.
#[repr(align(64))]
struct Tables {
    values: [[i16; UNITS]; VECTORS],
    slopes: [[i16; UNITS]; VECTORS],
}

static TABLES: Tables = {
    let mut tables = Tables { values: [[0; UNITS]; VECTORS], slopes: [[0; UNITS]; VECTORS] };
    let mut at = 0;
    while at < UNITS * VECTORS {
        tables.values[at / UNITS][at % UNITS] = TANH[at];
        tables.slopes[at / UNITS][at % UNITS] = TANH[at + 1] - TANH[at];
        at += 1;
    }
    let mut rest = at;
    while rest < TANH.len() {
        assert!(TANH[rest] == TANH[at - 1], "the table that is looked up leaves entries out that differ");
        rest += 1;
    }
    tables
};

/// Steps all units, up to the shortest slice.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn cells(gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
    let units = (gates.len() / 4).min(before.len()).min(cell_bits.len()).min(c.len()).min(h.len());
    let mut unit = 0;
    while unit < units {
        let remaining = units - unit;
        // SAFETY: every slice holds `remaining` units from `unit` on, with four gates each, which bound all accesses.
        unsafe {
            let bits = load_bytes(cell_bits.as_ptr().add(unit), remaining);
            let gates = activations(gates.as_ptr().add(4 * unit), remaining, _mm512_srli_epi16::<4>(bits));
            let bits = _mm512_and_si512(bits, _mm512_set1_epi16(15));
            let (new_h, new_c) = step(gates, load(before.as_ptr().add(unit), remaining), bits);
            store(c.as_mut_ptr().add(unit), remaining, new_c);
            store(h.as_mut_ptr().add(unit), remaining, new_h);
        }
        unit += UNITS;
    }
}

/// `tanh` of each number, in place.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn tanhs(z: &mut [i16], fraction: u32) {
    let fraction = _mm512_set1_epi16(fraction as i16);
    for part in z.chunks_mut(UNITS) {
        // SAFETY: the part holds as many elements as it says, at most a vector.
        unsafe {
            let z = load(part.as_ptr(), part.len());
            store(part.as_mut_ptr(), part.len(), tanh_of(z, fraction));
        }
    }
}

/// Mask of the first `count` lanes of a partial vector.
#[inline(always)]
const fn mask(count: usize) -> u32 {
    (1 << (count % UNITS)) - 1
}

/// Loads a vector, or `count` elements padded with zeros if these are fewer.
///
/// Masked loads defeat store-to-load forwarding, so use them only for partial vectors.
///
/// # Safety
/// `from` is valid for reads of `count` elements, or of a vector if `count` is larger.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn load(from: *const i16, count: usize) -> __m512i {
    // SAFETY: the caller guarantees `count` readable elements; masked-out lanes are not read.
    unsafe {
        match count {
            UNITS.. => _mm512_loadu_epi16(from),
            HALF => _mm512_zextsi256_si512(_mm256_loadu_epi16(from)),
            _ => _mm512_maskz_loadu_epi16(mask(count), from),
        }
    }
}

/// Loads a vector of bytes, zero-extended to 16 bits, or `count` bytes padded with zeros if these are fewer.
///
/// # Safety
/// `from` is valid for reads of `count` bytes, or of [`UNITS`] if `count` is larger.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn load_bytes(from: *const u8, count: usize) -> __m512i {
    // SAFETY: the caller guarantees `count` readable bytes; masked-out lanes are not read.
    _mm512_cvtepu8_epi16(unsafe {
        match count {
            UNITS.. => _mm256_loadu_epi8(from.cast()),
            _ => _mm256_maskz_loadu_epi8(mask(count), from.cast()),
        }
    })
}

/// Stores the first `count` lanes, at most a vector.
///
/// # Safety
/// `to` is valid for writes of `count` elements, or of a vector if `count` is larger.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn store(to: *mut i16, count: usize, x: __m512i) {
    // SAFETY: the caller guarantees `count` writable elements; masked-out lanes are not written.
    unsafe {
        match count {
            UNITS.. => _mm512_storeu_epi16(to, x),
            HALF => _mm256_storeu_epi16(to, _mm512_castsi512_si256(x)),
            _ => _mm512_mask_storeu_epi16(to, mask(count), x),
        }
    }
}

/// Gates σ(o), σ(f), σ(i) and tanh(g) of `units` units, at most a vector. `fraction` is the number of fraction bits of each g.
///
/// # Safety
/// `gates` is valid for reads of `4 * units` elements, or of four vectors if `units` is larger than a vector.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn activations(gates: *const i16, units: usize, fraction: __m512i) -> [__m512i; 4] {
    // SAFETY: the caller guarantees the gates, and each load is limited to those that remain from its vector on.
    let load = |n: usize| unsafe { load(gates.wrapping_add(n * UNITS), (4 * units).saturating_sub(n * UNITS)) };
    // A loaded vector holds eight units. Permuting two of them gives one gate of 16 units, then the next gate.
    let of = _mm512_set_epi16(
        61, 57, 53, 49, 45, 41, 37, 33, 29, 25, 21, 17, 13, 9, 5, 1, 60, 56, 52, 48, 44, 40, 36, 32, 28, 24, 20, 16,
        12, 8, 4, 0,
    );
    let ig = _mm512_add_epi16(of, _mm512_set1_epi16(2));
    let pairs = |[x, y]: [__m512i; 2]| [of, ig].map(|at| _mm512_permutex2var_epi16(x, at, y));
    let [of, ig] = pairs([load(0), load(1)]);
    if units <= HALF {
        // Two gates of a half vector of units fill a vector.
        let seven = _mm512_set1_epi16(FRACTION);
        let fraction = _mm512_mask_mov_epi16(seven, !0 << HALF, _mm512_shuffle_i64x2::<0x44>(fraction, fraction));
        let (of, ig) = (sigmoid(of), tanh_of(ig, fraction));
        let upper = |x| _mm512_shuffle_i64x2::<0xee>(x, x);
        return [of, upper(of), logistic(ig), upper(ig)];
    }
    let [next_of, next_ig] = pairs([load(2), load(3)]);
    let halves = |x, y| [_mm512_shuffle_i64x2::<0x44>(x, y), _mm512_shuffle_i64x2::<0xee>(x, y)];
    let ([o, f], [i, g]) = (halves(of, next_of), halves(ig, next_ig));
    [sigmoid(o), sigmoid(f), sigmoid(i), tanh_of(g, fraction)]
}

/// New states `(h, c)` from the gates of [`activations`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn step([o, f, i, g]: [__m512i; 4], before: __m512i, bits: __m512i) -> (__m512i, __m512i) {
    let (kept, fresh) = (products(f, before), products(i, g));
    let (zero, half) = (_mm512_setzero_si512(), _mm512_set1_epi32(1 << 14));
    let by = [_mm512_unpacklo_epi16(bits, zero), _mm512_unpackhi_epi16(bits, zero)];
    let sum = |n: usize| {
        let sum = _mm512_add_epi32(kept[n], _mm512_srav_epi32(fresh[n], by[n]));
        _mm512_srai_epi32::<15>(_mm512_add_epi32(sum, half))
    };
    let c = _mm512_packs_epi32(sum(0), sum(1));
    // `vpmulhrsw` rounds right shifts. Left shifts clamp first: the result may stay below saturation, but its `tanh` is the
    // last table entry all the same.
    let up = _mm512_subs_epu16(bits, _mm512_set1_epi16(3));
    let limit = _mm512_srlv_epi16(_mm512_set1_epi16(i16::MAX), up);
    let held = _mm512_max_epi16(_mm512_min_epi16(c, limit), _mm512_sub_epi16(zero, limit));
    let factor = _mm512_sllv_epi16(_mm512_set1_epi16(1 << 12), bits);
    let right = _mm512_cmplt_epu16_mask(bits, _mm512_set1_epi16(3));
    let t = _mm512_mask_mov_epi16(_mm512_sllv_epi16(held, up), right, _mm512_mulhrs_epi16(c, factor));
    (_mm512_mulhrs_epi16(o, tanh(t)), c)
}

/// Products in 32 bits, in the lane order that `vpackssdw` undoes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn products(a: __m512i, b: __m512i) -> [__m512i; 2] {
    let (low, high) = (_mm512_mullo_epi16(a, b), _mm512_mulhi_epi16(a, b));
    [_mm512_unpacklo_epi16(low, high), _mm512_unpackhi_epi16(low, high)]
}

/// `tanh` of the unsigned `u` by linear interpolation in the table.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn tanh_positive(u: __m512i, fraction: __m512i) -> __m512i {
    let at = _mm512_min_epu16(_mm512_srlv_epi16(u, fraction), _mm512_set1_epi16((UNITS * VECTORS - 1) as i16));
    // SAFETY: a table row is one vector, and `repr(align(64))` aligns all rows.
    let load = |table: &[[i16; UNITS]; VECTORS], n: usize| unsafe { _mm512_load_si512((&raw const table[n]).cast()) };
    let pick = |table, n| _mm512_permutex2var_epi16(load(table, n), at, load(table, n + 1));
    let (mut value, mut slope) = (pick(&TABLES.values, 0), pick(&TABLES.slopes, 0));
    let mut n = 2;
    while n < VECTORS {
        let here = _mm512_cmpge_epu16_mask(at, _mm512_set1_epi16((UNITS * n) as i16));
        value = _mm512_mask_mov_epi16(value, here, pick(&TABLES.values, n));
        slope = _mm512_mask_mov_epi16(slope, here, pick(&TABLES.slopes, n));
        n += 2;
    }
    // Low bits of `u` as a fraction in units of 2⁻¹⁵. With seven of them, `vpmulhrsw` gives (slope · rest + 64) >> 7.
    let rest = _mm512_srli_epi16::<1>(_mm512_sllv_epi16(u, _mm512_sub_epi16(_mm512_set1_epi16(16), fraction)));
    _mm512_add_epi16(value, _mm512_mulhrs_epi16(slope, rest))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn signed(t: __m512i, z: __m512i) -> __m512i {
    _mm512_mask_sub_epi16(t, _mm512_movepi16_mask(z), _mm512_setzero_si512(), t)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn tanh(z: __m512i) -> __m512i {
    tanh_of(z, _mm512_set1_epi16(FRACTION))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn tanh_of(z: __m512i, fraction: __m512i) -> __m512i {
    let size = _mm512_abs_epi16(z);
    signed(tanh_positive(_mm512_adds_epu16(size, size), fraction), z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn sigmoid(z: __m512i) -> __m512i {
    logistic(tanh(z))
}

/// Logistic function from the `tanh` of half its argument: (t + 2¹⁵) >> 1.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn logistic(t: __m512i) -> __m512i {
    _mm512_srli_epi16::<1>(_mm512_xor_si512(t, _mm512_set1_epi16(i16::MIN)))
}
