//! MVE, the vectors of Cortex-M55 and M85: sixteen 8-bit products are added up by one instruction, and loops take their last,
//! shorter round by themselves.

mod cell;
mod each;
mod memory;
mod products;
mod softmax;
#[cfg(feature = "a16")]
mod wide;

use crate::fixed::Rescale;
use crate::kernels::{Gemv, Kernel, Portable};
pub(crate) use memory::{copy, fill};

/// The kernel of Cortex-M cores with MVE, which Arm also calls Helium.
///
/// It is fastest with weights in [`crate::blob::Layout::RowMajor`], with a multiple of sixteen inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mve;

/// Bytes of a vector.
const VECTOR: usize = 16;

/// For sums whose inputs are whole vectors and few enough for registers: how many vectors these are, and where all numbers lie. There
/// are `outputs` of biases and multipliers then, a multiple of four, and as many rows of weights as long as the inputs.
#[inline(always)]
fn held(rows: Gemv<'_>, outputs: usize) -> Option<(usize, products::Operands)> {
    let Gemv { bias, weights, x, multipliers, .. } = rows;
    let all = outputs == bias.len() && outputs == multipliers.len() && weights.len() == outputs * x.len();
    if !all || !outputs.is_multiple_of(4) || !x.len().is_multiple_of(VECTOR) {
        return None;
    }
    let (bias, weights, x, multipliers) = (bias.as_ptr(), weights.as_ptr(), x.as_ptr(), multipliers.as_ptr());
    let at = products::Operands { bias, weights, x, multipliers, rounds: outputs / 4 };
    Some((rows.x.len() / VECTOR, at))
}

/// As [`held`], for 16-bit inputs of any number, and any number of outputs.
#[cfg(feature = "a16")]
#[inline(always)]
fn held_i16(rows: Gemv<'_, i16>, outputs: usize) -> Option<wide::Operands> {
    let Gemv { bias, weights, x, multipliers, .. } = rows;
    let length = x.len();
    let all = outputs == bias.len() && outputs == multipliers.len() && weights.len() == outputs * length;
    let (bias, weights, x, multipliers) = (bias.as_ptr(), weights.as_ptr(), x.as_ptr(), multipliers.as_ptr());
    all.then_some(wide::Operands { bias, weights, x, length, multipliers, outputs })
}

impl Kernel for Mve {
    const VECTORS: bool = true;
    const FUSED: bool = true;

