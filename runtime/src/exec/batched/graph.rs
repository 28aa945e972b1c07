//! Ops that only graphs have, at all columns of the batch.

use super::conv::Conv;
use super::elementwise;
use super::lstm::{self, Lstm};
use super::ops::{Op, OpState};
use super::pack::{Pack, each_word};
use super::row_cache::{RowCache, Shape};
use super::step::{Scratch, Step};
use crate::arithmetic::Arithmetic;
use crate::blob::{
    DType, GraphOp as Record, JoinRecord, KeepRecord, LoadRecord, LogitsRecord, Model, Phase, SegmentRecord, Span,
    TableIndex, TableRecord, group_start,
};
use crate::exec::error::Corrupt;
use crate::kernels::{Kernel, map};
use crate::network::Image;
use bytemuck::Pod;

/// Op that only graphs have, besides convolutions.
pub(super) enum GraphOp {
    /// Nothing to do: the executor follows the structure.
    Structure,
    Keep(KeepRecord),
    Load(LoadRecord),
    Table(Table),
    Join(JoinRecord),
    Logits(LogitsRecord),
}

/// Table with its rows.
pub(super) struct Table {
    record: TableRecord,
    /// `[rows, count]`.
    rows: Vec<i16>,
}

impl GraphOp {
    pub(super) fn new(model: &Model<'_>, op: Record<'_>) -> Option<Self> {
        Some(match op {
            Record::Graph(_) | Record::Segment(_) => Self::Structure,
            Record::Keep(record) => Self::Keep(*record),
            Record::Load(record) => Self::Load(*record),
            Record::Table(record) => {
                let count = record.rows(model.classes(), model.image().levels) * usize::from(record.count);
                let rows: &[i16] = model.slice(record.table, 0..count)?;
                Self::Table(Table { record: *record, rows: rows.to_vec() })
            }
            Record::Join(record) => Self::Join(*record),
            Record::Logits(record) => Self::Logits(*record),
            // Among the convolutions.
            Record::Conv(_) => return None,
        })
    }
}

/// Rows and columns of a map that are read, around the position of the reader.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MapShape {
    /// Rows up from the row of the pixel.
    above: usize,
    /// Rows down.
    pub(super) below: usize,
    left: usize,
    right: usize,
}

/// Shape of each map of a model, with the index of its op.
pub(super) fn map_shapes(model: &Model<'_>) -> Vec<(usize, MapShape)> {
    let mut shapes: Vec<(usize, MapShape)> = Vec::new();
    let mut segment: Option<&SegmentRecord> = None;
    let mut reads: Vec<(usize, [isize; 2], [isize; 2])> = Vec::new();
    for (n, record) in model.records().iter().enumerate() {
        segment = record.segment().or(segment);
        let own = segment.map_or(0, |segment| segment.rows_ahead as isize);
        match record.instruction() {
            Some(crate::blob::Instruction::Graph(Record::Keep(_))) => {
                let below = own.unsigned_abs();
                shapes.push((n, MapShape { below, ..MapShape::default() }));
            }
            Some(crate::blob::Instruction::Graph(Record::Load(load))) => {
                let column = -(load.columns as isize);
                let rows = -(load.rows as isize);
                reads.push((load.map.into(), [rows, own + rows], [column; 2]));
            }
            Some(crate::blob::Instruction::Graph(Record::Conv(conv))) => {
                let (left, dilation) = (isize::from(conv.anchor[1]), isize::from(conv.dilation));
                for (rows, taps) in conv.rows() {
                    let last = (taps as isize - 1 - left) * dilation;
                    reads.push((conv.map.into(), [rows, own + rows], [-left * dilation, last]));
                }
            }
            _ => {}
        }
    }
    // Before the first row, a segment runs for all rows up to the one that it is ahead of: it reads above the image as well.
    for (map, [up, down], [first, last]) in reads {
        if let Some((_, shape)) = shapes.iter_mut().find(|(n, _)| *n == map) {
            shape.above = shape.above.max((-up).max(0).unsigned_abs());
            shape.below = shape.below.max(down.max(0).unsigned_abs());
            shape.left = shape.left.max((-first).max(0).unsigned_abs());
            shape.right = shape.right.max(last.max(0).unsigned_abs());
        }
    }
    shapes
}

/// State of a map for `images` images.
pub(super) fn state<A: Pack>(record: &KeepRecord, shape: MapShape, images: usize, image: Image) -> OpState<A> {
    let features = usize::from(record.count);
    let columns = [shape.left, image.width, shape.right];
    let shape = Shape { images, rows: shape.above + shape.below + 1, columns, features };
    match record.dtype() {
        Some(DType::Residual) => OpState::WideMap(RowCache::new(shape)),
        // As a convolution keeps its own inputs: see `conv::joined`.
        _ if features.is_multiple_of(each_word::<A>()) => OpState::Map(RowCache::new(shape)),
        _ => OpState::Map(RowCache::by_image(shape)),
    }
}

