//! Integer number formats: 8-bit weights, 32-bit sums, 16-bit residuals. Only the activation differs; see [`Quantized`].

use super::{Arithmetic, elementwise};
use crate::blob::{Elementwise, Layout};
use crate::fixed::{self, Rescale, lstm, requantize, saturate16};
use crate::kernels::{Gemv, Kernel, OUTPUT_TILE, map_two};
use bytemuck::Pod;
use core::marker::PhantomData;

/// 8-bit weights, activations `X`, 32-bit sums, 16-bit residuals.
#[derive(Clone, Copy, Debug)]
pub struct Integers<X>(PhantomData<X>);

/// Quantized activation: the functions of [`Arithmetic`] that read or write one.
pub trait Quantized: Pod {
    /// [`Arithmetic::products`].
    fn products<K: Kernel>(kernel: K, layout: Layout, bias: &[i32], weights: &[i8], x: &[Self], sums: &mut [i32]);
    /// [`Arithmetic::gemv_scaled`].
    fn gemv_scaled<K: Kernel>(kernel: K, rows: Gemv<'_, Self>, sums: &mut [i32]);
    /// [`Arithmetic::gemv_added`].
    #[inline(always)]
    fn gemv_added<K: Kernel>(_kernel: K, _rows: Gemv<'_, Self>, _sums: &mut [i32]) -> bool {
        false
    }
    /// [`Arithmetic::gemv_activations`].
    fn gemv_activations<K: Kernel>(
        kernel: K,
        rows: Gemv<'_, Self>,
        zero_point: i32,
        clamp_min: i32,
        sums: &mut [i32],
        y: &mut [Self],
    );
    /// [`Arithmetic::gemv_accumulated`].
    fn gemv_accumulated<K: Kernel>(kernel: K, rows: Gemv<'_, Self>, sums: &mut [i32], y: &mut [i16]);
    /// [`Arithmetic::gemv_sums`].
    #[inline(always)]
    fn gemv_sums<K: Kernel>(kernel: K, rows: Gemv<'_, Self>, sums: &mut [u32]) {
        Self::gemv_scaled(kernel, rows, bytemuck::must_cast_slice_mut(sums));
    }
    /// [`Arithmetic::zero`].
    fn zero(zero_point: i8) -> Self;
    /// [`Arithmetic::activation`].
    fn activation(v: i32, zero_point: i32, clamp_min: i32) -> Self;
    /// [`Arithmetic::hidden`].
    fn hidden(h: i16, to_hidden: Rescale) -> Self;
    /// [`Arithmetic::activations`].
    fn activations<K: Kernel>(kernel: K, v: &[i32], zero_point: i32, clamp_min: i32, y: &mut [Self]);
    /// [`Arithmetic::quantized`].
    fn quantized<K: Kernel>(kernel: K, x: &[i16], rescale: Rescale, zero_point: i32, clamp_min: i32, y: &mut [Self]);
    /// [`Arithmetic::hiddens`].
    fn hiddens<K: Kernel>(kernel: K, h: &[i16], to_hidden: Rescale, y: &mut [Self]);
}

impl<X: Quantized> Arithmetic for Integers<X> {
    type Weight = i8;
    type Activation = X;
    type Residual = i16;
    type Sum = i32;

    const ZERO_BIAS: &'static [i32; OUTPUT_TILE] = &[0; OUTPUT_TILE];
    const MULTIPLIERS: bool = true;

    #[inline(always)]
    fn products<K: Kernel>(kernel: K, layout: Layout, bias: &[i32], weights: &[i8], x: &[X], sums: &mut [i32]) {
        X::products(kernel, layout, bias, weights, x, sums);
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
    fn gemv_scaled<K: Kernel>(kernel: K, rows: Gemv<'_, X>, sums: &mut [i32]) {
        X::gemv_scaled(kernel, rows, sums);
    }

    #[inline(always)]
    fn gemv_added<K: Kernel>(kernel: K, rows: Gemv<'_, X>, sums: &mut [i32]) -> bool {
        X::gemv_added(kernel, rows, sums)
    }

    #[inline(always)]
    fn gemv_activations<K: Kernel>(
        kernel: K,
        rows: Gemv<'_, X>,
        zero_point: i32,
        clamp_min: i32,
        sums: &mut [i32],
        y: &mut [X],
    ) {
        X::gemv_activations(kernel, rows, zero_point, clamp_min, sums, y);
    }

    #[inline(always)]
    fn gemv_accumulated<K: Kernel>(kernel: K, rows: Gemv<'_, X>, sums: &mut [i32], y: &mut [i16]) {
        X::gemv_accumulated(kernel, rows, sums, y);
    }

    #[inline(always)]
    fn gemv_sums<K: Kernel>(kernel: K, rows: Gemv<'_, X>, sums: &mut [u32]) {
        X::gemv_sums(kernel, rows, sums);
    }

    #[inline(always)]
    fn zero(zero_point: i8) -> X {
        X::zero(zero_point)
    }

    #[inline(always)]
    fn activation(v: i32, zero_point: i32, clamp_min: i32) -> X {
        X::activation(v, zero_point, clamp_min)
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
            Elementwise::Multiply(m) => fixed::multiply(a, b, m.multiplier),
            Elementwise::Gate(g) => fixed::gated_tanh([a, b], [g.rescale_a, g.rescale_b], [g.fraction, g.fraction_b]),
            Elementwise::Glu(g) => fixed::gated([a, b], g.rescale_b, g.fraction_b, g.multiplier),
        }
    }

    #[inline(always)]
    fn elementwise_all<K: Kernel>(kernel: K, op: Elementwise<'_>, inputs: [&[i16]; 3], values: &mut [i32]) {
        // Bare metal has one small loop for all ops.
        if !K::VECTORS || cfg!(target_os = "none") || !elementwise::vectors(kernel, op, inputs, values) {
            let [a, b, t] = inputs;
            for (((v, a), b), t) in values.iter_mut().zip(a).zip(b).zip(t) {
                *v = Self::elementwise(op, [*a, *b, *t]);
            }
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
    fn hidden(h: i16, to_hidden: Rescale) -> X {
        X::hidden(h, to_hidden)
    }

    #[inline(always)]
    fn output(h: i16, to_output: Rescale, y: i16) -> i16 {
        fixed::output(h, to_output, y)
    }

    #[inline(always)]
    fn activations<K: Kernel>(kernel: K, v: &[i32], zero_point: i32, clamp_min: i32, y: &mut [X]) {
        X::activations(kernel, v, zero_point, clamp_min, y);
    }

    #[inline(always)]
    fn quantized<K: Kernel>(kernel: K, x: &[i16], rescale: Rescale, zero_point: i32, clamp_min: i32, y: &mut [X]) {
        X::quantized(kernel, x, rescale, zero_point, clamp_min, y);
    }

    #[inline(always)]
    fn hiddens<K: Kernel>(kernel: K, h: &[i16], to_hidden: Rescale, y: &mut [X]) {
        X::hiddens(kernel, h, to_hidden, y);
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
