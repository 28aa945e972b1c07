//! Op records of a blob, 64 bytes each.
//!
//! An op of the network description ([`crate::network::Op`]) works on floats and whole images; a record works on integers and one
//! pixel. It reads and writes *registers*: byte ranges that hold one vector of `i8` activations or `i16` residuals. In a colour
//! model the features of a vector are sorted by colour group.

mod conv;
mod elementwise;
mod lstm;
mod matrix;
mod vectors;

pub use conv::{ConvRecord, Destination};
pub use elementwise::*;
pub use lstm::LstmRecord;
pub use matrix::MatrixDescriptor;
pub use vectors::{DType, Vector, Vectors};

use super::format::{Layout, NumberFormat};
use crate::blob::Plan;
use crate::fixed::Rescale;
use bytemuck::{Pod, Zeroable};

/// Bytes of a record.
pub const RECORD_BYTES: usize = size_of::<Record>();

/// Record of any op; its first byte is the [`kind`].
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Record {
    words: [u32; 16],
}

/// Kinds of ops: the first byte of a record.
pub mod kind {
    /// [`super::ConvRecord`].
    pub const MASKED_CONV: u8 = 1;
    /// [`super::QuantizeRecord`].
    pub const QUANTIZE: u8 = 2;
    /// [`super::ReluRecord`].
    pub const RELU: u8 = 3;
    /// [`super::EluRecord`].
    pub const ELU: u8 = 4;
    /// [`super::AddRecord`].
    pub const ADD: u8 = 5;
    /// [`super::DepthGateRecord`].
    pub const DEPTH_GATE: u8 = 6;
    /// [`super::TanhRecord`].
    pub const TANH: u8 = 10;
    /// [`super::TanhRecord`] for the logistic function.
    pub const SIGMOID: u8 = 11;
    /// [`super::LeakyReluRecord`].
    pub const LEAKY_RELU: u8 = 12;
    /// [`super::LstmRecord`]: a Row LSTM.
    pub const ROW_LSTM: u8 = 7;
    /// [`super::LstmRecord`]: the left half of a Diagonal BiLSTM, from left to right.
    pub const DIAGONAL_LEFT: u8 = 8;
    /// [`super::LstmRecord`]: the right half of a Diagonal BiLSTM. It sweeps each finished row and adds to the next.
    pub const DIAGONAL_RIGHT: u8 = 9;
}

/// Set if LSTMs are compiled in. Guards their match arms: the compiler cannot prove them unreachable without the feature.
pub(crate) const LSTM: bool = cfg!(feature = "lstm");