/// Resets a map before an image: all pixels outside are padding.
pub(super) fn restart<A: Pack>(record: &KeepRecord, state: &mut OpState<A>) {
    match state {
        OpState::Map(rows) => rows.fill(A::input(A::zero(record.zero_point))),
        OpState::WideMap(rows) => rows.fill(0),
        OpState::Conv(_) | OpState::Lstm(_) | OpState::Nothing => {}
    }
}

/// Fills a row below the image with padding.
pub(super) fn pad_row<A: Pack>(record: &KeepRecord, state: &mut OpState<A>, row: usize, image: Image, images: usize) {
    for (image_number, column) in (0..images).flat_map(|n| (0..image.width).map(move |column| (n, column))) {
        match state {
            OpState::Map(rows) => {
                if let Some(vector) = rows.get_mut(image_number, row, column) {
                    vector.fill(A::input(A::zero(record.zero_point)));
                }
            }
            OpState::WideMap(rows) => {
                if let Some(vector) = rows.get_mut(image_number, row, column) {
                    vector.fill(0);
                }
            }
            OpState::Conv(_) | OpState::Lstm(_) | OpState::Nothing => {}
        }
    }
}

/// Runs op `n` at all columns of the batch. Of `op_states` it reads its own and that of its map.
#[inline(always)]
pub(super) fn op<A: Pack, K: Kernel>(
    n: usize,
    op: &Op<A>,
    op_states: &mut [OpState<A>],
    step: &Step,
    scratch: &mut Scratch,
    kernel: K,
) -> Result<(), Corrupt> {
    match op {
        Op::Conv(conv) => run_conv(n, conv, op_states, step, scratch, kernel),
        Op::Lstm(lstm) => match op_states.get_mut(n) {
            Some(OpState::Lstm(state)) => run_lstm(lstm, step, state, scratch, kernel),
            _ => Err(Corrupt),
        },
        Op::Quantize(record) => elementwise::quantize::<A, K>(record, step, scratch, kernel),
        Op::Elementwise(record) => {
            elementwise::run::<A, K>(record.elementwise().ok_or(Corrupt)?, step, scratch, kernel)
        }
        Op::Graph(op) => graph_op(n, op, op_states, step, scratch, kernel),
    }
}

// The two large ops stand outside the executor's loops: inlined there, with a copy for each loop and kernel, they take minutes to
// compile.

#[inline(never)]
fn run_conv<A: Pack, K: Kernel>(
    n: usize,
    conv: &Conv<A>,
    op_states: &mut [OpState<A>],
    step: &Step,
    scratch: &mut Scratch,
    kernel: K,
) -> Result<(), Corrupt> {
    kernel.run(
        #[inline(always)]
        || match conv.map {
            Some(map) => {
                let rows = op_states.get(map).ok_or(Corrupt)?.rows();
                conv.run_over(step, rows, scratch, kernel)
            }
            None => match op_states.get_mut(n) {
                Some(OpState::Conv(state)) => conv.run(step, state, scratch, kernel),
                _ => Err(Corrupt),
            },
        },
    )
}

#[inline(never)]
fn run_lstm<A: Pack, K: Kernel>(
    lstm: &Lstm<A>,
    step: &Step,
    state: &mut lstm::State<A>,
    scratch: &mut Scratch,
    kernel: K,
) -> Result<(), Corrupt> {
    kernel.run(
        #[inline(always)]
        || lstm.run(step, state, scratch, kernel),
    )
}

fn graph_op<A: Pack, K: Kernel>(
    n: usize,
    op: &GraphOp,
    op_states: &mut [OpState<A>],
    step: &Step,
    scratch: &mut Scratch,
    kernel: K,
) -> Result<(), Corrupt> {
    match op {
        GraphOp::Structure => Ok(()),
        GraphOp::Keep(record) => {
            // The image is kept when its values are known.
            if record.input == 0 {
                return Ok(());
            }
            match op_states.get_mut(n) {
                Some(OpState::Map(rows)) => rows.keep(step, &scratch.registers, record.input),
                Some(OpState::WideMap(rows)) => rows.keep(step, &scratch.registers, record.input),
                _ => Err(Corrupt),
            }
        }
        GraphOp::Load(record) => match op_states.get(usize::from(record.map)).ok_or(Corrupt)? {
            OpState::Map(rows) => load(record, rows, step, scratch),
            OpState::WideMap(rows) => load(record, rows, step, scratch),
            OpState::Conv(_) | OpState::Lstm(_) | OpState::Nothing => Err(Corrupt),
        },
        GraphOp::Table(table) => table.run(step, scratch),
        GraphOp::Join(record) => join::<A, K>(record, step, scratch, kernel),
        GraphOp::Logits(record) => logits::<A>(record, step, scratch),
    }
}

