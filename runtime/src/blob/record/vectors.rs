//! Registers that an op reads and writes.

use super::{Destination, Instruction, Operands};
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
                let (sum, output) = match c.destination() {
                    Some(Destination::Activation) => (None, activations(c.output, c.outputs)),
                    Some(Destination::Residual) => (None, residuals(c.output, c.outputs)),
                    Some(Destination::Accumulate) => (residuals(c.output, c.outputs), residuals(c.output, c.outputs)),
                    Some(Destination::Logits) | None => (None, None),
                };
                Vectors { inputs: [activations(c.input, c.inputs), sum, None], output }
            }
            Self::Quantize(q) => {
                Vectors { inputs: [residuals(q.input, q.count), None, None], output: activations(q.output, q.count) }
            }
            Self::Elementwise(op) => {
                let Operands { inputs: [a, b, c], output, count } = op.operands();
                let mut inputs = [residuals(a, count), residuals(b, count), residuals(c, count)];
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
        }
    }
}
