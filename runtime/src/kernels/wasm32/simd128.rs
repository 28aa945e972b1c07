//! WebAssembly `simd128`: byte products are exact in 16 bits, and adjacent ones are added to 32-bit accumulators.

#[cfg(feature = "std")]
use super::gemm;
use crate::kernels::Kernel;
#[cfg(feature = "std")]
use crate::kernels::gemm::{Accumulators, Inputs, PanelWeights};
use crate::kernels::vector::{self, Vector};
use core::arch::wasm32::*;

/// Kernel of WebAssembly modules compiled with `simd128`; there is no detection at run time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Simd128;

impl Kernel for Simd128 {
    const VECTORS: bool = true;

    #[inline(never)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        // SAFETY: this file is compiled only with `simd128` enabled for the whole module.
        unsafe { vector::gemv_row_major::<V128, 4>(bias, weights, x, sums) }
    }

    #[inline(never)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        // SAFETY: this file is compiled only with `simd128` enabled for the whole module.
        unsafe { vector::gemv_tiled::<V128, 4>(bias, weights, x, sums) }
    }

    #[cfg(feature = "std")]
    #[inline(never)]
    fn gemm_u8i8(self, weights: &[i8], inputs: &Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        // SAFETY: this file is compiled only with `simd128` enabled for the whole module.
        unsafe { vector::gemm::gemm::<gemm::Wide8, _, _>(weights, inputs, bias, vectors, sums) }
    }

    #[cfg(all(feature = "std", feature = "a16"))]
    #[inline(never)]
    fn gemm_i16i16(self, weights: &[i16], inputs: &Inputs<'_, i16>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        // SAFETY: this file is compiled only with `simd128` enabled for the whole module.
        unsafe { vector::gemm::gemm::<gemm::Wide16, _, _>(weights, inputs, bias, vectors, sums) }
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn gemv_accumulate_u8i8<const V: usize>(
        self,
        weights: &[PanelWeights<i8, 4, V>],
        x: &[[u8; 4]],
        sums: Accumulators<V>,
    ) -> Accumulators<V> {
        // SAFETY: this file is compiled only with `simd128` enabled for the whole module.
        unsafe { vector::gemm::gemv_accumulate::<gemm::Wide8, _, _, 4, V>(weights, x, sums) }
    }

    #[cfg(all(feature = "std", feature = "a16"))]
    #[inline(always)]
    fn gemv_accumulate_i16i16<const V: usize>(
        self,
        weights: &[PanelWeights<i16, 2, V>],
        x: &[[i16; 2]],
        sums: Accumulators<V>,
    ) -> Accumulators<V> {
        // SAFETY: this file is compiled only with `simd128` enabled for the whole module.
        unsafe { vector::gemm::gemv_accumulate::<gemm::Wide16, _, _, 2, V>(weights, x, sums) }
    }
}

/// Vector of sixteen bytes, with separate accumulators for the products of the lower and of the upper eight.
struct V128;

impl Vector for V128 {
    const BYTES: usize = 16;
    type Inputs = v128;
    type Accumulators = [v128; 2];
    type Small = Self;

    #[inline(always)]
    unsafe fn zero() -> [v128; 2] {
        [i32x4_splat(0); 2]
    }

    #[inline(always)]
    unsafe fn inputs(x: *const i8) -> v128 {
        // SAFETY: the caller guarantees 16 readable bytes; the load needs no alignment.
        unsafe { v128_load(x.cast()) }
    }

    #[inline(always)]
    unsafe fn fours(x: *const i8) -> v128 {
        // SAFETY: the caller guarantees four readable bytes; the load needs no alignment.
        unsafe { v128_load32_splat(x.cast()) }
    }

    #[inline(always)]
    unsafe fn add([low, high]: [v128; 2], weights: *const i8, x: v128) -> [v128; 2] {
        // A product of two bytes is at most 2¹⁴, so 16 bits hold it.
        // SAFETY: the caller guarantees 16 readable weights; the load needs no alignment.
        let weights = unsafe { v128_load(weights.cast()) };
        [
            i32x4_add(low, i32x4_extadd_pairwise_i16x8(i16x8_extmul_low_i8x16(weights, x))),
            i32x4_add(high, i32x4_extadd_pairwise_i16x8(i16x8_extmul_high_i8x16(weights, x))),
        ]
    }

    #[inline(always)]
    unsafe fn totals(sums: [[v128; 2]; 4]) -> [i32; 4] {
        let [a, b, c, d] = sums.map(|[low, high]| i32x4_add(low, high));
        lanes(pairwise_add(pairwise_add(a, b), pairwise_add(c, d)))
    }

    #[inline(always)]
    unsafe fn block([low, high]: [v128; 2]) -> [i32; 4] {
        // Each output is split across two adjacent lanes.
        lanes(pairwise_add(low, high))
    }
}

/// Sums of adjacent lanes: two of `a`, then two of `b`.
#[inline(always)]
fn pairwise_add(a: v128, b: v128) -> v128 {
    i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b))
}

#[inline(always)]
fn lanes(v: v128) -> [i32; 4] {
    [i32x4_extract_lane::<0>(v), i32x4_extract_lane::<1>(v), i32x4_extract_lane::<2>(v), i32x4_extract_lane::<3>(v)]
}
