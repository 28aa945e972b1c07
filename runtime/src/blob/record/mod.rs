//! Op records of a blob, 64 bytes each.
//!
//! An op of the network description ([`crate::network::Op`]) works on floats and whole images; a record works on integers and one
//! pixel. It reads and writes *registers*: byte ranges that hold one vector of `i8` activations or `i16` residuals. In a colour
//! model the features of a vector are sorted by colour group.

mod conv;
mod elementwise;
mod graph;
mod join;
mod logits;
mod lstm;
mod map_conv;
mod matrix;
mod vectors;

pub use conv::{ConvRecord, Destination};
pub use elementwise::*;
pub(crate) use graph::is_graph_kind;
pub use graph::{GraphRecord, KeepRecord, LoadRecord, Phase, SegmentRecord, TableIndex, TableRecord};
pub use join::{JoinRecord, Span};
pub use logits::LogitsRecord;
pub use lstm::LstmRecord;
pub use map_conv::MapConvRecord;
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
    /// [`super::GraphRecord`].
    pub const GRAPH: u8 = 13;
    /// [`super::SegmentRecord`].
    pub const SEGMENT: u8 = 14;
    /// [`super::KeepRecord`].
    pub const KEEP: u8 = 15;
    /// [`super::LoadRecord`].
    pub const LOAD: u8 = 16;
    /// [`super::MapConvRecord`].
    pub const CONV: u8 = 17;
    /// [`super::TableRecord`].
    pub const TABLE: u8 = 18;
    /// [`super::JoinRecord`].
    pub const JOIN: u8 = 19;
    /// [`super::MultiplyRecord`].
    pub const MULTIPLY: u8 = 20;
    /// [`super::GateRecord`].
    pub const GATE: u8 = 21;
    /// [`super::GateRecord`] with the identity in the place of `tanh`.
    pub const GLU: u8 = 22;
    /// [`super::LogitsRecord`].
    pub const LOGITS: u8 = 23;
    /// [`super::LstmRecord`]: a Row LSTM.
    pub const ROW_LSTM: u8 = 7;
    /// [`super::LstmRecord`]: the left half of a Diagonal BiLSTM, from left to right.
    pub const DIAGONAL_LEFT: u8 = 8;
    /// [`super::LstmRecord`]: the right half of a Diagonal BiLSTM. It sweeps each finished row and adds to the next.
    pub const DIAGONAL_RIGHT: u8 = 9;
}

/// Set if LSTMs are compiled in. Guards their match arms: the compiler cannot prove them unreachable without the feature.
pub(crate) const LSTM: bool = cfg!(feature = "lstm");

/// Set if graphs are compiled in: ops in segments, and the elementwise ops that only they have.
pub(crate) const GRAPH: bool = cfg!(feature = "graph");

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
    /// Structure of a graph, or an op that only graphs have.
    Graph(GraphOp<'a>),
}

