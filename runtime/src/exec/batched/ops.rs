//! Ops with packed weights, and their states.

use super::conv::{self, Conv};
use super::lstm::{self, Kind, Lstm};
use super::pack::Pack;
use super::packed_matrix::PackedMatrix;
use super::row_cache::RowCache;
use crate::blob::{Instruction, Model, QuantizeRecord, Record};

/// Op with packed weights.
#[repr(u8)] // explicit tag: avoids niche decoding on every op
pub(super) enum Op<A> {
    Conv(Conv<A>),
    Lstm(Box<Lstm<A>>),
    /// Residual to activations.
    Quantize(QuantizeRecord),
    /// Elementwise op on the residual.
    Elementwise(Record),
}

/// Ops of a model, in order of execution.
pub(super) struct Ops<A>(pub(super) Vec<Op<A>>);

impl<A: Pack> Ops<A> {
    pub(super) fn new(model: &Model<'_>) -> Option<Self> {
        let op = |(n, record): (usize, &Record)| {
            Some(match record.instruction()? {
                Instruction::MaskedConv(record) => Op::Conv(Conv::new(model, record, n == 0)?),
                Instruction::RowLstm(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Row)?)),
                Instruction::DiagonalLeft(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Left)?)),
                Instruction::DiagonalRight(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Right)?)),
                Instruction::Quantize(record) => Op::Quantize(*record),
                Instruction::Elementwise(_) => Op::Elementwise(*record),
                Instruction::Graph(_) => return None,
            })
        };
        model.records().iter().enumerate().map(op).collect::<Option<_>>().map(Self)
    }

    /// Bytes of all packed weights.
    pub(super) fn weight_bytes(&self) -> usize {
        let bytes = |op: &Op<A>| match op {
            Op::Conv(conv) => conv.bytes(),
            Op::Lstm(lstm) => lstm.packed().map(PackedMatrix::bytes).sum(),
            Op::Quantize(_) | Op::Elementwise(_) => 0,
        };
        self.0.iter().map(bytes).sum::<usize>()
    }
}

/// State that an op keeps between steps.
#[repr(u8)] // explicit tag, see `Op`
pub(super) enum OpState<A: Pack> {
    Conv(conv::State<A>),
    Lstm(Box<lstm::State<A>>),
    Nothing,
}

impl<A: Pack> OpState<A> {
    /// Cached inputs of a convolution; `None` for other ops.
    #[inline(always)]
    pub(super) fn rows(&self) -> Option<&RowCache<A::Input>> {
        if let Self::Conv(rows) = self { rows.as_ref() } else { None }
    }

    /// Mutable cached inputs of a convolution; `None` for other ops.
    #[inline(always)]
    pub(super) fn rows_mut(&mut self) -> Option<&mut RowCache<A::Input>> {
        if let Self::Conv(rows) = self { rows.as_mut() } else { None }
    }
}