/// Record cast to the type of its kind.
#[derive(Clone, Copy, Debug)]
pub enum Instruction<'a> {
    /// Masked convolution.
    MaskedConv(&'a ConvRecord),
    /// Residual to activations.
    Quantize(&'a QuantizeRecord),
    /// Elementwise op on the residual.
    Elementwise(Elementwise<'a>),
    /// Row LSTM.
    RowLstm(&'a LstmRecord),
    /// Left half of a Diagonal BiLSTM.
    DiagonalLeft(&'a LstmRecord),
    /// Right half of a Diagonal BiLSTM.
    DiagonalRight(&'a LstmRecord),
}

impl Record {
    /// Kind of the op; see [`kind`].
    pub(super) const fn kind(&self) -> u8 {
        self.words[0] as u8
    }

    /// The record as a convolution; `None` for other kinds. Faster than [`Record::instruction`].
    #[inline(always)]
    pub(crate) fn conv(&self) -> Option<&ConvRecord> {
        (self.words[0] as u8 == kind::MASKED_CONV).then(|| bytemuck::must_cast_ref(self))
    }

    /// The record as an elementwise op; `None` for other kinds.
    #[inline(always)]
    #[cfg(feature = "std")]
    pub(crate) fn elementwise(&self) -> Option<Elementwise<'_>> {
        Elementwise::of(self)
    }

    /// The record as a `quantize`; `None` for other kinds.
    #[inline(always)]
    pub(crate) fn quantize(&self) -> Option<&QuantizeRecord> {
        (self.words[0] as u8 == kind::QUANTIZE).then(|| bytemuck::must_cast_ref(self))
    }

    /// The record by its kind; `None` for an unknown kind.
    #[inline]
    pub fn instruction(&self) -> Option<Instruction<'_>> {
        Some(match self.words[0] as u8 {
            kind::MASKED_CONV => Instruction::MaskedConv(bytemuck::must_cast_ref(self)),
            kind::QUANTIZE => Instruction::Quantize(bytemuck::must_cast_ref(self)),
            #[cfg(feature = "lstm")]
            kind::ROW_LSTM => Instruction::RowLstm(bytemuck::must_cast_ref(self)),
            #[cfg(feature = "lstm")]
            kind::DIAGONAL_LEFT => Instruction::DiagonalLeft(bytemuck::must_cast_ref(self)),
            #[cfg(feature = "lstm")]
            kind::DIAGONAL_RIGHT => Instruction::DiagonalRight(bytemuck::must_cast_ref(self)),
            _ => return Elementwise::of(self).map(Instruction::Elementwise),
        })
    }
}

macro_rules! into_record {
    ($($record:ty),*) => {$(
        impl From<$record> for Record {
            fn from(record: $record) -> Self {
                bytemuck::must_cast(record)
            }
        }
    )*};
}
into_record!(
    ConvRecord,
    QuantizeRecord,
    ReluRecord,
    EluRecord,
    LeakyReluRecord,
    TanhRecord,
    AddRecord,
    DepthGateRecord,
    LstmRecord
);

/// First feature of colour group `group`, out of `count` features sorted into `groups` groups; `group == groups` gives `count`.
///
/// Group sizes differ by one at most; larger groups come first.
#[inline]
pub const fn group_start(count: usize, groups: usize, group: usize) -> usize {
    if groups == 3 {
        third(count, group)
    } else if group == 0 {
        0
    } else {
        count
    }
}

/// Fast path of [`group_start`] for three groups: division by a multiplication and a shift.
#[cfg_attr(pixelrnn_mve, inline(always))]
#[cfg_attr(not(pixelrnn_mve), inline(never))]
const fn third(count: usize, group: usize) -> usize {
    let each = if count <= u16::MAX as usize { ((count as u32 * 43_691) >> 17) as usize } else { divided(count) };
    let rest = count - 3 * each;
    group * each + if group < rest { group } else { rest }
}

/// `count / 3` for counts beyond the range of any record. Out of line: inlined, the compiler would always divide and then select,
/// and a Cortex-M0 divides slowly.
#[cold]
#[inline(never)]
const fn divided(count: usize) -> usize {
    count / 3
}

impl Instruction<'_> {
    /// Weight matrices of the op: one for a convolution; `input_to_state` and `state_to_state` for an LSTM.
    pub const fn matrices(self) -> [Option<MatrixDescriptor>; 2] {
        match self {
            Self::MaskedConv(conv) => [Some(conv.matrix()), None],
            Self::RowLstm(lstm) | Self::DiagonalLeft(lstm) | Self::DiagonalRight(lstm) => {
                if LSTM {
                    [Some(lstm.over_input()), Some(lstm.over_state())]
                } else {
                    [None, None]
                }
            }
            Self::Quantize(_) | Self::Elementwise(_) => [None, None],
        }
    }

    /// Offset and size in bytes of the op's other tables: cell bits and initial states of an LSTM.
    pub const fn tables(self, height: usize, weights: NumberFormat) -> [Option<(u32, usize)>; 2] {
        match self {
            Self::RowLstm(lstm) | Self::DiagonalLeft(lstm) | Self::DiagonalRight(lstm) => {
                let hidden = lstm.hidden as usize;
                let rows = if lstm.kind == kind::ROW_LSTM { 1 } else { height };
                let cell_bits = if lstm.cell_bits == 0 { None } else { Some((lstm.cell_bits, hidden)) };
                let initial = match lstm.initial {
                    0 => None,
                    at => Some((at, 2 * rows * hidden * weights.residual_bytes())),
                };
                [cell_bits, initial]
            }
            Self::MaskedConv(_) | Self::Quantize(_) | Self::Elementwise(_) => [None, None],
        }
    }

    /// Bytes of state that the op keeps between pixels, a multiple of four.
    pub const fn state_bytes(self, height: usize, width: usize, weights: NumberFormat, plan: Plan) -> usize {
        match self {
            Self::MaskedConv(conv) => {
                let kept = conv.kept_pixels(height, width) * conv.inputs as usize;
                (kept * weights.activation_bytes()).next_multiple_of(4)
            }
            Self::RowLstm(lstm) | Self::DiagonalLeft(lstm) | Self::DiagonalRight(lstm) => {
                if !LSTM {
                    return 0;
                }
                let [x, h, c, sums] = lstm.memory(width, weights, plan);
                x + h + c + sums
            }
            Self::Quantize(_) | Self::Elementwise(_) => 0,
        }
    }

    /// Factors of the op, repeated to three.
    pub(crate) const fn rescales(self) -> [Rescale; 3] {
        match self {
            Self::MaskedConv(_) => [Rescale::UNUSED; 3],
            Self::Quantize(q) => [q.rescale; 3],
            Self::Elementwise(op) => op.rescales(),
            Self::RowLstm(l) | Self::DiagonalLeft(l) | Self::DiagonalRight(l) => {
                [l.to_hidden, l.to_output, l.initial_to_hidden]
            }
        }
    }

    /// Multiply-adds per pixel.
    pub const fn multiply_adds(self, groups: usize) -> usize {
        self.weights(groups, Layout::RowMajor)
    }

    /// Weights of the op in the blob: [`Instruction::multiply_adds`] plus the padding of `layout`.
    pub const fn weights(self, groups: usize, layout: Layout) -> usize {
        let [first, second] = self.matrices();
        let first = match first {
            Some(matrix) => matrix.weights_before(groups, groups, layout),
            None => 0,
        };
        let second = match second {
            Some(matrix) => matrix.weights_before(groups, groups, layout),
            None => 0,
        };
        first + second
    }

    /// Name of the op, for messages.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::MaskedConv(_) => "masked_conv",
            Self::Quantize(_) => "quantize",
            Self::Elementwise(op) => op.kind(),
            Self::RowLstm(_) => "row_lstm",
            Self::DiagonalLeft(_) => "diagonal_left",
            Self::DiagonalRight(_) => "diagonal_right",
        }
    }
}

