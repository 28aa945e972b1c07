//! All ops at the places of a step, and what waits for the end of a row.

use super::chain::Chain;
use super::conv::{self, Conv};
use super::linear::{OUTPUTS, Packed};
use super::lstm::{Kind, Lstm, State};
use super::registers::Registers;
use super::rows::Rows;
use super::{Pack, elementwise};
use crate::blob::{Instruction, Model, Record};
use crate::kernels::Kernel;
use crate::kernels::panel::Pieces;
use core::ops::Range;

/// What is computed at once: columns of a row of one image, or a column of some images.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) images: usize,
    pub(super) width: usize,
    pub(super) row: usize,
    /// The first column.
    pub(super) column: usize,
    pub(super) columns: usize,
    /// Colours that are computed.
    pub(super) groups: Range<usize>,
    /// Colours that there are.
    pub(super) all_groups: usize,
    pub(super) label: Option<usize>,
}

impl Step {
    pub(super) fn places(&self) -> usize {
        self.images * self.columns
    }

    /// Whether it is the first one of its row.
    pub(super) fn begins_row(&self) -> bool {
        self.column == 0 && self.groups.start == 0
    }

    /// Image and column of a place.
    #[inline(always)]
    pub(super) fn place(&self, place: usize) -> (usize, usize) {
        if self.images == 1 { (0, self.column + place) } else { (place, self.column) }
    }
}

/// What ops share.
pub(super) struct Shared {
    pub(super) registers: Registers,
    /// `[places, channels, levels]`: scaled sums, of which logits are made at once.
    pub(super) logits: Vec<u32>,
    pub(super) sums: Vec<i32>,
    pub(super) pieces: Pieces,
    pub(super) levels: usize,
}

/// An op with its weights packed.
#[repr(u8)] // a number in its own place is quicker to read than one that hides in a field, at each op of each pixel
pub(super) enum Op<A> {
    Conv(Conv<A>),
    Lstm(Box<Lstm<A>>),
    /// One without weights.
    Elementwise(Record),
}

/// A model with its weights packed.
pub(super) struct Ops<A>(Vec<Op<A>>);

impl<A: Pack> Ops<A> {
    pub(super) fn new(model: &Model<'_>) -> Option<Self> {
        let op = |(n, record): (usize, &Record)| {
            Some(match record.instruction()? {
                Instruction::MaskedConv(record) => Op::Conv(Conv::new(model, record, n == 0)?),
                Instruction::RowLstm(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Row)?)),
                Instruction::DiagonalLeft(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Left)?)),
                Instruction::DiagonalRight(record) => Op::Lstm(Box::new(Lstm::new(model, record, Kind::Right)?)),
                _ => Op::Elementwise(*record),
            })
        };
        model.records().iter().enumerate().map(op).collect::<Option<_>>().map(Self)
    }

    /// Bytes of all packed weights.
    pub(super) fn weight_bytes(&self) -> usize {
        let bytes = |op: &Op<A>| match op {
            Op::Conv(conv) => conv.bytes(),
            Op::Lstm(lstm) => lstm.packed().map(Packed::bytes).sum(),
            Op::Elementwise(_) => 0,
        };
        self.0.iter().map(bytes).sum::<usize>()
    }
}

/// What an op keeps.
#[repr(u8)] // as above
pub(super) enum Kept<A: Pack> {
    Conv(conv::State<A>),
    Lstm(Box<State<A>>),
    Nothing,
}

impl<A: Pack> Kept<A> {
    /// The inputs of later pixels.
    #[inline(always)]
    pub(super) fn rows(&self) -> Option<&Rows<A::Input>> {
        if let Self::Conv(rows) = self { rows.as_ref() } else { None }
    }

    /// As above, to write.
    #[inline(always)]
    pub(super) fn rows_mut(&mut self) -> Option<&mut Rows<A::Input>> {
        if let Self::Conv(rows) = self { rows.as_mut() } else { None }
    }
}

/// Images in the making.
pub(super) struct Walk<A: Pack> {
    pub(super) shared: Shared,
    /// How probable the values of a step were, of 2²⁴, `[places, channels]`; where places are images, one channel's alone.
    pub(super) frequencies: Vec<u32>,
    kept: Vec<Kept<A>>,
    /// Where one image is made pixel by pixel; elsewhere, `None`.
    chain: Option<Chain>,
    /// The activation of each value.
    table: Vec<A::Input>,
}

