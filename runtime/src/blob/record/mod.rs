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
pub use elementwise::{AddRecord, DepthGateRecord, EluRecord, QuantizeRecord, ReluRecord};
pub use lstm::LstmRecord;
pub(crate) use matrix::MatrixDescriptor;
pub use vectors::{DType, Vector, Vectors};

use super::header::{Layout, NumberFormat};
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
    /// ReLU on the stream.
    Relu(&'a ReluRecord),
    /// ELU on the stream.
    Elu(&'a EluRecord),
    /// Sum of two values.
    Add(&'a AddRecord),
    /// Highway gating over depth.
    DepthGate(&'a DepthGateRecord),
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
            kind::RELU => Instruction::Relu(bytemuck::must_cast_ref(self)),
            kind::ELU => Instruction::Elu(bytemuck::must_cast_ref(self)),
            kind::ADD => Instruction::Add(bytemuck::must_cast_ref(self)),
            kind::DEPTH_GATE => Instruction::DepthGate(bytemuck::must_cast_ref(self)),
            #[cfg(feature = "lstm")]
            kind::ROW_LSTM => Instruction::RowLstm(bytemuck::must_cast_ref(self)),
            #[cfg(feature = "lstm")]
            kind::DIAGONAL_LEFT => Instruction::DiagonalLeft(bytemuck::must_cast_ref(self)),
            #[cfg(feature = "lstm")]
            kind::DIAGONAL_RIGHT => Instruction::DiagonalRight(bytemuck::must_cast_ref(self)),
            _ => return None,
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
into_record!(ConvRecord, QuantizeRecord, ReluRecord, EluRecord, AddRecord, DepthGateRecord, LstmRecord);

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
    /// Bytes of state that the op keeps from pixel to pixel, a multiple of four.
    pub const fn state_bytes(self, height: usize, width: usize, weights: NumberFormat, plan: Plan) -> usize {
        match self {
            Self::MaskedConv(conv) => {
                let kept = conv.kept_pixels(height, width) * conv.inputs as usize;
                (kept * weights.activation_bytes()).next_multiple_of(4)
            }
            Self::RowLstm(lstm) | Self::DiagonalLeft(lstm) | Self::DiagonalRight(lstm) if LSTM => {
                let [x, h, c, sums] = lstm.memory(width, weights, plan);
                x + h + c + sums
            }
            _ => 0,
        }
    }

    /// The op's factors; some stand here more than once.
    pub(crate) const fn rescales(self) -> [Rescale; 3] {
        match self {
            Self::Quantize(q) => [q.rescale; 3],
            Self::Elu(e) => [e.exponent; 3],
            Self::Add(s) => [s.rescale_a, s.rescale_b, s.rescale_b],
            Self::DepthGate(d) => [d.rescale_a, d.rescale_b, d.rescale_t],
            Self::RowLstm(l) | Self::DiagonalLeft(l) | Self::DiagonalRight(l) if LSTM => {
                [l.to_hidden, l.to_output, l.initial_to_hidden]
            }
            _ => [Rescale { multiplier: 1, shift: 1 }; 3],
        }
    }

    /// Multiply-adds a pixel.
    pub const fn multiply_adds(self, groups: usize) -> usize {
        match self {
            Self::MaskedConv(conv) => conv.multiply_adds(groups),
            Self::RowLstm(lstm) | Self::DiagonalLeft(lstm) | Self::DiagonalRight(lstm) if LSTM => {
                lstm.x_weights_before(groups, groups, Layout::RowMajor) + lstm.h_weights(Layout::RowMajor)
            }
            _ => 0,
        }
    }

    /// Weights that the op has in the blob; [`Instruction::multiply_adds`], and what `layout` adds to make blocks whole.
    pub const fn weights(self, groups: usize, layout: Layout) -> usize {
        match self {
            Self::MaskedConv(conv) => conv.weights_before(groups, groups, layout),
            Self::RowLstm(lstm) | Self::DiagonalLeft(lstm) | Self::DiagonalRight(lstm) if LSTM => {
                lstm.x_weights_before(groups, groups, layout) + lstm.h_weights(layout)
            }
            _ => 0,
        }
    }

    /// The op's name, for people.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::MaskedConv(_) => "masked_conv",
            Self::Quantize(_) => "quantize",
            Self::Relu(_) => "relu",
            Self::Elu(_) => "elu",
            Self::Add(_) => "add",
            Self::DepthGate(_) => "depth_gate",
            Self::RowLstm(_) => "row_lstm",
            Self::DiagonalLeft(_) => "diagonal_left",
            Self::DiagonalRight(_) => "diagonal_right",
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