    #[inline(never)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        let (length, outputs) = (x.len(), sums.len());
        if outputs != bias.len() || weights.len() != outputs * length || length == 0 {
            return Portable.gemv_row_major(bias, weights, x, sums);
        }
        // SAFETY: there are as many sums as biases, and as many weights for each as inputs, which are not none.
        unsafe { products::any(bias, weights, x, sums) }
    }

    #[inline(always)]
    fn gemv_scaled(self, rows: Gemv<'_>, sums: &mut [i32]) {
        if let Some((vectors, at)) = held(rows, sums.len())
            // SAFETY: there are as many sums as `held` was told.
            && unsafe { products::scaled(vectors, at, u32::from(rows.left_shift), sums.as_mut_ptr()) }
        {
            return;
        }
        self.gemv_row_major(rows.bias, rows.weights, rows.x, sums);
        self.scale(sums, u32::from(rows.left_shift), rows.multipliers);
    }

    #[inline(always)]
    fn gemv_added(self, rows: Gemv<'_>, sums: &mut [i32]) -> bool {
        let Some((vectors, at)) = held(rows, sums.len()) else { return false };
        // SAFETY: there are as many sums as `held` was told.
        unsafe { products::added(vectors, at, u32::from(rows.left_shift), sums.as_mut_ptr()) }
    }

    #[inline(always)]
    fn gemv_activations(self, rows: Gemv<'_>, zero_point: i32, low: i32, sums: &mut [i32], y: &mut [i8]) {
        if rows.left_shift == 0
            && low == i32::from(i8::MIN)
            && let Some((vectors, at)) = held(rows, y.len())
            // SAFETY: there are as many activations as `held` was told.
            && unsafe { products::activations(vectors, at, zero_point, y.as_mut_ptr()) }
        {
            return;
        }
        self.gemv_scaled(rows, sums);
        self.activations(sums, zero_point, low, y);
    }

    #[inline(always)]
    fn gemv_accumulated(self, rows: Gemv<'_>, sums: &mut [i32], y: &mut [i16]) {
        if rows.left_shift == 0
            && let Some((vectors, at)) = held(rows, y.len())
            // SAFETY: there are as many numbers as `held` was told.
            && unsafe { products::accumulated(vectors, at, y.as_mut_ptr()) }
        {
            return;
        }
        self.gemv_scaled(rows, sums);
        self.accumulate(sums, y);
    }

    #[cfg(feature = "a16")]
    #[inline(never)]
    fn gemv_row_major_i16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        let (length, outputs) = (x.len(), sums.len());
        if outputs != bias.len() || weights.len() != outputs * length || length == 0 {
            return Portable.gemv_row_major_i16(bias, weights, x, sums);
        }
        // SAFETY: as in `rows`.
        unsafe { wide::any(bias, weights, x, sums) }
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_activations_i16(self, rows: Gemv<'_, i16>, low: i32, high: i32, sums: &mut [i32], y: &mut [i16]) {
        if (rows.left_shift, low, high) == (0, 0, 8191) {
            if let Some(at) = held_i16(rows, y.len())
                // SAFETY: there are as many activations as `held_i16` was told.
                && unsafe { wide::activations(at, y.as_mut_ptr()) }
            {
                return;
            }
            self.gemv_row_major_i16(rows.bias, rows.weights, rows.x, sums);
            return wide::activated(sums, rows.multipliers, y);
        }
        self.gemv_scaled_i16(rows, sums);
        self.residuals(sums, low, high, y);
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_accumulated_i16(self, rows: Gemv<'_, i16>, sums: &mut [i32], y: &mut [i16]) {
        if rows.left_shift == 0
            && let Some(at) = held_i16(rows, y.len())
            // SAFETY: there are as many numbers as `held_i16` was told.
            && unsafe { wide::accumulated(at, y.as_mut_ptr()) }
        {
            return;
        }
        self.gemv_scaled_i16(rows, sums);
        self.accumulate(sums, y);
    }

    #[cfg(feature = "a16")]
    #[inline(never)]
    fn gemv_sums_i16(self, rows: Gemv<'_, i16>, y: &mut [i32]) {
        if let Some(at) = held_i16(rows, y.len())
            // SAFETY: there are as many numbers as `held_i16` was told.
            && unsafe { wide::scaled(at, u32::from(rows.left_shift), y.as_mut_ptr()) }
        {
            return;
        }
        self.gemv_scaled_i16(rows, y);
    }

    #[inline(always)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        Portable.gemv_tiled(bias, weights, x, sums);
    }

    #[inline(always)]
    fn scale(self, sums: &mut [i32], left: u32, multipliers: &[i32]) {
        each::scale(sums, left, multipliers);
    }

    #[inline(always)]
    fn activations(self, v: &[i32], zero_point: i32, low: i32, y: &mut [i8]) {
        each::activations(v, zero_point, low, y);
    }

    #[inline(always)]
    fn residuals(self, v: &[i32], low: i32, high: i32, y: &mut [i16]) {
        each::residuals(v, low, high, y);
    }

    #[inline(always)]
    fn accumulate(self, v: &[i32], y: &mut [i16]) {
        each::accumulate(v, y);
    }

    #[inline(always)]
    fn rescaled_i8(self, x: &[i16], rescale: Rescale, zero_point: i32, low: i32, y: &mut [i8]) {
        // A last number by itself would be half of one of 32 bits.
        if low == i32::from(i8::MIN) && x.len().min(y.len()).is_multiple_of(2) {
            each::rescaled8_saturated(x, rescale, zero_point, y);
        } else {
            each::rescaled_i8(x, rescale, zero_point, low, y);
        }
    }

    #[inline(always)]
    fn rescaled_i16(self, x: &[i16], rescale: Rescale, low: i32, high: i32, y: &mut [i16]) {
        each::rescaled_i16(x, rescale, low, high, y);
    }

    #[inline(always)]
    fn rescaled_onto(self, x: &[i16], rescale: Rescale, y: &mut [i16]) {
        each::rescaled_onto(x, rescale, y);
    }

    #[inline(always)]
    fn summed_units(self, sums: &[i32], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        let units = (sums.len() / 4).min(before.len()).min(cell_bits.len()).min(c.len()).min(h.len());
        let (before, cell_bits, c, h) = (before.as_ptr(), cell_bits.as_ptr(), c.as_mut_ptr(), h.as_mut_ptr());
        // SAFETY: all have numbers of so many units.
        unsafe { cell::steps(units, sums.as_ptr(), before, cell_bits, c, h) };
    }

    #[inline(always)]
    fn largest(self, logits: &[u32]) -> (i32, usize) {
        let (blocks, rest) = logits.as_chunks::<{ softmax::BLOCK }>();
        let (mut largest, mut block) = softmax::largest_of_blocks(blocks);
        let last = softmax::largest(rest);
        if last > largest {
            (largest, block) = (last, blocks.len());
        }
        // Whole blocks before it are passed over.
        let before = block * softmax::BLOCK;
        let at = logits.iter().skip(before).position(|logit| *logit as i32 == largest).unwrap_or(0);
        (largest, before + at)
    }

    #[inline(always)]
    fn weights(self, logits: &mut [u32], largest: i32, inverse: u32) -> u64 {
        softmax::weights(logits, largest, inverse)
    }

    #[inline(always)]
    fn frequencies(self, weights: &mut [u32], scale: u32) -> u32 {
        softmax::frequencies(weights, scale)
    }
}