impl<A: Pack> Walk<A> {
    /// A walk of `images` images, `columns` columns at a time.
    pub(super) fn new(ops: &Ops<A>, model: &Model<'_>, images: usize, columns: usize) -> Option<Self> {
        let (image, header) = (model.image(), model.header());
        let most = images * columns.max(if images == 1 { image.width } else { 1 });
        let widest = header.register_bytes as usize;
        let kept = ops.0.iter().map(|op| match op {
            Op::Conv(conv) => Kept::Conv(conv.state(images, image.width)),
            Op::Lstm(lstm) => Kept::Lstm(Box::new(lstm.state(images, columns, image.width))),
            Op::Elementwise(_) => Kept::Nothing,
        });
        let pieces = ops
            .0
            .iter()
            .map(|op| match op {
                Op::Conv(conv) => conv.pieces(),
                Op::Lstm(lstm) => lstm.pieces(),
                Op::Elementwise(_) => 0,
            })
            .max();
        let table: &[A::Activation] = model.numbers(header.input_table, 0..image.levels)?;
        Some(Self {
            shared: Shared {
                registers: Registers::new(images * columns, widest),
                logits: vec![0; images * columns * image.channels * image.levels],
                sums: vec![0; most * OUTPUTS.max(widest)],
                pieces: Pieces::with_capacity(pieces.unwrap_or(0)),
                levels: image.levels,
            },
            frequencies: vec![0; images * columns * image.channels],
            chain: (images * columns == 1).then(|| Chain::new(&ops.0, image)),
            kept: kept.collect(),
            table: table.iter().map(|x| A::input(*x)).collect(),
        })
    }

    /// Goes back to the first pixel.
    pub(super) fn restart(&mut self, ops: &Ops<A>, width: usize) -> Option<()> {
        for (op, kept) in ops.0.iter().zip(&mut self.kept) {
            match (op, kept) {
                (Op::Conv(conv), Kept::Conv(state)) => conv.restart(state),
                (Op::Lstm(lstm), Kept::Lstm(state)) => lstm.restart(state, width)?,
                _ => {}
            }
        }
        Some(())
    }

    /// Runs all ops.
    #[inline(always)]
    pub(super) fn run<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Option<()> {
        for (op, kept) in ops.0.iter().zip(&mut self.kept) {
            match (op, kept) {
                (Op::Conv(conv), Kept::Conv(state)) => conv.run(step, state, &mut self.shared, kernel)?,
                (Op::Lstm(lstm), Kept::Lstm(state)) => lstm.run(step, state, &mut self.shared, kernel)?,
                (Op::Elementwise(record), _) => elementwise::run::<A, K>(record, step, &mut self.shared, kernel)?,
                _ => {}
            }
        }
        Some(())
    }

    /// Whether [`Walk::run_alone`] is the way to go: a colour of the only place.
    pub(super) fn is_alone(&self, step: &Step) -> bool {
        self.chain.is_some() && step.groups.len() == 1
    }

    /// As [`Walk::run`], at a pixel of the only image.
    #[inline(always)]
    pub(super) fn run_alone<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Option<()> {
        let chain = self.chain.as_mut()?;
        if step.begins_row() {
            chain.begin_row(&ops.0, &self.kept, step, &mut self.shared, kernel)?;
        }
        chain.run(&ops.0, &mut self.kept, step, &mut self.shared, kernel)
    }

    /// After a row: the sweeps of the right halves.
    #[inline(always)]
    pub(super) fn finish<K: Kernel>(&mut self, ops: &Ops<A>, step: &Step, kernel: K) -> Option<()> {
        for (op, kept) in ops.0.iter().zip(&mut self.kept) {
            if let (Op::Lstm(lstm), Kept::Lstm(state)) = (op, kept)
                && lstm.kind == Kind::Right
            {
                lstm.sweep(step, state, &mut self.shared, kernel)?;
            }
        }
        Some(())
    }

    /// Writes a value of a place: what later pixels and colours read.
    pub(super) fn store(&mut self, step: &Step, place: usize, channel: usize, value: u8) -> Option<()> {
        let x = *self.table.get(usize::from(value))?;
        let channels = step.all_groups;
        *self.shared.registers.get_mut(0, channels)?.get_mut(place * channels + channel)? = x;
        if let Some(rows) = self.kept.first_mut().and_then(Kept::rows_mut) {
            let (image, column) = step.place(place);
            *rows.get_mut(image, step.row, column)?.get_mut(channel)? = x;
        }
        Some(())
    }
}
