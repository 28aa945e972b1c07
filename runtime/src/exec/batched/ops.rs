//! Ops with packed weights, and their states.

use super::conv::{self, Conv};
use super::graph::{self, GraphOp, MapShape};
use super::lstm::{self, Kind, Lstm};
use super::pack::Pack;
use super::packed_matrix::PackedMatrix;
use super::row_cache::RowCache;
use crate::blob::{Instruction, Model, Phase, QuantizeRecord, Record};
use core::ops::Range;

/// Op with packed weights.
#[repr(u8)] // explicit tag: avoids niche decoding on every op
pub(super) enum Op<A> {
    Conv(Conv<A>),
    Lstm(Box<Lstm<A>>),
    /// Residual to activations.
    Quantize(QuantizeRecord),
    /// Elementwise op on the residual.
    Elementwise(Record),
    /// Structure of a graph, or an op that only graphs have.
    Graph(GraphOp),
}

/// Ops that run at the same positions.
pub(super) struct Segment {
    pub(super) phase: Phase,
    pub(super) rows_ahead: usize,
    pub(super) ops: Range<usize>,
}

/// Ops of a model, in the order of their records.
pub(super) struct Ops<A> {
    pub(super) all: Vec<Op<A>>,
    pub(super) segments: Vec<Segment>,
    /// Colour groups of the model.
    pub(super) groups: usize,
    /// Convolutions and maps that keep the image's values as soon as they are known.
    pub(super) of_image: Vec<usize>,
    /// Shapes of the maps, by the index of their op.
    pub(super) maps: Vec<(usize, MapShape)>,
}

impl<A: Pack> Ops<A> {
    pub(super) fn new(model: &Model<'_>) -> Option<Self> {
        let op = |record: &Record| {
            Some(match record.instruction()? {
                // The first op reads the image, and so does one of a graph, in register 0.
                Instruction::MaskedConv(record) => {
                    Op::Conv(Conv::new(model, record, record.input == 0 && record.past_taps() > 0)?)
                }
                Instruction::RowLstm(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Row)?)),
                Instruction::DiagonalLeft(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Left)?)),
                Instruction::DiagonalRight(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Right)?)),
                Instruction::Quantize(record) => Op::Quantize(*record),
                Instruction::Elementwise(_) => Op::Elementwise(*record),
                Instruction::Graph(crate::blob::GraphOp::Conv(conv)) => Op::Conv(Conv::over_map(model, conv)?),
                Instruction::Graph(op) => Op::Graph(GraphOp::new(model, op)?),
            })
        };
        let all: Vec<_> = model.records().iter().map(op).collect::<Option<_>>()?;
        let segments = segments(model);
        let of_image = |op: &Op<A>| match op {
            Op::Conv(conv) => conv.first,
            Op::Graph(GraphOp::Keep(keep)) => keep.input == 0,
            _ => false,
        };
        let of_image = (0..all.len()).filter(|n| of_image(&all[*n])).collect();
        let maps = graph::map_shapes(model);
        Some(Self { all, segments, groups: model.groups(), of_image, maps })
    }

    /// Ops at a pixel, with their indices.
    pub(super) fn past(&self) -> impl Iterator<Item = (usize, &Op<A>)> {
        let past = self.segments.iter().filter(|segment| segment.phase == Phase::Past);
        past.flat_map(|segment| segment.ops.clone()).filter_map(|n| Some((n, self.all.get(n)?)))
    }

    /// Bytes of all packed weights.
    pub(super) fn weight_bytes(&self) -> usize {
        let bytes = |op: &Op<A>| match op {
            Op::Conv(conv) => conv.bytes(),
            Op::Lstm(lstm) => lstm.packed().map(PackedMatrix::bytes).sum(),
            Op::Quantize(_) | Op::Elementwise(_) | Op::Graph(_) => 0,
        };
        self.all.iter().map(bytes).sum::<usize>()
    }
}

/// Segments of a model; one, at the pixel, without graph.
fn segments(model: &Model<'_>) -> Vec<Segment> {
    let records = model.records();
    if !model.is_graph() {
        return vec![Segment { phase: Phase::Past, rows_ahead: 0, ops: 0..records.len() }];
    }
    let segment = |(at, record): (usize, &Record)| {
        let segment = record.segment()?;
        let ops = at + 1..at + 1 + usize::from(segment.ops);
        Some(Segment { phase: segment.phase()?, rows_ahead: segment.rows_ahead.into(), ops })
    };
    records.iter().enumerate().filter_map(segment).collect()
}

/// State that an op keeps between steps.
#[repr(u8)] // explicit tag, see `Op`
pub(super) enum OpState<A: Pack> {
    Conv(conv::State<A>),
    Lstm(Box<lstm::State<A>>),
    /// Map of activations.
    Map(RowCache<A::Input>),
    /// Map of residuals.
    WideMap(RowCache<i16>),
    Nothing,
}

impl<A: Pack> OpState<A> {
    /// Cached inputs of a convolution, or a map of them; `None` for other ops.
    #[inline(always)]
    pub(super) fn rows(&self) -> Option<&RowCache<A::Input>> {
        match self {
            Self::Conv(rows) => rows.as_ref(),
            Self::Map(rows) => Some(rows),
            Self::Lstm(_) | Self::WideMap(_) | Self::Nothing => None,
        }
    }

    /// [`OpState::rows`], mutable.
    #[inline(always)]
    pub(super) fn rows_mut(&mut self) -> Option<&mut RowCache<A::Input>> {
        match self {
            Self::Conv(rows) => rows.as_mut(),
            Self::Map(rows) => Some(rows),
            Self::Lstm(_) | Self::WideMap(_) | Self::Nothing => None,
        }
    }
}
