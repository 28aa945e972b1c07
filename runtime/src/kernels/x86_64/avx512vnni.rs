//! AVX-512 with VNNI: `vpdpbusd` multiplies 64 byte pairs and adds groups of four products to 16 accumulators.
//!
//! The instruction multiplies unsigned by signed bytes. Weights take the unsigned side: flipping the highest bit adds 128
//! to each, and with it 128 times the sum of the inputs to every output, which a correction subtracts. `vpdpbusd` wraps;
//! `vpdpbusds` is the saturating variant.

use super::avx2::Ymm;
use super::cell_avx512;
use crate::kernels::Kernel;
#[cfg(feature = "std")]
use crate::kernels::gemm::LANES;
use crate::kernels::vector::Vector;
use core::arch::x86_64::*;

/// Kernel of x86-64 CPUs with AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    all(
        target_feature = "avx512f",
        target_feature = "avx512bw",
        target_feature = "avx512vl",
        target_feature = "avx512vnni"
    ),
    derive(Default)
)]
pub struct Avx512Vnni(());

impl Avx512Vnni {
    /// The kernel, if the CPU has the instructions.
    pub fn new() -> Option<Self> {
        #[cfg(feature = "std")]
        let available = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512vnni");
        #[cfg(not(feature = "std"))]
        let available = cfg!(all(
            target_feature = "avx512f",
            target_feature = "avx512bw",
            target_feature = "avx512vl",
            target_feature = "avx512vnni"
        ));
        available.then_some(Self(()))
    }
}

// SAFETY of the methods: an `Avx512Vnni` exists only on a CPU with AVX-512 F, BW, VL and VNNI.
impl Kernel for Avx512Vnni {
    const VECTORS: bool = true;
    const LOOKUPS: bool = true;

    simd_methods!("avx512f,avx512bw,avx512vl,avx512vnni", Zmm, panel::Vnni8, panel::Vnni16);

    #[cfg(feature = "std")]
    #[inline(always)]
    fn requantize(self, sums: &[i32; LANES], left_shift: u32, multipliers: &[i32; LANES]) -> [i32; LANES] {
        // SAFETY: `self` proves that the CPU has AVX-512 F, BW, VL and VNNI.
        unsafe { requantize(sums, left_shift, multipliers) }
    }

    #[inline(always)]
    fn cells(self, gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        // SAFETY: `self` proves that the CPU has AVX-512 F, BW, VL and VNNI.
        unsafe { cells(gates, before, cell_bits, c, h) }
    }

    #[inline(always)]
    fn tanhs(self, z: &mut [i16], fraction: u32) {
        // SAFETY: `self` proves that the CPU has AVX-512 F, BW, VL and VNNI.
        unsafe { cell_avx512::tanhs(z, fraction) }
    }
}

