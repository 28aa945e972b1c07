//! 8-bit weights and 16-bit activations, for models that lose too much with 8-bit activations.
//!
//! A confident softmax over 256 levels is one example. Only the activation differs from [`Int8`](super::Int8): it has 14 bits, so
//! that sums of thousands of products fit into 32 bits, and its zero point is 0.

use super::integers::{Integers, Quantized};
use crate::blob::Layout;
use crate::fixed::Rescale;
use crate::kernels::{Gemv, Kernel};

/// 8-bit weights, 16-bit activations, 32-bit sums, 16-bit residuals.
pub type Int8A16 = Integers<i16>;

impl Int8A16 {
    /// Maximum activation; the minimum is `-MAX - 1`.
    pub const MAX: i16 = 8191;
}

/// Maximum activation.
const MAX: i32 = Int8A16::MAX as i32;

/// Minimum activation; 0 with `relu`.
#[inline(always)]
fn min(relu: bool) -> i32 {
    if relu { 0 } else { -MAX - 1 }
}

/// `v` clamped to [`min`]`..=MAX`.
#[inline(always)]
fn clamp(v: i32, relu: bool) -> i16 {
    v.max(min(relu)).min(MAX) as i16
}

impl Quantized for i16 {
    #[inline(always)]
    fn products<K: Kernel>(kernel: K, layout: Layout, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        match layout {
            Layout::RowMajor => kernel.gemv_row_major_i16(bias, weights, x, sums),
            Layout::Tiled => kernel.gemv_tiled_i16(bias, weights, x, sums),
            Layout::TiledPairs => kernel.gemv_tiled_pairs_i16(bias, weights, x, sums),
        }
    }

    #[inline(always)]
    fn gemv_scaled<K: Kernel>(kernel: K, rows: Gemv<'_, i16>, sums: &mut [i32]) {
        kernel.gemv_scaled_i16(rows, sums);
    }

    #[inline(always)]
    fn gemv_activations<K: Kernel>(
        kernel: K,
        rows: Gemv<'_, i16>,
        zero_point: i32,
        clamp_min: i32,
        sums: &mut [i32],
        y: &mut [i16],
    ) {
        kernel.gemv_activations_i16(rows, min(clamp_min == zero_point), MAX, sums, y);
    }

    #[inline(always)]
    fn gemv_accumulated<K: Kernel>(kernel: K, rows: Gemv<'_, i16>, sums: &mut [i32], y: &mut [i16]) {
        kernel.gemv_accumulated_i16(rows, sums, y);
    }

    #[inline(always)]
    fn gemv_sums<K: Kernel>(kernel: K, rows: Gemv<'_, i16>, sums: &mut [u32]) {
        kernel.gemv_sums_i16(rows, bytemuck::must_cast_slice_mut(sums));
    }

    #[inline(always)]
    fn zero(_: i8) -> i16 {
        0
    }

    #[inline(always)]
    fn activation(v: i32, zero_point: i32, clamp_min: i32) -> i16 {
        clamp(v, clamp_min == zero_point)
    }

    #[inline(always)]
    fn hidden(h: i16, to_hidden: Rescale) -> i16 {
        clamp(to_hidden.apply(i32::from(h)), false)
    }

    #[inline(always)]
    fn activations<K: Kernel>(kernel: K, v: &[i32], zero_point: i32, clamp_min: i32, y: &mut [i16]) {
        kernel.residuals(v, min(clamp_min == zero_point), MAX, y);
    }

    #[inline(always)]
    fn quantized<K: Kernel>(kernel: K, x: &[i16], rescale: Rescale, zero_point: i32, clamp_min: i32, y: &mut [i16]) {
        kernel.rescaled_i16(x, rescale, min(clamp_min == zero_point), MAX, y);
    }

    #[inline(always)]
    fn hiddens<K: Kernel>(kernel: K, h: &[i16], to_hidden: Rescale, y: &mut [i16]) {
        kernel.rescaled_i16(h, to_hidden, min(false), MAX, y);
    }
}
