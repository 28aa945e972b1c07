//! 8-bit weights and activations.

use super::integers::{Integers, Quantized};
use crate::blob::Layout;
use crate::fixed::{self, Rescale};
use crate::kernels::{Gemv, Kernel};

/// 8-bit weights and activations, 32-bit sums, 16-bit residuals.
pub type Int8 = Integers<i8>;

impl Quantized for i8 {
    #[inline(always)]
    fn products<K: Kernel>(kernel: K, layout: Layout, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        match layout {
            Layout::RowMajor => kernel.gemv_row_major(bias, weights, x, sums),
            Layout::Tiled => kernel.gemv_tiled(bias, weights, x, sums),
            // Unreachable: no header combines tiled pairs with 8-bit activations.
            #[cfg(feature = "a16")]
            Layout::TiledPairs => kernel.gemv_tiled(bias, weights, x, sums),
        }
    }

    #[inline(always)]
    fn gemv_scaled<K: Kernel>(kernel: K, rows: Gemv<'_>, sums: &mut [i32]) {
        kernel.gemv_scaled(rows, sums);
    }

    #[inline(always)]
    fn gemv_added<K: Kernel>(kernel: K, rows: Gemv<'_>, sums: &mut [i32]) -> bool {
        kernel.gemv_added(rows, sums)
    }

    #[inline(always)]
    fn gemv_activations<K: Kernel>(
        kernel: K,
        rows: Gemv<'_>,
        zero_point: i32,
        clamp_min: i32,
        sums: &mut [i32],
        y: &mut [i8],
    ) {
        kernel.gemv_activations(rows, zero_point, clamp_min, sums, y);
    }

    #[inline(always)]
    fn gemv_accumulated<K: Kernel>(kernel: K, rows: Gemv<'_>, sums: &mut [i32], y: &mut [i16]) {
        kernel.gemv_accumulated(rows, sums, y);
    }

    #[inline(always)]
    fn zero(zero_point: i8) -> i8 {
        zero_point
    }

    #[inline(always)]
    fn activation(v: i32, zero_point: i32, clamp_min: i32) -> i8 {
        fixed::activation(v, zero_point, clamp_min)
    }

    #[inline(always)]
    fn hidden(h: i16, to_hidden: Rescale) -> i8 {
        fixed::hidden(h, to_hidden)
    }

    #[inline(always)]
    fn activations<K: Kernel>(kernel: K, v: &[i32], zero_point: i32, clamp_min: i32, y: &mut [i8]) {
        kernel.activations(v, zero_point, clamp_min, y);
    }

    #[inline(always)]
    fn quantized<K: Kernel>(kernel: K, x: &[i16], rescale: Rescale, zero_point: i32, clamp_min: i32, y: &mut [i8]) {
        kernel.rescaled_i8(x, rescale, zero_point, clamp_min, y);
    }

    #[inline(always)]
    fn hiddens<K: Kernel>(kernel: K, h: &[i16], to_hidden: Rescale, y: &mut [i8]) {
        kernel.rescaled_i8(h, to_hidden, 0, i32::from(i8::MIN), y);
    }
}
