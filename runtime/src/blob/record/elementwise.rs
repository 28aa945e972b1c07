//! Records of elementwise ops and of `quantize`.

use super::{GRAPH, kind};
use crate::fixed::Rescale;
use bytemuck::{Pod, Zeroable};
use core::ops::Range;

/// `quantize`: residual to activations, with a fused ReLU if `clamp_min` is the zero point.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct QuantizeRecord {
    /// [`super::kind::QUANTIZE`].
    pub kind: u8,
    /// Zero point of the activations.
    pub zero_point: i8,
    /// Minimum of the activations.
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
    /// Residual scale to activation scale.
    pub rescale: Rescale,
    /// Zero.
    pub reserved: [u32; 11],
}

/// `relu` on the residual, for a ReLU that no other op can fuse.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ReluRecord {
    /// [`super::kind::RELU`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may equal the input.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Zero.
    pub reserved: [u32; 12],
}

/// `elu` on the residual, in the same scale.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct EluRecord {
    /// [`super::kind::ELU`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may equal the input.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Residual scale to base-2 exponents in units of 2⁻¹⁶.
    pub exponent: Rescale,
    /// Units of 2⁻³⁰ to residual scale, by the high word of the product.
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
    /// 1 for a negative slope, else 0.
    pub negate: u8,
    /// Zero.
    pub pad: u16,
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may equal the input.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Input scale to output scale, for positive inputs.
    pub positive: Rescale,
    /// Input scale to output scale times the magnitude of the slope, for negative inputs.
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
    /// Fraction of the argument, 7 to 14. Its unit is `2^-(fraction + 5)` for `tanh`, `2^-(fraction + 4)` for `sigmoid`.
    pub fraction: u8,
    /// Zero.
    pub pad: u16,
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may equal the input.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Input scale to units of the argument.
    pub rescale: Rescale,
    /// Units of 2⁻¹⁵ to output scale.
    pub back: Rescale,
    /// Zero.
    pub reserved: [u32; 10],
}

/// `add` on the residual: sum of two inputs, each with its own scale.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct AddRecord {
    /// [`super::kind::ADD`].
    pub kind: u8,
    /// 1 if the first input is subtracted (a negative scale), else 0.
    pub negate: u8,
    /// Zero.
    pub pad: u16,
    /// Register of the first input, `i16`.
    pub a: u32,
    /// Register of the second input, `i16`.
    pub b: u32,
    /// Register written, `i16`; may equal an input.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Scale of `a` to output scale.
    pub rescale_a: Rescale,
    /// Scale of `b` to output scale.
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
    /// Register of the ungated input, `i16`.
    pub a: u32,
    /// Register of the gated input, `i16`.
    pub b: u32,
    /// Register of the gate's pre-activation, `i16`.
    pub t: u32,
    /// Register written, `i16`; may equal an input.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Scale of `a` to output scale.
    pub rescale_a: Rescale,
    /// Scale of `b` to output scale.
    pub rescale_b: Rescale,
    /// Scale of `t` to units of 2⁻¹¹.
    pub rescale_t: Rescale,
    /// Zero.
    pub reserved: [u32; 7],
}

/// `multiply` on the residual: product of two inputs.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct MultiplyRecord {
    /// [`super::kind::MULTIPLY`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Register of the first input, `i16`.
    pub a: u32,
    /// Register of the second input, `i16`.
    pub b: u32,
    /// Register written, `i16`; may equal an input.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Product of the scales to output scale, by the high word of the product; not negative.
    pub multiplier: i32,
    /// Zero.
    pub reserved: [u32; 10],
}