/// Record of a graph.
#[derive(Clone, Copy, Debug)]
pub enum GraphOp<'a> {
    /// Beginning of the records.
    Graph(&'a GraphRecord),
    /// Beginning of a segment.
    Segment(&'a SegmentRecord),
    /// Vector to map.
    Keep(&'a KeepRecord),
    /// Map to vector.
    Load(&'a LoadRecord),
    /// Convolution over a map.
    Conv(&'a MapConvRecord),
    /// Row of a table to residual.
    Table(&'a TableRecord),
    /// Concatenation or slice of residuals.
    Join(&'a JoinRecord),
    /// Residual to logits.
    Logits(&'a LogitsRecord),
}

impl<'a> GraphOp<'a> {
    /// Record of a graph; `None` for other kinds.
    #[inline(always)]
    fn of(record: &'a Record) -> Option<Self> {
        if !GRAPH {
            return None;
        }
        Some(match record.kind() {
            kind::GRAPH => Self::Graph(bytemuck::must_cast_ref(record)),
            kind::SEGMENT => Self::Segment(bytemuck::must_cast_ref(record)),
            kind::KEEP => Self::Keep(bytemuck::must_cast_ref(record)),
            kind::LOAD => Self::Load(bytemuck::must_cast_ref(record)),
            kind::CONV => Self::Conv(bytemuck::must_cast_ref(record)),
            kind::TABLE => Self::Table(bytemuck::must_cast_ref(record)),
            kind::JOIN => Self::Join(bytemuck::must_cast_ref(record)),
            kind::LOGITS => Self::Logits(bytemuck::must_cast_ref(record)),
            _ => return None,
        })
    }

    /// Name of the op, for messages.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Graph(_) => "graph",
            Self::Segment(_) => "segment",
            Self::Keep(_) => "keep",
            Self::Load(_) => "load",
            Self::Conv(_) => "conv",
            Self::Table(_) => "table",
            Self::Join(_) => "join",
            Self::Logits(_) => "logits",
        }
    }

    /// Weight matrix of a convolution.
    const fn matrix(self) -> Option<MatrixDescriptor> {
        match self {
            Self::Conv(conv) => Some(conv.matrix()),
            Self::Graph(_)
            | Self::Segment(_)
            | Self::Keep(_)
            | Self::Load(_)
            | Self::Table(_)
            | Self::Join(_)
            | Self::Logits(_) => None,
        }
    }

    /// Factors of the op, repeated to three.
    const fn rescales(self) -> [Rescale; 3] {
        match self {
            Self::Join(join) => [join.rescale[0], join.rescale[1], join.rescale[1]],
            Self::Logits(logits) => [logits.rescale; 3],
            Self::Graph(_) | Self::Segment(_) | Self::Keep(_) | Self::Load(_) | Self::Conv(_) | Self::Table(_) => {
                [Rescale::UNUSED; 3]
            }
        }
    }
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

    /// The record as the beginning of a graph; `None` for other kinds.
    #[inline(always)]
    pub(crate) fn graph(&self) -> Option<&GraphRecord> {
        (GRAPH && self.words[0] as u8 == kind::GRAPH).then(|| bytemuck::must_cast_ref(self))
    }

    /// The record as the beginning of a segment; `None` for other kinds.
    #[inline(always)]
    pub(crate) fn segment(&self) -> Option<&SegmentRecord> {
        (GRAPH && self.words[0] as u8 == kind::SEGMENT).then(|| bytemuck::must_cast_ref(self))
    }

    /// The record as a `keep`; `None` for other kinds.
    #[inline(always)]
    pub(crate) fn keep(&self) -> Option<&KeepRecord> {
        (GRAPH && self.words[0] as u8 == kind::KEEP).then(|| bytemuck::must_cast_ref(self))
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
            _ => {
                return match Elementwise::of(self) {
                    Some(op) => Some(Instruction::Elementwise(op)),
                    None => GraphOp::of(self).map(Instruction::Graph),
                };
            }
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
    LstmRecord,
    MultiplyRecord,
    GateRecord,
    GraphRecord,
    SegmentRecord,
    KeepRecord,
    LoadRecord,
    MapConvRecord,
    TableRecord,
    JoinRecord,
    LogitsRecord
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
            Self::Graph(op) => [op.matrix(), None],
            Self::Quantize(_) | Self::Elementwise(_) => [None, None],
        }
    }

    /// Offset and size in bytes of the op's other tables: cell bits and initial states of an LSTM.
    ///
    /// A table of a graph has `rows(classes, levels)` rows; `sizes` are the model's height, classes and levels.
    pub const fn tables(
        self,
        [height, classes, levels]: [usize; 3],
        weights: NumberFormat,
    ) -> [Option<(u32, usize)>; 2] {
        match self {
            Self::Graph(GraphOp::Table(table)) => {
                let count = table.rows(classes, levels) * table.count as usize;
                [Some((table.table, count * weights.residual_bytes())), None]
            }
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
            Self::MaskedConv(_) | Self::Quantize(_) | Self::Elementwise(_) | Self::Graph(_) => [None, None],
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
            Self::Graph(GraphOp::Keep(keep)) => keep.map_bytes(weights, plan),
            Self::Quantize(_) | Self::Elementwise(_) | Self::Graph(_) => 0,
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
            Self::Graph(op) => op.rescales(),
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
            Self::Graph(op) => op.kind(),
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
            kind::CONV => {
                let conv: &mut MapConvRecord = bytemuck::must_cast_mut(self);
                let MapConvRecord { weights, bias, multipliers, class_bias, .. } = conv;
                [Some(weights), Some(bias), Some(multipliers), Some(class_bias), None, None, None, None]
            }
            kind::TABLE => {
                let table: &mut TableRecord = bytemuck::must_cast_mut(self);
                [Some(&mut table.table), None, None, None, None, None, None, None]
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