/// Copies the vectors of a map at all columns of the batch, for all colour groups.
fn load<T: Pod>(record: &LoadRecord, rows: &RowCache<T>, step: &Step, scratch: &mut Scratch) -> Result<(), Corrupt> {
    let count = usize::from(record.count);
    let y = scratch.registers.get_mut::<T>(record.output, count).ok_or(Corrupt)?;
    for (batch_column, y) in y.chunks_exact_mut(count).take(step.batch_columns()).enumerate() {
        let (image, column) = step.batch_column(batch_column);
        let at = rows.at(image, step.row, record.rows.into(), column, record.columns as isize);
        y.copy_from_slice(rows.slice().get(at..at + count).ok_or(Corrupt)?);
    }
    Ok(())
}

impl Table {
    fn run(&self, step: &Step, scratch: &mut Scratch) -> Result<(), Corrupt> {
        let count = usize::from(self.record.count);
        let Scratch { registers, values, .. } = scratch;
        let y = registers.get_mut::<i16>(self.record.output, count).ok_or(Corrupt)?;
        for (y, value) in y.chunks_exact_mut(count).zip(values).take(step.batch_columns()) {
            let row = match self.record.index().ok_or(Corrupt)? {
                TableIndex::Only => 0,
                TableIndex::Label => step.label.ok_or(Corrupt)?,
                TableIndex::Value => usize::from(*value),
            };
            y.copy_from_slice(self.rows.get(row * count..(row + 1) * count).ok_or(Corrupt)?);
        }
        Ok(())
    }
}

fn join<A: Pack, K: Kernel>(record: &JoinRecord, step: &Step, scratch: &mut Scratch, kernel: K) -> Result<(), Corrupt> {
    let count = usize::from(record.count);
    let Scratch { registers, sums, .. } = scratch;
    for column in 0..step.batch_columns() {
        for group in step.groups.clone() {
            let start = column * count + group_start(count, step.all_groups, group);
            let end = column * count + group_start(count, step.all_groups, group + 1);
            // An output may lie where an input does: a group is read before it is written.
            let values = sums.get_mut(..end - start).ok_or(Corrupt)?;
            let mut rest = &mut *values;
            for n in 0..2 {
                let Span { from, count: taken } = *record.spans[n].get(group).ok_or(Corrupt)?;
                if taken == 0 {
                    // An input that gives nothing may lie anywhere.
                    continue;
                }
                let inputs = usize::from(record.counts[n]);
                let first = column * inputs + usize::from(from);
                let x = registers.get::<i16>(record.inputs[n], inputs).ok_or(Corrupt)?;
                let x = x.get(first..first + usize::from(taken)).ok_or(Corrupt)?;
                let (to, others) = rest.split_at_mut_checked(x.len()).ok_or(Corrupt)?;
                map(
                    kernel,
                    x,
                    to,
                    #[inline(always)]
                    |x, v| *v = <A as Arithmetic>::output(x, record.rescale[n], 0).into(),
                );
                rest = others;
            }
            rest.fill(0);
            let y =
                registers.get_mut::<i16>(record.output, count).ok_or(Corrupt)?.get_mut(start..end).ok_or(Corrupt)?;
            map(
                kernel,
                values,
                y,
                #[inline(always)]
                |v, y| *y = v as i16,
            );
        }
    }
    Ok(())
}

/// Scaled sums of the logits; `predicted_of_sums` shifts them.
fn logits<A: Pack>(record: &LogitsRecord, step: &Step, scratch: &mut Scratch) -> Result<(), Corrupt> {
    let count = usize::from(record.count);
    let Scratch { registers, logits, logit_stride, .. } = scratch;
    let x = registers.get::<i16>(record.input, count).ok_or(Corrupt)?;
    let columns = x.chunks_exact(count).zip(logits.chunks_exact_mut(*logit_stride)).take(step.batch_columns());
    for (x, logits) in columns {
        for (logit, x) in logits.iter_mut().zip(x) {
            *logit = <A as Arithmetic>::quantize(*x, record.rescale).cast_unsigned();
        }
    }
    Ok(())
}

/// True for a phase whose ops run over whole rows.
pub(super) const fn is_by_row(phase: Phase) -> bool {
    matches!(phase, Phase::Given | Phase::Above | Phase::Row)
}
