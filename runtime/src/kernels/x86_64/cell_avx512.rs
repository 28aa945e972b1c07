//! The LSTM cell by AVX-512: 32 units at once, in 16 bits, with the table of `tanh` looked up by permutations; see
//! [`crate::fixed::lstm::cell`].

use crate::fixed::lstm::TANH;
use core::arch::x86_64::*;

/// Units of a vector.
const UNITS: usize = 32;

/// Half of that.
const HALF: usize = UNITS / 2;

/// Vectors of the table: all entries further on are as its last.
const VECTORS: usize = 12;

/// Bits of an entry of the table.
const FRACTION: i16 = 7;

/// Entries of the table of `tanh`, and what must be added for the next one.
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

/// The steps of all units that all slices have.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn cells(gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
    let units = (gates.len() / 4).min(before.len()).min(cell_bits.len()).min(c.len()).min(h.len());
    let mut unit = 0;
    while unit < units {
        let left = units - unit;
        // SAFETY: there are so many units left, with four gates each.
        unsafe {
            let bits = load_bytes(cell_bits.as_ptr().add(unit), left);
            let gates = activations(gates.as_ptr().add(4 * unit), left, _mm512_srli_epi16::<4>(bits));
            let bits = _mm512_and_si512(bits, _mm512_set1_epi16(15));
            let (new_h, new_c) = step(gates, load(before.as_ptr().add(unit), left), bits);
            store(c.as_mut_ptr().add(unit), left, new_c);
            store(h.as_mut_ptr().add(unit), left, new_h);
        }
        unit += UNITS;
    }
}

/// The first `count` numbers of a vector, for less than a vector.
#[inline(always)]
const fn mask(count: usize) -> u32 {
    (1 << (count % UNITS)) - 1
}

/// A vector, or `count` numbers and zeros if these are less. A mask where it must be: what passes through one comes late from the
/// stores before.
///
/// # Safety
/// So many can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn load(from: *const i16, count: usize) -> __m512i {
    // SAFETY: the caller's; a mask leaves out what is more.
    unsafe {
        match count {
            UNITS.. => _mm512_loadu_epi16(from),
            HALF => _mm512_zextsi256_si512(_mm256_loadu_epi16(from)),
            _ => _mm512_maskz_loadu_epi16(mask(count), from),
        }
    }
}

/// A vector of bytes as numbers, or `count` of them and zeros if these are less.
///
/// # Safety
/// So many can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn load_bytes(from: *const u8, count: usize) -> __m512i {
    // SAFETY: the caller's; a mask leaves out what is more.
    _mm512_cvtepu8_epi16(unsafe {
        match count {
            UNITS.. => _mm256_loadu_epi8(from.cast()),
            _ => _mm256_maskz_loadu_epi8(mask(count), from.cast()),
        }
    })
}

/// Stores the first `count` numbers, at most a vector.
///
/// # Safety
/// So many can be written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn store(to: *mut i16, count: usize, x: __m512i) {
    // SAFETY: the caller's; a mask leaves out what is more.
    unsafe {
        match count {
            UNITS.. => _mm512_storeu_epi16(to, x),
            HALF => _mm256_storeu_epi16(to, _mm512_castsi512_si256(x)),
            _ => _mm512_mask_storeu_epi16(to, mask(count), x),
        }
    }
}

/// The gates of `units` units or, where these are more, of as many as a vector has: σ(o), σ(f), σ(i) and tanh(g), g of so large a
/// `fraction`.
///
/// # Safety
/// Gates of so many units can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn activations(gates: *const i16, units: usize, fraction: __m512i) -> [__m512i; 4] {
    // SAFETY: the caller's.
    let load = |n: usize| unsafe { load(gates.wrapping_add(n * UNITS), (4 * units).saturating_sub(n * UNITS)) };
    // Vectors have eight units each; from two of them, one gate of all units, then the next one.
    let of = _mm512_set_epi16(
        61, 57, 53, 49, 45, 41, 37, 33, 29, 25, 21, 17, 13, 9, 5, 1, 60, 56, 52, 48, 44, 40, 36, 32, 28, 24, 20, 16,
        12, 8, 4, 0,
    );
    let ig = _mm512_add_epi16(of, _mm512_set1_epi16(2));
    let pairs = |[x, y]: [__m512i; 2]| [of, ig].map(|at| _mm512_permutex2var_epi16(x, at, y));
    let [of, ig] = pairs([load(0), load(1)]);
    if units <= HALF {
        // Two gates fill a vector.
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

/// `(h, c)` of gates as [`activations`] gives them.
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
    // To the right, `mulhrs` rounds. To the left, what would saturate stays within as many bits: its `tanh` is the last entry of the
    // table all the same.
    let up = _mm512_subs_epu16(bits, _mm512_set1_epi16(3));
    let limit = _mm512_srlv_epi16(_mm512_set1_epi16(i16::MAX), up);
    let held = _mm512_max_epi16(_mm512_min_epi16(c, limit), _mm512_sub_epi16(zero, limit));
    let factor = _mm512_sllv_epi16(_mm512_set1_epi16(1 << 12), bits);
    let right = _mm512_cmplt_epu16_mask(bits, _mm512_set1_epi16(3));
    let t = _mm512_mask_mov_epi16(_mm512_sllv_epi16(held, up), right, _mm512_mulhrs_epi16(c, factor));
    (_mm512_mulhrs_epi16(o, tanh(t)), c)
}

/// Products in 32 bits, in the order that `packs` undoes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn products(a: __m512i, b: __m512i) -> [__m512i; 2] {
    let (low, high) = (_mm512_mullo_epi16(a, b), _mm512_mulhi_epi16(a, b));
    [_mm512_unpacklo_epi16(low, high), _mm512_unpackhi_epi16(low, high)]
}

/// Without a sign.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn tanh_positive(u: __m512i, fraction: __m512i) -> __m512i {
    let at = _mm512_min_epu16(_mm512_srlv_epi16(u, fraction), _mm512_set1_epi16((UNITS * VECTORS - 1) as i16));
    // SAFETY: a row of the table is a vector.
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
    // The last bits of `u` as a fraction: for seven of them, (slope · rest + 64) / 2⁷, rounded down.
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

/// (t + 2¹⁵) / 2, rounded down, of the `tanh` of half a gate.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn logistic(t: __m512i) -> __m512i {
    _mm512_srli_epi16::<1>(_mm512_xor_si512(t, _mm512_set1_epi16(i16::MIN)))
}
