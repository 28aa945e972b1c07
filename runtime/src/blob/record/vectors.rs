//! Which registers an op reads and writes.

use super::{Destination, Instruction, Operands};
use crate::blob::format::NumberFormat;

/// How a register holds its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// Activations.
    Activation,
    /// Values of the stream.
    Residual,
}

impl DType {
    /// Bytes of a number.
    pub const fn bytes(self, weights: NumberFormat) -> usize {
        match self {
            Self::Activation => weights.activation_bytes(),
            Self::Residual => weights.residual_bytes(),
        }
    }
}

/// A register with a vector in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vector {
    /// Byte offset.
    pub at: u32,
    /// Features.
    pub count: u16,
    /// How they are held.
    pub kind: DType,
}

/// The vectors that an op reads and the one that it writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vectors {
    /// Read; an op that adds to its output reads that too.
    pub inputs: [Option<Vector>; 3],
    /// Written; none for the op that makes the logits.
    pub output: Option<Vector>,
}

impl Instruction<'_> {
    /// The registers that the op reads and writes.
    pub fn vectors(self) -> Vectors {
        let narrow = |at, count| Some(Vector { at, count, kind: DType::Activation });
        let wide = |at, count| Some(Vector { at, count, kind: DType::Residual });
        match self {
            Self::MaskedConv(c) => {
                let (sum, output) = match c.destination() {
                    Some(Destination::Activation) => (None, narrow(c.output, c.outputs)),
                    Some(Destination::Residual) => (None, wide(c.output, c.outputs)),
                    Some(Destination::Accumulate) => (wide(c.output, c.outputs), wide(c.output, c.outputs)),
                    Some(Destination::Logits) | None => (None, None),
                };
                Vectors { inputs: [narrow(c.input, c.inputs), sum, None], output }
            }
            Self::Quantize(q) => {
                Vectors { inputs: [wide(q.input, q.count), None, None], output: narrow(q.output, q.count) }
            }
            Self::Elementwise(op) => {
                let Operands { inputs: [a, b, c], output, count } = op.operands();
                let mut inputs = [wide(a, count), wide(b, count), wide(c, count)];
                for absent in inputs.iter_mut().skip(op.arity()) {
                    *absent = None;
                }
                Vectors { inputs, output: wide(output, count) }
            }
            Self::RowLstm(l) | Self::DiagonalLeft(l) => {
                Vectors { inputs: [narrow(l.input, l.inputs), None, None], output: wide(l.output, l.hidden) }
            }
            Self::DiagonalRight(l) => {
                let output = wide(l.output, l.hidden);
                Vectors { inputs: [narrow(l.input, l.inputs), output, None], output }
            }
        }
    }
}
