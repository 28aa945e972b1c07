//! MVE, the vectors of Cortex-M55 and M85: sixteen 8-bit products are added up by one instruction, and loops take their last,
//! shorter round by themselves.

mod cell;
mod each;
mod memory;
mod products;

use super::{Kernel, Portable};
use crate::numbers::Rescale;
pub(crate) use memory::{copy, fill};

/// The kernel of Cortex-M cores with MVE, which Arm also calls Helium.
///
/// It is fastest with weights in [`crate::blob::Layout::Rows`], with a multiple of sixteen inputs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mve;

/// Bytes of a vector.
const VECTOR: usize = 16;

impl Kernel for Mve {
    const VECTORS: bool = true;
    const WHOLE: bool = true;

    #[inline(never)]
    fn rows(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        let (length, outputs) = (x.len(), sums.len());
        if outputs != bias.len() || weights.len() != outputs * length || length == 0 {
            return Portable.rows(bias, weights, x, sums);
        }
        // SAFETY: there are as many sums as biases, and as many weights for each as inputs, which are not none.
        unsafe { products::any(bias, weights, x, sums) }
    }

    #[inline(never)]
    fn scaled_rows(self, bias: &[i32], weights: &[i8], x: &[i8], left: u32, multipliers: &[i32], sums: &mut [i32]) {
        let (length, outputs) = (x.len(), sums.len());
        let all = outputs == bias.len() && outputs == multipliers.len() && weights.len() == outputs * length;
        if !all || !outputs.is_multiple_of(4) || !length.is_multiple_of(VECTOR) || outputs == 0 {
            self.rows(bias, weights, x, sums);
            return self.scale(sums, left, multipliers);
        }
        let at = products::Rows {
            bias: bias.as_ptr(),
            weights: weights.as_ptr(),
            x: x.as_ptr(),
            left,
            multipliers: multipliers.as_ptr(),
            sums: sums.as_mut_ptr(),
            rounds: outputs / 4,
        };
        // SAFETY: there are four times as many sums, biases and multipliers as rounds, which are not none; inputs are as many
        // vectors as each function's name says, and weights as many for each sum.
        unsafe {
            match length / VECTOR {
                1 => products::held_1(at),
                2 => products::held_2(at),
                3 => products::held_3(at),
                4 => products::held_4(at),
                5 => products::held_5(at),
                6 => products::held_6(at),
                _ => {
                    self.rows(bias, weights, x, sums);
                    self.scale(sums, left, multipliers);
                }
            }
        }
    }

    #[cfg(feature = "a16")]
    #[inline(never)]
    fn rows16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        let (length, outputs) = (x.len(), sums.len());
        if outputs != bias.len() || weights.len() != outputs * length || length == 0 {
            return Portable.rows16(bias, weights, x, sums);
        }
        // SAFETY: as in `rows`.
        unsafe { products::any16(bias, weights, x, sums) }
    }

    #[inline(always)]
    fn blocks(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        Portable.blocks(bias, weights, x, sums);
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
    fn streams(self, v: &[i32], low: i32, high: i32, y: &mut [i16]) {
        each::streams(v, low, high, y);
    }

    #[inline(always)]
    fn accumulate(self, v: &[i32], y: &mut [i16]) {
        each::accumulate(v, y);
    }

    #[inline(always)]
    fn rescaled8(self, x: &[i16], rescale: Rescale, zero_point: i32, low: i32, y: &mut [i8]) {
        each::rescaled8(x, rescale, zero_point, low, y);
    }

    #[inline(always)]
    fn rescaled16(self, x: &[i16], rescale: Rescale, low: i32, high: i32, y: &mut [i16]) {
        each::rescaled16(x, rescale, low, high, y);
    }

    #[inline(always)]
    fn rescaled_onto(self, x: &[i16], rescale: Rescale, y: &mut [i16]) {
        each::rescaled_onto(x, rescale, y);
    }

    #[inline(always)]
    fn units(self, [x, state]: [&[i32]; 2], before: &[i16], cell_bits: u32, c: &mut [i16], h: &mut [i16]) {
        let units = (x.len().min(state.len()) / 4).min(before.len()).min(c.len()).min(h.len());
        let (before, c, h) = (before.as_ptr(), c.as_mut_ptr(), h.as_mut_ptr());
        // SAFETY: all have numbers of so many units.
        unsafe { cell::steps(units, x.as_ptr(), state.as_ptr(), before, cell_bits, c, h) };
    }
}
