//! 8-bit weights and activations.

use super::{Arithmetic, NO_BIAS, Rescale, exp2_neg, lstm, mul_high, requantize, saturate8, saturate16};
use crate::blob::Layout;
use crate::kernels::{Kernel, Rows, map_two};

/// What the stream can hold.
pub(super) const LEAST: i32 = i16::MIN as i32;
pub(super) const LARGEST: i32 = i16::MAX as i32;

/// `v · 2^shift`, of the nearest `v` that 32 bits hold then; `shift` is at most 16, and what saturates is beyond all temperatures.
#[inline(always)]
pub(crate) const fn lifted(v: i32, shift: u8) -> i32 {
    let shift = shift as u32 & 31;
    let limit = i32::MAX >> shift;
    super::within(v, -limit, limit) << shift
}

/// 8-bit weights and activations, 32-bit sums, a 16-bit stream.
#[derive(Clone, Copy, Debug)]
pub struct Int8;

impl Arithmetic for Int8 {
    type Weight = i8;
    type Activation = i8;
    type Stream = i16;
    type Sum = i32;

    const NO_BIAS: &'static [i32; NO_BIAS] = &[0; NO_BIAS];
    const MULTIPLIERS: bool = true;

    #[inline(always)]
    fn products<K: Kernel>(kernel: K, layout: Layout, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        match layout {
            Layout::Rows => kernel.rows(bias, weights, x, sums),
            Layout::Blocks => kernel.blocks(bias, weights, x, sums),
            // No header has pairs of 8-bit activations.
            #[cfg(feature = "a16")]
            Layout::Pairs => kernel.blocks(bias, weights, x, sums),
        }
    }

    #[inline(always)]
    fn sum(a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }

    #[inline(always)]
    fn scale<K: Kernel>(kernel: K, sums: &mut [i32], left: u8, multipliers: &[i32]) {
        kernel.scale(sums, u32::from(left), multipliers);
    }

    #[inline(always)]
    fn scale_both<K: Kernel>(kernel: K, sums: &mut [i32], more: &[i32], left: u8, multipliers: &[i32]) {
        map_two(
            kernel,
            more,
            multipliers,
            sums,
            #[inline(always)]
            |more, multiplier, sum| *sum = requantize(sum.wrapping_add(more), u32::from(left), multiplier),
        );
    }

    #[inline(always)]
    fn scaled_rows<K: Kernel>(kernel: K, rows: Rows<'_>, sums: &mut [i32]) {
        kernel.scaled_rows(rows, sums);
    }

    #[inline(always)]
    fn added_rows<K: Kernel>(kernel: K, rows: Rows<'_>, sums: &mut [i32]) -> bool {
        kernel.added_rows(rows, sums)
    }

    #[inline(always)]
    fn activation_rows<K: Kernel>(
        kernel: K,
        rows: Rows<'_>,
        zero_point: i32,
        low: i32,
        sums: &mut [i32],
        y: &mut [i8],
    ) {
        kernel.activation_rows(rows, zero_point, low, sums, y);
    }

    #[inline(always)]
    fn accumulated_rows<K: Kernel>(kernel: K, rows: Rows<'_>, sums: &mut [i32], y: &mut [i16]) {
        kernel.accumulated_rows(rows, sums, y);
    }

    #[inline(always)]
    fn zero(zero_point: i8) -> i8 {
        zero_point
    }

    #[inline(always)]
    fn activation(v: i32, zero_point: i32, low: i32) -> i8 {
        // What is scaled is 2³⁰ at most: nothing wraps. Two saturations, each of which is an instruction on many processors,
        // in the place of one and a comparison: beyond 255 above `low`, the second one would see no difference.
        saturate8(v.wrapping_add(zero_point.wrapping_sub(low)).clamp(0, 255).wrapping_add(low))
    }

    #[inline(always)]
    fn stream(v: i32) -> i16 {
        saturate16(v)
    }

    #[inline(always)]
    fn accumulate(v: i32, y: i16) -> i16 {
        saturate16(v.wrapping_add(i32::from(y)))
    }

    #[inline(always)]
    fn logits<K: Kernel>(kernel: K, sums: &mut [u32], softmax: bool, shift: u8) {
        if shift != 0 {
            let top = if softmax { kernel.largest(sums).0 } else { 0 };
            for sum in sums {
                *sum = lifted((*sum as i32).wrapping_sub(top), shift) as u32;
            }
        }
    }

