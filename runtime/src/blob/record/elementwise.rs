//! Records of the ops on each feature by itself.

use super::kind;
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
    pub clamp_min: i8,
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

/// `relu` on the residual, where no convolution follows that could do it.
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

/// `elu` on the residual; the scale stays.
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

/// `leaky_relu` on the residual.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct LeakyReluRecord {
    /// [`super::kind::LEAKY_RELU`].
    pub kind: u8,
    /// 1 where the slope is negative, else 0.
    pub negate: u8,
    /// Zero.
    pub pad: u16,
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may be the same.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the scale of a positive input to that of the result.
    pub positive: Rescale,
    /// The same for a negative input, times the magnitude of the slope.
    pub negative: Rescale,
    /// Zero.
    pub reserved: [u32; 10],
}

/// `tanh` or `sigmoid` on the residual.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct TanhRecord {
    /// [`super::kind::TANH`] or [`super::kind::SIGMOID`].
    pub kind: u8,
    /// Binary places of the argument, 7 to 14: it is in units of `2^-(fraction + 5)`, for a sigmoid of `2^-(fraction + 4)`.
    pub fraction: u8,
    /// Zero.
    pub pad: u16,
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may be the same.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the scale of the input to units of the argument.
    pub rescale: Rescale,
    /// From units of 2⁻¹⁵ to the scale of the result.
    pub back: Rescale,
    /// Zero.
    pub reserved: [u32; 10],
}

/// `add` on the residual: a sum of two values with scales of their own.
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

/// `depth_gate` on the residual: `a + sigmoid(t) · b`.
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

/// An elementwise op on the residual: each output feature from the same feature of one to three inputs.
///
/// [`crate::arithmetic::Arithmetic::elementwise`] computes it.
#[derive(Clone, Copy, Debug)]
pub enum Elementwise<'a> {
    /// `max(x, 0)`.
    Relu(&'a ReluRecord),
    /// `x` where `x > 0`, else `exp(x) - 1`.
    Elu(&'a EluRecord),
    /// `x` where `x > 0`, else `slope · x`.
    LeakyRelu(&'a LeakyReluRecord),
    /// Hyperbolic tangent.
    Tanh(&'a TanhRecord),
    /// `1 / (1 + exp(-x))`.
    Sigmoid(&'a TanhRecord),
    /// Sum of two values.
    Add(&'a AddRecord),
    /// Highway gating over depth.
    DepthGate(&'a DepthGateRecord),
}

/// Registers of an elementwise op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands {
    /// Byte offsets of the registers read; an op of fewer inputs repeats its last.
    pub inputs: [u32; 3],
    /// Byte offset of the register written; it may be one of those read.
    pub output: u32,
    /// Features.
    pub count: u16,
}

impl<'a> Elementwise<'a> {
    /// The record read as an elementwise op; `None` for other kinds.
    #[inline(always)]
    pub(super) fn of(record: &'a super::Record) -> Option<Self> {
        Some(match record.kind() {
            kind::RELU => Self::Relu(bytemuck::must_cast_ref(record)),
            kind::ELU => Self::Elu(bytemuck::must_cast_ref(record)),
            kind::LEAKY_RELU => Self::LeakyRelu(bytemuck::must_cast_ref(record)),
            kind::TANH => Self::Tanh(bytemuck::must_cast_ref(record)),
            kind::SIGMOID => Self::Sigmoid(bytemuck::must_cast_ref(record)),
            kind::ADD => Self::Add(bytemuck::must_cast_ref(record)),
            kind::DEPTH_GATE => Self::DepthGate(bytemuck::must_cast_ref(record)),
            _ => return None,
        })
    }

    /// The op's name, for people.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Relu(_) => "relu",
            Self::Elu(_) => "elu",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Tanh(_) => "tanh",
            Self::Sigmoid(_) => "sigmoid",
            Self::Add(_) => "add",
            Self::DepthGate(_) => "depth_gate",
        }
    }

    /// Number of inputs.
    pub const fn arity(self) -> usize {
        match self {
            Self::Relu(_) | Self::Elu(_) | Self::LeakyRelu(_) | Self::Tanh(_) | Self::Sigmoid(_) => 1,
            Self::Add(_) => 2,
            Self::DepthGate(_) => 3,
        }
    }

    /// The registers read and written.
    #[inline(always)]
    pub const fn operands(self) -> Operands {
        match self {
            Self::Relu(r) => Operands { inputs: [r.input; 3], output: r.output, count: r.count },
            Self::Elu(e) => Operands { inputs: [e.input; 3], output: e.output, count: e.count },
            Self::LeakyRelu(l) => Operands { inputs: [l.input; 3], output: l.output, count: l.count },
            Self::Tanh(t) | Self::Sigmoid(t) => Operands { inputs: [t.input; 3], output: t.output, count: t.count },
            Self::Add(s) => Operands { inputs: [s.a, s.b, s.b], output: s.output, count: s.count },
            Self::DepthGate(d) => Operands { inputs: [d.a, d.b, d.t], output: d.output, count: d.count },
        }
    }

    /// The op's factors; an op of fewer than three repeats one.
    pub(crate) const fn rescales(self) -> [Rescale; 3] {
        match self {
            Self::Relu(_) => [Rescale::UNUSED; 3],
            Self::Elu(e) => [e.exponent; 3],
            Self::LeakyRelu(l) => [l.positive, l.negative, l.negative],
            Self::Tanh(t) | Self::Sigmoid(t) => [t.rescale, t.back, t.back],
            Self::Add(s) => [s.rescale_a, s.rescale_b, s.rescale_b],
            Self::DepthGate(d) => [d.rescale_a, d.rescale_b, d.rescale_t],
        }
    }

    /// The field that is out of its range, beyond registers and factors; `None` where all are right.
    pub(crate) const fn wrong_field(self) -> Option<&'static str> {
        match self {
            Self::Add(AddRecord { negate, .. }) | Self::LeakyRelu(LeakyReluRecord { negate, .. }) if *negate > 1 => {
                Some("negate")
            }
            Self::Tanh(t) | Self::Sigmoid(t) if t.fraction < 7 || t.fraction > 14 => Some("fraction"),
            Self::Relu(_)
            | Self::Elu(_)
            | Self::LeakyRelu(_)
            | Self::Tanh(_)
            | Self::Sigmoid(_)
            | Self::Add(_)
            | Self::DepthGate(_) => None,
        }
    }
}
