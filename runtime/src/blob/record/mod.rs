//! The ops of a blob, 64 bytes each.
//!
//! Where an op of the network description ([`crate::network::Op`]) works on floats and whole images, one of these works
//! on integers and one pixel: it reads and writes *registers*, byte ranges that hold one vector of `i8` activations or
//! of `i16` values of the residual stream. In a colour model the features of a vector are sorted by colour group.

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

/// Any op; the first byte says which.
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
    /// [`super::TanhRecord`], of the logistic function.
    pub const SIGMOID: u8 = 11;
    /// [`super::LeakyReluRecord`].
    pub const LEAKY_RELU: u8 = 12;
    /// [`super::LstmRecord`]: a Row LSTM.
    pub const ROW_LSTM: u8 = 7;
    /// [`super::LstmRecord`]: the left half of a Diagonal BiLSTM, which runs from left to right.
    pub const DIAGONAL_LEFT: u8 = 8;
    /// [`super::LstmRecord`]: the right half of a Diagonal BiLSTM, which runs over each finished row and adds to the next.
    pub const DIAGONAL_RIGHT: u8 = 9;
}

/// Whether LSTMs are compiled in. Where not, no [`Instruction`] is one, which the compiler does not see everywhere.
pub(crate) const LSTM: bool = cfg!(feature = "lstm");

/// A record, read as what it is.
#[derive(Clone, Copy, Debug)]
pub enum Instruction<'a> {
    /// Masked convolution.
    MaskedConv(&'a ConvRecord),
    /// Stream to activations.
    Quantize(&'a QuantizeRecord),
    /// Each feature by itself, on the residual.
    Elementwise(Elementwise<'a>),
    /// Row LSTM.
    RowLstm(&'a LstmRecord),
    /// Left half of a Diagonal BiLSTM.
    DiagonalLeft(&'a LstmRecord),
    /// Right half of a Diagonal BiLSTM.
    DiagonalRight(&'a LstmRecord),
}

impl Record {
    /// The first byte, one of [`kind`].
    pub(super) const fn kind(&self) -> u8 {
        self.words[0] as u8
    }

    /// A convolution, and nothing for any other op: quicker to find out than what it is of all kinds.
    #[inline(always)]
    pub(crate) fn conv(&self) -> Option<&ConvRecord> {
        (self.words[0] as u8 == kind::MASKED_CONV).then(|| bytemuck::must_cast_ref(self))
    }

    /// As [`Record::conv`], an elementwise op.
    #[inline(always)]
    #[cfg(feature = "std")]
    pub(crate) fn elementwise(&self) -> Option<Elementwise<'_>> {
        Elementwise::of(self)
    }

    /// As [`Record::conv`], a `quantize`.
    #[inline(always)]
    pub(crate) fn quantize(&self) -> Option<&QuantizeRecord> {
        (self.words[0] as u8 == kind::QUANTIZE).then(|| bytemuck::must_cast_ref(self))
    }

    /// What the record is; `None` for a kind that this version does not know.
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

/// First feature of colour group `group` of `groups`, of `count` features sorted by group; `group == groups` gives `count`.
///
/// Groups differ in size by one at most, the first ones being larger.
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

/// [`group_start`] of three groups.
#[cfg_attr(pixelrnn_mve, inline(always))]
#[cfg_attr(not(pixelrnn_mve), inline(never))]
const fn third(count: usize, group: usize) -> usize {
    let each = if count <= u16::MAX as usize { ((count as u32 * 43_691) >> 17) as usize } else { divided(count) };
    let rest = count - 3 * each;
    group * each + if group < rest { group } else { rest }
}

/// A third of a count that no record has. A function of its own, as the compiler would divide always and then choose, and a
/// Cortex-M0 divides slowly.
#[cold]
#[inline(never)]
const fn divided(count: usize) -> usize {
    count / 3
}

impl Instruction<'_> {
    /// The op's matrices of weights: one for a convolution; those over the input and over the state for an LSTM.
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

    /// Offset and bytes of the tables that the op reads besides its matrices: an LSTM's cell bits and initial states.
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

    /// Bytes of state that the op keeps from pixel to pixel, a multiple of four.
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

    /// The op's factors; some stand here more than once.
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

    /// Multiply-adds a pixel.
    pub const fn multiply_adds(self, groups: usize) -> usize {
        self.weights(groups, Layout::RowMajor)
    }

    /// Weights that the op has in the blob: [`Instruction::multiply_adds`], and the padding of `layout`.
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

    /// The op's name, for people.
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
    /// The fields that hold offsets of the blob; 0 in one that stands for nothing. For whoever moves the parts of a blob.
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
