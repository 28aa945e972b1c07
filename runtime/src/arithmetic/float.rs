//! Floats, for parts with an FPU and for checks: `f32` activations and sums, `f32` or `f16` weights.
//!
//! Scaling fields of an op are ignored, with three exceptions. `clamp_min == zero_point` means ReLU, `negate` is a sign, and a
//! [`Rescale`] of an `add` or a `leaky_relu` holds the bits of an `f32` factor.

use super::Arithmetic;
use crate::blob::{Elementwise, Layout};
use crate::fixed::Rescale;
use crate::kernels::{Kernel, OUTPUT_TILE};
use bytemuck::Pod;
use core::marker::PhantomData;
use half::f16;

/// `f32` activations and sums; weights of type `W`.
#[derive(Clone, Copy, Debug)]
pub struct Float<W>(PhantomData<W>);

/// Storage type of a weight.
pub trait Weight: Pod {
    /// Value of the weight.
    fn to_f32(self) -> f32;
}

impl Weight for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

/// Bits of an `f16`.
impl Weight for u16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16::from_bits(self).to_f32()
    }
}

/// Partial sums of a dot product. Their number is fixed, so that results do not depend on the machine's vector length.
const LANES: usize = 8;

fn dot<W: Weight>(weights: &[W], x: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (w, x) = (weights.chunks(LANES), x.chunks(LANES));
    for (w, x) in w.zip(x) {
        for ((sum, w), x) in sums.iter_mut().zip(w).zip(x) {
            *sum += w.to_f32() * x;
        }
    }
    sums.iter().sum()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

/// `max(x, 0)`, with NaN propagated to the next sum, whose check finds it.
fn positive(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// `f32` factor stored in the bits of a [`Rescale`].
fn factor(rescale: Rescale) -> f32 {
    bytemuck::must_cast(rescale)
}

impl<W: Weight> Arithmetic for Float<W> {
    type Weight = W;
    type Activation = f32;
    type Residual = f32;
    type Sum = f32;

    const ZERO_BIAS: &'static [f32; OUTPUT_TILE] = &[0.0; OUTPUT_TILE];
    const MULTIPLIERS: bool = false;

    fn products<K: Kernel>(_: K, _: Layout, bias: &[f32], weights: &[W], x: &[f32], sums: &mut [f32]) {
        let mut rest = weights;
        for (sum, bias) in sums.iter_mut().zip(bias) {
            let Some((row, after)) = rest.split_at_checked(x.len()) else { return };
            rest = after;
            *sum = bias + dot(row, x);
        }
    }

    fn sum(a: f32, b: f32) -> f32 {
        a + b
    }

    fn finite(sums: &[f32]) -> bool {
        sums.iter().all(|sum| sum.is_finite())
    }

    fn scale<K: Kernel>(_: K, _: &mut [f32], _: u8, _: &[f32]) {}

    fn scale_both<K: Kernel>(_: K, sums: &mut [f32], more: &[f32], _: u8, _: &[f32]) {
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum += more;
        }
    }

    fn zero(_: i8) -> f32 {
        0.0
    }

    fn activation(v: f32, zero_point: i32, clamp_min: i32) -> f32 {
        if clamp_min == zero_point { positive(v) } else { v }
    }

    fn residual(v: f32) -> f32 {
        v
    }

    fn accumulate(v: f32, y: f32) -> f32 {
        v + y
    }

    fn logits<K: Kernel>(_: K, sums: &mut [u32], softmax: bool, _: u8) {
        let largest = sums.iter().fold(f32::NEG_INFINITY, |top, sum| top.max(f32::from_bits(*sum)));
        let top = if softmax { largest } else { 0.0 };
        for sum in sums.iter_mut() {
            // The cast saturates. Sums are finite: an engine stops at one that is not.
            *sum = libm::rintf((f32::from_bits(*sum) - top) * (core::f32::consts::LOG2_E * 65536.0)) as i32 as u32;
        }
    }

    fn quantize(x: f32, _: Rescale) -> f32 {
        x
    }

    fn elementwise(op: Elementwise<'_>, [a, b, t]: [f32; 3]) -> f32 {
        match op {
            Elementwise::Relu(_) => positive(a),
            Elementwise::Elu(_) => {
                if a > 0.0 {
                    a
                } else {
                    libm::expm1f(a)
                }
            }
            Elementwise::LeakyRelu(_) if a > 0.0 => a,
            Elementwise::LeakyRelu(l) => a * if l.negate != 0 { -factor(l.negative) } else { factor(l.negative) },
            Elementwise::Tanh(_) => libm::tanhf(a),
            Elementwise::Sigmoid(_) => sigmoid(a),
            Elementwise::Add(s) => {
                let scale = factor(s.rescale_a);
                b + a * if s.negate != 0 { -scale } else { scale }
            }
            Elementwise::DepthGate(_) => a + sigmoid(t) * b,
            Elementwise::Multiply(_) => a * b,
            Elementwise::Gate(_) => libm::tanhf(a) * sigmoid(b),
            Elementwise::Glu(_) => a * sigmoid(b),
        }
    }

    fn gate(x: f32, h: f32) -> f32 {
        x + h
    }

    fn cell([o, f, i, g]: [f32; 4], c: f32, _: u8) -> (f32, f32) {
        let c = sigmoid(f) * c + sigmoid(i) * libm::tanhf(g);
        (sigmoid(o) * libm::tanhf(c), c)
    }

    fn hidden(h: f32, _: Rescale) -> f32 {
        h
    }

    fn output(h: f32, _: Rescale, y: f32) -> f32 {
        h + y
    }
}
