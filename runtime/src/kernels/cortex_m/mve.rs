//! MVE of Cortex-M55 and M85: one instruction accumulates sixteen 8-bit products, and tail-predicated loops need no
//! remainder code.

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

/// Kernel of Cortex-M cores with MVE (Helium).
///
/// Fastest with weights in [`crate::blob::Layout::RowMajor`] and a multiple of sixteen inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mve;

/// Bytes per vector.
const VECTOR: usize = 16;

/// Operands of a product whose inputs may be held in registers, and the number of input vectors.
///
/// `None` unless inputs are whole vectors, and biases, multipliers and weights fit a multiple of four `outputs`.
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

/// [`held`] for 16-bit inputs of any length, and any number of outputs.
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
        // SAFETY: biases fit the sums, weights have a row of `length` per output, and `length` is not 0.
        unsafe { products::any(bias, weights, x, sums) }
    }

    #[inline(always)]
    fn gemv_scaled(self, rows: Gemv<'_>, sums: &mut [i32]) {
        if let Some((vectors, at)) = held(rows, sums.len())
            // SAFETY: `held` checked the operands for `sums.len()` outputs.
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
        // SAFETY: `held` checked the operands for `sums.len()` outputs.
        unsafe { products::added(vectors, at, u32::from(rows.left_shift), sums.as_mut_ptr()) }
    }

    #[inline(always)]
    fn gemv_activations(self, rows: Gemv<'_>, zero_point: i32, clamp_min: i32, sums: &mut [i32], y: &mut [i8]) {
        if rows.left_shift == 0
            && clamp_min == i32::from(i8::MIN)
            && let Some((vectors, at)) = held(rows, y.len())
            // SAFETY: `held` checked the operands for `y.len()` outputs.
            && unsafe { products::activations(vectors, at, zero_point, y.as_mut_ptr()) }
        {
            return;
        }
        self.gemv_scaled(rows, sums);
        self.activations(sums, zero_point, clamp_min, y);
    }

    #[inline(always)]
    fn gemv_accumulated(self, rows: Gemv<'_>, sums: &mut [i32], y: &mut [i16]) {
        if rows.left_shift == 0
            && let Some((vectors, at)) = held(rows, y.len())
            // SAFETY: `held` checked the operands for `y.len()` outputs.
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
        // SAFETY: biases fit the sums, weights have a row of `length` per output, and `length` is not 0.
        unsafe { wide::any(bias, weights, x, sums) }
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_activations_i16(
        self,
        rows: Gemv<'_, i16>,
        clamp_min: i32,
        clamp_max: i32,
        sums: &mut [i32],
        y: &mut [i16],
    ) {
        if (rows.left_shift, clamp_min, clamp_max) == (0, 0, 8191) {
            if let Some(at) = held_i16(rows, y.len())
                // SAFETY: `held_i16` checked the operands for `y.len()` outputs.
                && unsafe { wide::activations(at, y.as_mut_ptr()) }
            {
                return;
            }
            self.gemv_row_major_i16(rows.bias, rows.weights, rows.x, sums);
            return wide::activated(sums, rows.multipliers, y);
        }
        self.gemv_scaled_i16(rows, sums);
        self.residuals(sums, clamp_min, clamp_max, y);
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_accumulated_i16(self, rows: Gemv<'_, i16>, sums: &mut [i32], y: &mut [i16]) {
        if rows.left_shift == 0
            && let Some(at) = held_i16(rows, y.len())
            // SAFETY: `held_i16` checked the operands for `y.len()` outputs.
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
            // SAFETY: `held_i16` checked the operands for `y.len()` outputs.
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
    fn scale(self, sums: &mut [i32], left_shift: u32, multipliers: &[i32]) {
        each::scale(sums, left_shift, multipliers);
    }

    #[inline(always)]
    fn activations(self, v: &[i32], zero_point: i32, clamp_min: i32, y: &mut [i8]) {
        each::activations(v, zero_point, clamp_min, y);
    }

    #[inline(always)]
    fn residuals(self, v: &[i32], clamp_min: i32, clamp_max: i32, y: &mut [i16]) {
        each::residuals(v, clamp_min, clamp_max, y);
    }

    #[inline(always)]
    fn accumulate(self, v: &[i32], y: &mut [i16]) {
        each::accumulate(v, y);
    }

    #[inline(always)]
    fn rescaled_i8(self, x: &[i16], rescale: Rescale, zero_point: i32, clamp_min: i32, y: &mut [i8]) {
        // An odd count would predicate half of a 32-bit lane.
        if clamp_min == i32::from(i8::MIN) && x.len().min(y.len()).is_multiple_of(2) {
            each::rescaled8_saturated(x, rescale, zero_point, y);
        } else {
            each::rescaled_i8(x, rescale, zero_point, clamp_min, y);
        }
    }

    #[inline(always)]
    fn rescaled_i16(self, x: &[i16], rescale: Rescale, clamp_min: i32, clamp_max: i32, y: &mut [i16]) {
        each::rescaled_i16(x, rescale, clamp_min, clamp_max, y);
    }

    #[inline(always)]
    fn rescaled_onto(self, x: &[i16], rescale: Rescale, y: &mut [i16]) {
        each::rescaled_onto(x, rescale, y);
    }

    #[inline(always)]
    fn summed_units(self, sums: &[i32], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        let units = (sums.len() / 4).min(before.len()).min(cell_bits.len()).min(c.len()).min(h.len());
        let (before, cell_bits, c, h) = (before.as_ptr(), cell_bits.as_ptr(), c.as_mut_ptr(), h.as_mut_ptr());
        // SAFETY: `units` is the smallest number of units that the slices cover.
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
        // Skips the whole blocks before the one that holds the maximum.
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