/// [`Kernel::requantize`] by 64-bit products, of the even and of the odd lanes apart.
#[cfg(feature = "std")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn requantize(sums: &[i32; LANES], left_shift: u32, multipliers: &[i32; LANES]) -> [i32; LANES] {
    // SAFETY: both arrays hold [`LANES`] elements, one full vector; the loads need no alignment.
    let [v, m] = unsafe { [_mm512_loadu_epi32(sums.as_ptr()), _mm512_loadu_epi32(multipliers.as_ptr())] };
    let v = _mm512_sll_epi32(v, _mm_cvtsi32_si128((left_shift & 31).cast_signed()));
    let half = _mm512_set1_epi64(1 << 31);
    let even = _mm512_add_epi64(_mm512_mul_epi32(v, m), half);
    let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(v), _mm512_srli_epi64::<32>(m));
    let odd = _mm512_add_epi64(odd, half);
    let high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd);
    // SAFETY: `__m512i` and `[i32; LANES]` have the same size, and every bit pattern is valid.
    unsafe { core::mem::transmute(high) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn cells(gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
    cell_avx512::cells(gates, before, cell_bits, c, h);
}

/// Vector of 64 bytes, or of sixteen 32-bit lanes.
struct Zmm;

/// Mask of the first `count` bytes.
#[inline(always)]
fn mask(count: usize) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

impl Zmm {
    /// Repeats each group of four inputs over one quarter of the vector.
    ///
    /// # Safety
    /// Same contract as [`Vector`].
    #[inline(always)]
    unsafe fn spread(x: __m128i) -> __m512i {
        // SAFETY: the caller has AVX-512 enabled.
        unsafe {
            let places = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
            _mm512_permutexvar_epi32(places, _mm512_castsi128_si512(x))
        }
    }

    /// Adds the products of weights offset by 128.
    ///
    /// # Safety
    /// Same contract as [`Vector`].
    #[inline(always)]
    unsafe fn multiply(sums: __m512i, weights: __m512i, x: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 and VNNI enabled.
        unsafe { _mm512_dpbusd_epi32(sums, _mm512_xor_si512(weights, _mm512_set1_epi8(-128)), x) }
    }

    /// Sum of the four quarters, lane by lane.
    ///
    /// # Safety
    /// Same contract as [`Vector`].
    #[inline(always)]
    unsafe fn quarters(v: __m512i) -> [i32; 4] {
        // SAFETY: the caller has AVX-512 enabled; `__m128i` and `[i32; 4]` have the same size, and every bit pattern is valid.
        unsafe {
            let half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
            let quarter = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
            core::mem::transmute::<__m128i, [i32; 4]>(quarter)
        }
    }
}

impl Vector for Zmm {
    const BYTES: usize = 64;
    type Inputs = __m512i;
    type Accumulators = __m512i;
    type Small = Ymm;

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller has AVX-512 enabled.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn inputs(x: *const i8) -> __m512i {
        // SAFETY: the caller has AVX-512 enabled and guarantees 64 readable bytes; the load needs no alignment.
        unsafe { _mm512_loadu_epi8(x) }
    }

    #[inline(always)]
    unsafe fn fours(x: *const i8) -> __m512i {
        // SAFETY: the caller has AVX-512 enabled and guarantees 16 readable bytes; the load needs no alignment.
        unsafe { Self::spread(_mm_loadu_si128(x.cast())) }
    }

    #[inline(always)]
    unsafe fn add(sums: __m512i, weights: *const i8, x: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 and VNNI enabled and guarantees 64 readable weights; the load needs no alignment.
        unsafe { Self::multiply(sums, _mm512_loadu_epi8(weights), x) }
    }

    #[inline(always)]
    unsafe fn last_inputs(x: *const i8, count: usize) -> __m512i {
        // SAFETY: the caller has AVX-512 enabled and guarantees `count` readable bytes; masked-out bytes are not read.
        unsafe { _mm512_maskz_loadu_epi8(mask(count), x) }
    }

    #[inline(always)]
    unsafe fn last_fours(x: *const i8, count: usize) -> __m512i {
        // SAFETY: the caller has AVX-512 enabled and guarantees `count` readable bytes; masked-out bytes are not read.
        unsafe { Self::spread(_mm_maskz_loadu_epi8(mask(count) as u16, x)) }
    }

    #[inline(always)]
    unsafe fn add_last(sums: __m512i, weights: *const i8, count: usize, x: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 and VNNI enabled and guarantees `count` readable weights; masked-out bytes are not read.
        unsafe { Self::multiply(sums, _mm512_maskz_loadu_epi8(mask(count), weights), x) }
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [__m512i; 4]) -> [i32; 4] {
        // SAFETY: the caller has AVX-512 enabled.
        unsafe {
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            Self::quarters(_mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd)))
        }
    }

    #[inline(always)]
    unsafe fn block(sums: __m512i) -> [i32; 4] {
        // SAFETY: the caller has AVX-512 enabled.
        unsafe { Self::quarters(sums) }
    }

    const CORRECTS: bool = true;

    #[inline(always)]
    unsafe fn correction(before: __m512i, x: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 and VNNI enabled.
        unsafe {
            let sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), x);
            _mm512_sub_epi32(before, _mm512_slli_epi32::<7>(sums))
        }
    }

    #[inline(always)]
    unsafe fn corrected(sums: __m512i, correction: __m512i) -> __m512i {
        // SAFETY: the caller has AVX-512 enabled.
        unsafe { _mm512_add_epi32(sums, correction) }
    }
}

/// Steps of the packed matrix product; see [`crate::kernels::vector::gemm`].
#[cfg(feature = "std")]
mod panel {
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
}
