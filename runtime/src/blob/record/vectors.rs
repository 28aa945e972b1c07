//! Registers that an op reads and writes.

use super::{Destination, GraphOp, Instruction, Operands};
use crate::blob::format::NumberFormat;

/// Element type of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// Activations.
    Activation,
    /// Residuals.
    Residual,
}

impl DType {
    /// Bytes of an element.
    pub const fn bytes(self, weights: NumberFormat) -> usize {
        match self {
            Self::Activation => weights.activation_bytes(),
            Self::Residual => weights.residual_bytes(),
        }
    }
}

/// Vector in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vector {
    /// Byte offset.
    pub at: u32,
    /// Features.
    pub count: u16,
    /// Element type.
    pub kind: DType,
}

/// Vectors that an op reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vectors {
    /// Vectors read; an op that adds to its output reads it too.
    pub inputs: [Option<Vector>; 3],
    /// Vector written; `None` for the op that makes the logits.
    pub output: Option<Vector>,
}

impl Instruction<'_> {
    /// Vectors that the op reads and writes.
    pub fn vectors(self) -> Vectors {
        let activations = |at, count| Some(Vector { at, count, kind: DType::Activation });
        let residuals = |at, count| Some(Vector { at, count, kind: DType::Residual });
        match self {
            Self::MaskedConv(c) => {
                let (sum, output) = written(c.destination(), c.output, c.outputs);
                Vectors { inputs: [activations(c.input, c.inputs), sum, None], output }
            }
            Self::Quantize(q) => {
                Vectors { inputs: [residuals(q.input, q.count), None, None], output: activations(q.output, q.count) }
            }
            Self::Elementwise(op) => {
                let Operands { inputs: [a, b, c], output, count, halves } = op.operands();
                let read = if halves { count.saturating_mul(2) } else { count };
                let mut inputs = [residuals(a, read), residuals(b, read), residuals(c, read)];
                for absent in inputs.iter_mut().skip(op.arity()) {
                    *absent = None;
                }
                Vectors { inputs, output: residuals(output, count) }
            }
            Self::RowLstm(l) | Self::DiagonalLeft(l) => {
                Vectors { inputs: [activations(l.input, l.inputs), None, None], output: residuals(l.output, l.hidden) }
            }
            Self::DiagonalRight(l) => {
                let output = residuals(l.output, l.hidden);
                Vectors { inputs: [activations(l.input, l.inputs), output, None], output }
            }
            Self::Graph(op) => op.vectors(),
        }
    }
}

impl GraphOp<'_> {
    /// Vectors that the op reads and writes.
    fn vectors(self) -> Vectors {
        let of = |kind: Option<DType>, at, count| kind.map(|kind| Vector { at, count, kind });
        let activations = |at, count| of(Some(DType::Activation), at, count);
        let residuals = |at, count| of(Some(DType::Residual), at, count);
        match self {
            Self::Graph(_) | Self::Segment(_) => Vectors::default(),
            Self::Keep(keep) => {
                Vectors { inputs: [of(keep.dtype(), keep.input, keep.count), None, None], output: None }
            }
            Self::Load(load) => Vectors { inputs: [None; 3], output: of(load.dtype(), load.output, load.count) },
            Self::Conv(c) => {
                let centre = if c.centre == 0 { None } else { activations(c.input, c.inputs) };
                let (sum, output) = written(c.destination(), c.output, c.outputs);
                Vectors { inputs: [centre, sum, None], output }
            }
            Self::Table(table) => Vectors { inputs: [None; 3], output: residuals(table.output, table.count) },
            Self::Join(join) => {
                let second = if join.counts[1] == 0 { None } else { residuals(join.inputs[1], join.counts[1]) };
                let inputs = [residuals(join.inputs[0], join.counts[0]), second, None];
                Vectors { inputs, output: residuals(join.output, join.count) }
            }
            Self::Logits(logits) => {
                Vectors { inputs: [residuals(logits.input, logits.count), None, None], output: None }
            }
        }
    }
}

/// Vector that a convolution adds to, and the one that it writes.
fn written(destination: Option<Destination>, at: u32, count: u16) -> (Option<Vector>, Option<Vector>) {
    let of = |kind| Some(Vector { at, count, kind });
    match destination {
        Some(Destination::Activation) => (None, of(DType::Activation)),
        Some(Destination::Residual) => (None, of(DType::Residual)),
        Some(Destination::Accumulate) => (of(DType::Residual), of(DType::Residual)),
        Some(Destination::Logits) | None => (None, None),
    }
}