/// `gate` or `glu` on the residual: `tanh(a) · sigmoid(b)` or `a · sigmoid(b)` of the halves of the input.
///
/// In a colour model each colour group of the input has the group's part of `a`, then its part of `b`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct GateRecord {
    /// [`super::kind::GATE`] or [`super::kind::GLU`].
    pub kind: u8,
    /// Fraction of the argument of `tanh`, 7 to 14: its unit is `2^-(fraction + 5)`. 7 for `glu`.
    pub fraction: u8,
    /// Fraction of the argument of the sigmoid, 7 to 14: its unit is `2^-(fraction_b + 4)`.
    pub fraction_b: u8,
    /// Zero.
    pub pad: u8,
    /// Register read, `i16`: `2 · count` values.
    pub input: u32,
    /// Register written, `i16`, in units of 2⁻¹⁵ by `gate`.
    pub output: u32,
    /// Features written.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Input scale to units of the argument of `tanh`; that of the sigmoid again in `glu`.
    pub rescale_a: Rescale,
    /// Input scale to units of the argument of the sigmoid.
    pub rescale_b: Rescale,
    /// Input scale to output scale, times 2¹⁶, of `glu`; not negative. 0 in `gate`.
    pub multiplier: i32,
    /// Zero.
    pub reserved: [u32; 9],
}