    #[inline(always)]
    fn quantize(x: i16, rescale: Rescale) -> i32 {
        rescale.apply(i32::from(x))
    }

    #[inline(always)]
    fn relu(x: i16) -> i32 {
        i32::from(x.max(0))
    }

    #[inline]
    fn elu(x: i16, exponent: Rescale, back: i32) -> i32 {
        if x > 0 {
            return i32::from(x);
        }
        let exponent = exponent.apply(-i32::from(x)) as u32;
        mul_high(exp2_neg(exponent) as i32 - (1 << 30), back)
    }

    #[inline(always)]
    fn add(a: i16, b: i16, [ra, rb]: [Rescale; 2], negate: bool) -> i32 {
        let (a, b) = (ra.apply(i32::from(a)), rb.apply(i32::from(b)));
        b.wrapping_add(if negate { a.wrapping_neg() } else { a })
    }

    #[inline]
    fn depth_gate([a, b, t]: [i16; 3], [ra, rb, rt]: [Rescale; 3]) -> i32 {
        let t = saturate16(rt.apply(i32::from(t)));
        // The gate comes before the factor, which may lead beyond 16 bits where the gate is nearly shut.
        let gated = i64::from(lstm::sigmoid(t) * i32::from(b)) * i64::from(rb.multiplier);
        let shift = (u32::from(rb.shift) & 31) + 15;
        ra.apply(i32::from(a)).wrapping_add(((gated + (1 << (shift - 1))) >> shift) as i32)
    }

    #[inline(always)]
    fn gate(x: i32, h: i32) -> i16 {
        saturate16(x.wrapping_add(h))
    }

    #[inline(always)]
    fn cell(gates: [i16; 4], c: i16, cell_bits: u8) -> (i16, i16) {
        lstm::cell(gates, c, u32::from(cell_bits))
    }

    #[inline(always)]
    fn units<K: Kernel>(kernel: K, sums: [&[i32]; 2], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        kernel.units(sums, before, cell_bits, c, h);
    }

    #[inline(always)]
    fn summed_units<K: Kernel>(
        kernel: K,
        sums: &[i32],
        before: &[i16],
        cell_bits: &[u8],
        c: &mut [i16],
        h: &mut [i16],
    ) {
        kernel.summed_units(sums, before, cell_bits, c, h);
    }

    #[inline(always)]
    fn hidden(h: i16, to_hidden: Rescale) -> i8 {
        saturate8(to_hidden.apply(i32::from(h)))
    }

    #[inline(always)]
    fn output(h: i16, to_output: Rescale, y: i16) -> i16 {
        saturate16(to_output.apply(i32::from(h)).wrapping_add(i32::from(y)))
    }

    #[inline(always)]
    fn activations<K: Kernel>(kernel: K, v: &[i32], zero_point: i32, low: i32, y: &mut [i8]) {
        kernel.activations(v, zero_point, low, y);
    }

    #[inline(always)]
    fn quantized<K: Kernel>(kernel: K, x: &[i16], rescale: Rescale, zero_point: i32, low: i32, y: &mut [i8]) {
        kernel.rescaled8(x, rescale, zero_point, low, y);
    }

    #[inline(always)]
    fn hiddens<K: Kernel>(kernel: K, h: &[i16], to_hidden: Rescale, y: &mut [i8]) {
        kernel.rescaled8(h, to_hidden, 0, i32::from(i8::MIN), y);
    }

    #[inline(always)]
    fn streams<K: Kernel>(kernel: K, v: &[i32], y: &mut [i16]) {
        kernel.streams(v, LEAST, LARGEST, y);
    }

    #[inline(always)]
    fn accumulated<K: Kernel>(kernel: K, v: &[i32], y: &mut [i16]) {
        kernel.accumulate(v, y);
    }

    #[inline(always)]
    fn outputs<K: Kernel>(kernel: K, h: &[i16], to_output: Rescale, y: &mut [i16]) {
        kernel.rescaled16(h, to_output, LEAST, LARGEST, y);
    }

    #[inline(always)]
    fn outputs_onto<K: Kernel>(kernel: K, h: &[i16], to_output: Rescale, y: &mut [i16]) {
        kernel.rescaled_onto(h, to_output, y);
    }
}
