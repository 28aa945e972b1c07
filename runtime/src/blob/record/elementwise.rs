//! Ops on each feature by itself.

use crate::fixed::Rescale;
use bytemuck::{Pod, Zeroable};

/// `quantize`: stream to activations, with a ReLU where `low` is the zero point.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct QuantizeRecord {
    /// [`super::kind::QUANTIZE`].
    pub kind: u8,
    /// The activation that means 0.
    pub zero_point: i8,
    /// The least activation.
    pub low: i8,
    /// Zero.
    pub pad: u8,
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i8`.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the scale of the stream to that of the activations.
    pub rescale: Rescale,
    /// Zero.
    pub reserved: [u32; 11],
}

/// `relu` on the stream, where no convolution follows that could do it.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ReluRecord {
    /// [`super::kind::RELU`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may be the same.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Zero.
    pub reserved: [u32; 12],
}

/// `elu` on the stream; the scale stays.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct EluRecord {
    /// [`super::kind::ELU`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may be the same.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the stream's scale to base-2 exponents in units of 2⁻¹⁶.
    pub exponent: Rescale,
    /// From units of 2⁻³⁰ to the stream's scale, by the high word of the product.
    pub back: i32,
    /// Zero.
    pub reserved: [u32; 10],
}

/// `add` on the stream: a sum of two values with scales of their own.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct AddRecord {
    /// [`super::kind::ADD`].
    pub kind: u8,
    /// 1 where the first value is subtracted (a negative scale), else 0.
    pub negate: u8,
    /// Zero.
    pub pad: u16,
    /// Register of the first value, `i16`.
    pub a: u32,
    /// Register of the second value, `i16`.
    pub b: u32,
    /// Register written, `i16`; may be either.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the first value's scale to the result's.
    pub rescale_a: Rescale,
    /// From the second value's scale to the result's.
    pub rescale_b: Rescale,
    /// Zero.
    pub reserved: [u32; 9],
}

/// `depth_gate` on the stream: `a + sigmoid(t) · b`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct DepthGateRecord {
    /// [`super::kind::DEPTH_GATE`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Register of the value that passes, `i16`.
    pub a: u32,
    /// Register of the value that is gated, `i16`.
    pub b: u32,
    /// Register of the gate's pre-activation, `i16`.
    pub t: u32,
    /// Register written, `i16`; may be any of them.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the scale of `a` to the result's.
    pub rescale_a: Rescale,
    /// From the scale of `b` to the result's.
    pub rescale_b: Rescale,
    /// From the scale of `t` to units of 2⁻¹¹.
    pub rescale_t: Rescale,
    /// Zero.
    pub reserved: [u32; 7],
}