/// Elementwise op on the residual, with one to three inputs; see [`crate::arithmetic::Arithmetic::elementwise`].
#[derive(Clone, Copy, Debug)]
pub enum Elementwise<'a> {
    /// `max(x, 0)`.
    Relu(&'a ReluRecord),
    /// `x` for `x > 0`, else `exp(x) - 1`.
    Elu(&'a EluRecord),
    /// `x` for `x > 0`, else `slope · x`.
    LeakyRelu(&'a LeakyReluRecord),
    /// Hyperbolic tangent.
    Tanh(&'a TanhRecord),
    /// `1 / (1 + exp(-x))`.
    Sigmoid(&'a TanhRecord),
    /// `scale · a + b`.
    Add(&'a AddRecord),
    /// `a + sigmoid(t) · b`: highway gating over depth.
    DepthGate(&'a DepthGateRecord),
    /// `a · b`.
    Multiply(&'a MultiplyRecord),
    /// `tanh(a) · sigmoid(b)` of the halves of the input.
    Gate(&'a GateRecord),
    /// `a · sigmoid(b)` of the halves of the input.
    Glu(&'a GateRecord),
}

/// Registers of an elementwise op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands {
    /// Byte offsets of the registers read; an op with fewer inputs repeats its last.
    pub inputs: [u32; 3],
    /// Byte offset of the register written; may equal an input.
    pub output: u32,
    /// Features written.
    pub count: u16,
    /// True if the first two inputs are the halves of one register: in each colour group the first, then the second.
    pub halves: bool,
}

impl Operands {
    /// Elements of each input for the features `range` of the output, of a colour group with the features `group`.
    #[inline(always)]
    pub(crate) fn ranges(&self, group: &Range<usize>, range: Range<usize>) -> [Range<usize>; 3] {
        if !self.halves {
            return [range.clone(), range.clone(), range];
        }
        // The group's part of the input begins at twice its first feature.
        let a = group.start + range.start..group.start + range.end;
        let half = group.end - group.start;
        [a.clone(), a.start + half..a.end + half, a]
    }
}

impl<'a> Elementwise<'a> {
    /// Elementwise op of a record; `None` for other kinds.
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
            kind::MULTIPLY if GRAPH => Self::Multiply(bytemuck::must_cast_ref(record)),
            kind::GATE if GRAPH => Self::Gate(bytemuck::must_cast_ref(record)),
            kind::GLU if GRAPH => Self::Glu(bytemuck::must_cast_ref(record)),
            _ => return None,
        })
    }

    /// Name of the op, for messages.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Relu(_) => "relu",
            Self::Elu(_) => "elu",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Tanh(_) => "tanh",
            Self::Sigmoid(_) => "sigmoid",
            Self::Add(_) => "add",
            Self::DepthGate(_) => "depth_gate",
            Self::Multiply(_) => "multiply",
            Self::Gate(_) => "gate",
            Self::Glu(_) => "glu",
        }
    }

    /// Number of inputs.
    pub const fn arity(self) -> usize {
        match self {
            Self::Relu(_)
            | Self::Elu(_)
            | Self::LeakyRelu(_)
            | Self::Tanh(_)
            | Self::Sigmoid(_)
            | Self::Gate(_)
            | Self::Glu(_) => 1,
            Self::Add(_) | Self::Multiply(_) => 2,
            Self::DepthGate(_) => 3,
        }
    }

    /// Registers read and written.
    #[inline(always)]
    pub const fn operands(self) -> Operands {
        match self {
            Self::Relu(r) => Operands { inputs: [r.input; 3], output: r.output, count: r.count, halves: false },
            Self::Elu(e) => Operands { inputs: [e.input; 3], output: e.output, count: e.count, halves: false },
            Self::LeakyRelu(l) => Operands { inputs: [l.input; 3], output: l.output, count: l.count, halves: false },
            Self::Tanh(t) | Self::Sigmoid(t) => {
                Operands { inputs: [t.input; 3], output: t.output, count: t.count, halves: false }
            }
            Self::Add(s) => Operands { inputs: [s.a, s.b, s.b], output: s.output, count: s.count, halves: false },
            Self::DepthGate(d) => Operands { inputs: [d.a, d.b, d.t], output: d.output, count: d.count, halves: false },
            Self::Multiply(m) => Operands { inputs: [m.a, m.b, m.b], output: m.output, count: m.count, halves: false },
            Self::Gate(g) | Self::Glu(g) => {
                Operands { inputs: [g.input; 3], output: g.output, count: g.count, halves: true }
            }
        }
    }

    /// Factors of the op; an op with fewer than three repeats one.
    pub(crate) const fn rescales(self) -> [Rescale; 3] {
        match self {
            Self::Relu(_) | Self::Multiply(_) => [Rescale::UNUSED; 3],
            Self::Elu(e) => [e.exponent; 3],
            Self::LeakyRelu(l) => [l.positive, l.negative, l.negative],
            Self::Tanh(t) | Self::Sigmoid(t) => [t.rescale, t.back, t.back],
            Self::Add(s) => [s.rescale_a, s.rescale_b, s.rescale_b],
            Self::DepthGate(d) => [d.rescale_a, d.rescale_b, d.rescale_t],
            Self::Gate(g) | Self::Glu(g) => [g.rescale_a, g.rescale_b, g.rescale_b],
        }
    }

    /// First field out of range, besides registers and factors; `None` if all are valid.
    pub(crate) const fn wrong_field(self) -> Option<&'static str> {
        match self {
            Self::Add(AddRecord { negate, .. }) | Self::LeakyRelu(LeakyReluRecord { negate, .. }) if *negate > 1 => {
                Some("negate")
            }
            Self::Tanh(t) | Self::Sigmoid(t) if t.fraction < 7 || t.fraction > 14 => Some("fraction"),
            Self::Gate(g) | Self::Glu(g) if g.fraction < 7 || g.fraction > 14 => Some("fraction"),
            Self::Gate(g) | Self::Glu(g) if g.fraction_b < 7 || g.fraction_b > 14 => Some("fraction_b"),
            Self::Multiply(MultiplyRecord { multiplier, .. })
            | Self::Gate(GateRecord { multiplier, .. })
            | Self::Glu(GateRecord { multiplier, .. })
                if *multiplier < 0 =>
            {
                Some("multiplier")
            }
            Self::Relu(_)
            | Self::Elu(_)
            | Self::LeakyRelu(_)
            | Self::Tanh(_)
            | Self::Sigmoid(_)
            | Self::Add(_)
            | Self::DepthGate(_)
            | Self::Multiply(_)
            | Self::Gate(_)
            | Self::Glu(_) => None,
        }
    }
}