impl Record {
    /// Fields that hold offsets into the blob, for tools that move its sections. An offset of 0 means absent.
    pub fn offsets_mut(&mut self) -> [Option<&mut u32>; 8] {
        match self.kind() {
            kind::MASKED_CONV => {
                let conv: &mut ConvRecord = bytemuck::must_cast_mut(self);
                let ConvRecord { weights, bias, multipliers, class_bias, .. } = conv;
                [Some(weights), Some(bias), Some(multipliers), Some(class_bias), None, None, None, None]
            }
            kind::ROW_LSTM | kind::DIAGONAL_LEFT | kind::DIAGONAL_RIGHT => {
                let lstm: &mut LstmRecord = bytemuck::must_cast_mut(self);
                let LstmRecord {
                    weights_x,
                    bias,
                    multipliers_x,
                    weights_h,
                    multipliers_h,
                    class_bias,
                    initial,
                    cell_bits,
                    ..
                } = lstm;
                [weights_x, bias, multipliers_x, weights_h, multipliers_h, class_bias, initial, cell_bits].map(Some)
            }
            _ => [const { None }; 8],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::group_start;

    #[test]
    fn groups_of_three_differ_by_one_at_most_whatever_the_count() {
        for count in 0..1 << 17 {
            let starts = [0, 1, 2, 3].map(|group| group_start(count, 3, group));
            let (each, rest) = (count / 3, count % 3);
            assert_eq!(starts, [0, 1, 2, 3].map(|group| group * each + group.min(rest)), "{count}");
        }
    }
}
