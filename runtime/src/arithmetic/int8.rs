//! 8-bit weights and activations.

use super::Arithmetic;
use crate::blob::{Elementwise, Layout};
use crate::fixed::{self, Rescale, lstm, requantize, saturate16};
use crate::kernels::{Gemv, Kernel, OUTPUT_TILE, map_two};

/// 8-bit weights and activations, 32-bit sums, 16-bit residuals.
#[derive(Clone, Copy, Debug)]
pub struct Int8;

impl Arithmetic for Int8 {
    type Weight = i8;
    type Activation = i8;
    type Residual = i16;
    type Sum = i32;

    const ZERO_BIAS: &'static [i32; OUTPUT_TILE] = &[0; OUTPUT_TILE];
    const MULTIPLIERS: bool = true;

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
    fn sum(a: i32, b: i32) -> i32 {
        fixed::sum(a, b)
    }

    #[inline(always)]
    fn scale<K: Kernel>(kernel: K, sums: &mut [i32], left_shift: u8, multipliers: &[i32]) {
        kernel.scale(sums, u32::from(left_shift), multipliers);
    }

    #[inline(always)]
    fn scale_both<K: Kernel>(kernel: K, sums: &mut [i32], more: &[i32], left_shift: u8, multipliers: &[i32]) {
        map_two(
            kernel,
            more,
            multipliers,
            sums,
            #[inline(always)]
            |more, multiplier, sum| *sum = requantize(sum.wrapping_add(more), u32::from(left_shift), multiplier),
        );
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
    fn residual(v: i32) -> i16 {
        saturate16(v)
    }

    #[inline(always)]
    fn accumulate(v: i32, y: i16) -> i16 {
        fixed::accumulate(v, y)
    }

    #[inline(always)]
    fn logits<K: Kernel>(kernel: K, sums: &mut [u32], softmax: bool, shift: u8) {
        if shift != 0 {
            let top = if softmax { kernel.largest(sums).0 } else { 0 };
            for sum in sums {
                *sum = fixed::shift_logit((*sum as i32).wrapping_sub(top), shift) as u32;
            }
        }
    }

    #[inline(always)]
    fn quantize(x: i16, rescale: Rescale) -> i32 {
        fixed::quantize(x, rescale)
    }

    #[inline(always)]
    fn elementwise(op: Elementwise<'_>, [a, b, t]: [i16; 3]) -> i32 {
        match op {
            Elementwise::Relu(_) => fixed::relu(a),
            Elementwise::Elu(e) => fixed::elu(a, e.exponent, e.back),
            Elementwise::LeakyRelu(l) => fixed::leaky_relu(a, l.positive, l.negative, l.negate != 0),
            Elementwise::Tanh(t) => fixed::tanh(a, t.rescale, t.fraction, t.back),
            Elementwise::Sigmoid(s) => fixed::sigmoid(a, s.rescale, s.fraction, s.back),
            Elementwise::Add(s) => fixed::add(a, b, [s.rescale_a, s.rescale_b], s.negate != 0),
            Elementwise::DepthGate(d) => fixed::depth_gate([a, b, t], [d.rescale_a, d.rescale_b, d.rescale_t]),
        }
    }

    #[inline(always)]
    fn gate(x: i32, h: i32) -> i16 {
        fixed::gate(x, h)
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
        fixed::hidden(h, to_hidden)
    }

    #[inline(always)]
    fn output(h: i16, to_output: Rescale, y: i16) -> i16 {
        fixed::output(h, to_output, y)
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

    #[inline(always)]
    fn residuals<K: Kernel>(kernel: K, v: &[i32], y: &mut [i16]) {
        kernel.residuals(v, i16::MIN.into(), i16::MAX.into(), y);
    }

    #[inline(always)]
    fn accumulated<K: Kernel>(kernel: K, v: &[i32], y: &mut [i16]) {
        kernel.accumulate(v, y);
    }

    #[inline(always)]
    fn outputs<K: Kernel>(kernel: K, h: &[i16], to_output: Rescale, y: &mut [i16]) {
        kernel.rescaled_i16(h, to_output, i16::MIN.into(), i16::MAX.into(), y);
    }

    #[inline(always)]
    fn outputs_onto<K: Kernel>(kernel: K, h: &[i16], to_output: Rescale, y: &mut [i16]) {
        kernel.rescaled_onto(h, to_output, y);
    }
}
