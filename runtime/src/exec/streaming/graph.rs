//! Graphs: segments of ops at their positions, and the ops that only graphs have.

use super::context::{OpState, PixelContext, Scratch, split};
use super::conv::{Output, product, to_logits};
use super::elementwise::features;
use super::forward::{end_ops, run_segment};
use super::gemv::OUTPUT_BLOCK;
use super::im2col::Im2Col;
use super::memory::{copy, fill};
use super::observer::Observer;
use super::ring::Ring;
use crate::arithmetic::Arithmetic;
use crate::blob::{
    DType, GraphOp, Instruction, JoinRecord, KeepRecord, LoadRecord, LogitsRecord, MapConvRecord, Model, Phase, Plan,
    Record, SegmentRecord, Span, TableIndex, TableRecord,
};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use bytemuck::Pod;
use core::ops::Range;

/// Segments of a graph, in the order of the records: each with its phase and the range of its ops.
fn segments<'a>(model: &Model<'a>) -> impl Iterator<Item = (&'a SegmentRecord, Phase, Range<usize>)> + use<'a> {
    let (records, mut at) = (model.records(), 1);
    core::iter::from_fn(move || {
        let segment = records.get(at)?.segment()?;
        let ops = at + 1..at + 1 + usize::from(segment.ops);
        at = ops.end;
        Some((segment, segment.phase()?, ops))
    })
}

/// Runs the ops of one colour of one pixel: before the first colour, the segments that run ahead of the pixel.
#[inline(never)]
pub(super) fn pixel<A: Arithmetic, K: Kernel, O: Observer>(
    context: &PixelContext<'_>,
    op_state: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
    observer: &mut O,
) -> Result<(), Corrupt> {
    if context.group == 0 {
        for wanted in [Phase::Given, Phase::Above] {
            for (segment, _, ops) in segments(&context.model).filter(|(_, phase, _)| *phase == wanted) {
                ahead::<A, K, O>(context, segment, &ops, op_state, scratch, kernel, observer)?;
            }
        }
        observer.position(context.row, context.column);
    }
    for (segment, _, ops) in segments(&context.model).filter(|(_, phase, _)| *phase == Phase::Past) {
        run_segment(ops, context, op_state.from(state(segment, context)).ok_or(Corrupt)?, scratch, kernel, observer)?;
    }
    Ok(())
}

/// Words of op state before the segment's.
fn state(segment: &SegmentRecord, context: &PixelContext<'_>) -> usize {
    (segment.state[context.plan as usize] / 4) as usize
}

/// Runs a segment at the positions that are due at the current pixel.
fn ahead<A: Arithmetic, K: Kernel, O: Observer>(
    context: &PixelContext<'_>,
    segment: &SegmentRecord,
    ops: &Range<usize>,
    op_state: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
    observer: &mut O,
) -> Result<(), Corrupt> {
    let PixelContext { row, column, width, height, .. } = *context;
    let by_row = segment.phase == Phase::Given as u8 || context.plan == Plan::Row;
    let columns_ahead = if by_row { width - 1 } else { usize::from(segment.columns_ahead) };
    // At the first column of a row, all columns up to the one that is ahead; then one at each pixel.
    let first = if column == 0 { 0 } else { column + columns_ahead };
    let columns = first..(column + columns_ahead + 1).min(width);
    let rows_ahead = usize::from(segment.rows_ahead);
    let first = if row == 0 { 0 } else { row + rows_ahead };
    for row in first..(row + rows_ahead + 1).min(height) {
        for column in columns.clone() {
            let at = PixelContext { row, column, ..*context };
            position::<A, K, O>(&at, segment, ops, op_state, scratch, kernel, observer)?;
        }
    }
    Ok(())
}

/// Runs a segment at one position, for all colour groups: each op for all of them, because ops may read all.
fn position<A: Arithmetic, K: Kernel, O: Observer>(
    context: &PixelContext<'_>,
    segment: &SegmentRecord,
    ops: &Range<usize>,
    op_state: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
    observer: &mut O,
) -> Result<(), Corrupt> {
    observer.position(context.row, context.column);
    let mut at = state(segment, context);
    if context.groups == 1 {
        return run_segment(ops.clone(), context, op_state.from(at).ok_or(Corrupt)?, scratch, kernel, observer);
    }
    for op in ops.clone() {
        for group in 0..context.groups {
            let context = PixelContext { group, ..*context };
            run_segment(op..op + 1, &context, op_state.from(at).ok_or(Corrupt)?, scratch, kernel, observer)?;
        }
        let instruction = context.model.records().get(op).and_then(Record::instruction).ok_or(Corrupt)?;
        // The state of a graph's own ops is in the maps.
        if !matches!(instruction, Instruction::Graph(_)) {
            at += instruction.state_bytes(context.height, context.width, context.model.weights(), context.plan) / 4;
        }
    }
    Ok(())
}

/// Work after the value of a colour group is known, or all values without groups: ops that know it run.
#[inline(never)]
pub(super) fn end_group<A: Arithmetic, K: Kernel>(
    context: &PixelContext<'_>,
    state_words: &mut [u32],
    sums: &mut [A::Sum; OUTPUT_BLOCK],
    kernel: K,
) -> Result<(), Corrupt> {
    let (mut scratch, mut op_state) = split::<A>(&context.model, context.plan, state_words, sums).ok_or(Corrupt)?;
    for (segment, _, ops) in segments(&context.model).filter(|(_, phase, _)| *phase == Phase::Itself) {
        let op_state = op_state.from(state(segment, context)).ok_or(Corrupt)?;
        run_segment(ops, context, op_state, &mut scratch, kernel, &mut ())?;
    }
    Ok(())
}

/// Work after all values of a pixel are known: image values are kept, and after a row ops that know it run.
#[inline(never)]
pub(super) fn end_pixel<A: Arithmetic, K: Kernel>(
    context: &PixelContext<'_>,
    op_state: &mut OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    for (segment, _, ops) in segments(&context.model).filter(|(_, phase, _)| *phase == Phase::Past) {
        end_ops(context, ops, op_state.from(state(segment, context)).ok_or(Corrupt)?, scratch, kernel)?;
    }
    if context.column + 1 < context.width {
        return Ok(());
    }
    for (segment, _, ops) in segments(&context.model).filter(|(_, phase, _)| *phase == Phase::Row) {
        for column in 0..context.width {
            let at = PixelContext { column, ..*context };
            position::<A, K, ()>(&at, segment, &ops, op_state, scratch, kernel, &mut ())?;
        }
    }
    Ok(())
}

/// Runs an op that only graphs have, for the colour group of the context.
#[inline(never)]
pub(super) fn op<A: Arithmetic, K: Kernel>(
    op: GraphOp<'_>,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    match op {
        // Structure: it has been followed by the caller.
        GraphOp::Graph(_) | GraphOp::Segment(_) => Ok(()),
        GraphOp::Keep(record) => match record.dtype().ok_or(Corrupt)? {
            DType::Activation => keep::<A::Activation, A>(record, context, scratch),
            DType::Residual => keep::<A::Residual, A>(record, context, scratch),
        },
        GraphOp::Load(record) => match record.dtype().ok_or(Corrupt)? {
            DType::Activation => load::<A::Activation, A>(record, context, scratch, A::zero),
            DType::Residual => load::<A::Residual, A>(record, context, scratch, |_| A::Residual::default()),
        },
        GraphOp::Conv(record) => conv::<A, K>(record, context, scratch, kernel),
        GraphOp::Table(record) => table::<A>(record, context, scratch),
        GraphOp::Join(record) => join::<A>(record, context, scratch),
        GraphOp::Logits(record) => logits::<A, K>(record, context, scratch, kernel),
    }
}

/// Map of a `keep`.
fn map<'s, T: Pod>(maps: &'s mut [u32], record: &KeepRecord, plan: Plan) -> Option<Ring<'s, T>> {
    let at = (record.at[plan as usize] / 4) as usize;
    Ring::new(maps.get_mut(at..)?, record.pixels(plan), usize::from(record.count))
}

/// Record of the map with index `op`.
fn record_of_map<'m>(context: &PixelContext<'m>, op: u16) -> Option<&'m KeepRecord> {
    context.model.records().get(usize::from(op))?.keep()
}

/// Writes a vector to its map, after the last colour group.
fn keep<T: Pod, A: Arithmetic>(
    record: &KeepRecord,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
) -> Result<(), Corrupt> {
    if context.group + 1 < context.groups {
        return Ok(());
    }
    let mut map = map::<T>(scratch.maps, record, context.plan).ok_or(Corrupt)?;
    scratch.registers.read(record.input, 0, map.get_mut(context.pixel()).ok_or(Corrupt)?)
}

/// Reads a vector of a map, with the first colour group for all of them.
fn load<T: Pod, A: Arithmetic>(
    record: &LoadRecord,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
    zero: impl Fn(i8) -> T,
) -> Result<(), Corrupt> {
    if context.group > 0 {
        return Ok(());
    }
    let of_map = record_of_map(context, record.map).ok_or(Corrupt)?;
    let map = map::<T>(scratch.maps, of_map, context.plan).ok_or(Corrupt)?;
    let y = scratch.registers.get_mut(record.output, 0..usize::from(record.count)).ok_or(Corrupt)?;
    let row = context.row.checked_sub(record.rows.into());
    if let Some((row, column)) = row.zip(context.column.checked_sub(record.columns.into())) {
        return copy(y, map.get(row * context.width + column).ok_or(Corrupt)?);
    }
    fill(y, zero(of_map.zero_point));
    Ok(())
}

/// Convolution over a map: gathers its taps, row by row, and the centre, then computes the outputs block by block.
fn conv<A: Arithmetic, K: Kernel>(
    record: &MapConvRecord,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let matrix = record.matrix();
    let open = matrix.open(context.groups, context.group);
    let length = context.model.layout().row(matrix.past + open);
    let gathered = length != open;
    if gathered {
        let Scratch { registers, im2col, maps, .. } = &mut *scratch;
        let mut rest = im2col.get_mut(..length).ok_or(Corrupt)?;
        let (inputs, dilation) = (usize::from(record.inputs), usize::from(record.dilation));
        if matrix.past > 0 {
            let of_map = record_of_map(context, record.map).ok_or(Corrupt)?;
            let map = map::<A::Activation>(maps, of_map, context.plan).ok_or(Corrupt)?;
            let left = usize::from(record.anchor[1]);
            let columns = Im2Col { left, dilation, zero: A::zero(record.input_zero_point) };
            for (down, taps) in record.rows() {
                let row = context.row.checked_add_signed(down).filter(|row| *row < context.height);
                columns.gather(context, row, &map, inputs, rest.split_off_mut(..taps * inputs).ok_or(Corrupt)?)?;
            }
        }
        if open > 0 {
            registers.read(record.input, 0, rest.split_off_mut(..open).ok_or(Corrupt)?)?;
        }
        fill(rest, A::zero(0));
    }
    let output = Output {
        destination: record.destination().ok_or(Corrupt)?,
        at: record.output,
        zero_point: record.output_zero_point,
        clamp_min: record.output_clamp_min,
        logit_shift: record.logit_shift,
    };
    product::<A, K>(&matrix, context, if gathered { None } else { Some(record.input) }, length, output, scratch, kernel)
}

/// Copies a row of a table, with the first colour group for all of them.
fn table<A: Arithmetic>(
    record: &TableRecord,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
) -> Result<(), Corrupt> {
    if context.group > 0 {
        return Ok(());
    }
    let row = match record.index().ok_or(Corrupt)? {
        TableIndex::Only => 0,
        TableIndex::Label => context.label.ok_or(Corrupt)?,
        TableIndex::Value => context.value.into(),
    };
    let count = usize::from(record.count);
    let values: &[A::Residual] = context.model.slice(record.table, row * count..(row + 1) * count).ok_or(Corrupt)?;
    copy(scratch.registers.get_mut(record.output, 0..count).ok_or(Corrupt)?, values)
}

/// Copies elements of one or two residuals, rescaled, and fills the rest with zeros.
fn join<A: Arithmetic>(
    record: &JoinRecord,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
) -> Result<(), Corrupt> {
    let Range { start: mut at, end } = features(context, record.count);
    let registers = &mut scratch.registers;
    for ((input, spans), rescale) in record.inputs.iter().zip(&record.spans).zip(record.rescale) {
        let Span { from, count } = *spans.get(context.group).ok_or(Corrupt)?;
        for n in 0..usize::from(count) {
            let from = usize::from(from) + n;
            let x = *registers.get::<A::Residual>(*input, from..from + 1).ok_or(Corrupt)?.first().ok_or(Corrupt)?;
            let y = registers.get_mut(record.output, at..at + 1).ok_or(Corrupt)?.first_mut().ok_or(Corrupt)?;
            *y = A::output(x, rescale, A::Residual::default());
            at += 1;
        }
    }
    fill(registers.get_mut(record.output, at..end).ok_or(Corrupt)?, A::Residual::default());
    Ok(())
}

/// Turns a residual into logits.
fn logits<A: Arithmetic, K: Kernel>(
    record: &LogitsRecord,
    context: &PixelContext<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let count = usize::from(record.count);
    let x = scratch.registers.get::<A::Residual>(record.input, 0..count).ok_or(Corrupt)?;
    let logits = scratch.logits.get_mut(..count).ok_or(Corrupt)?;
    for (logit, x) in logits.iter_mut().zip(x) {
        let sum = A::quantize(*x, record.rescale);
        *logit = if A::finite(&[sum]) { bytemuck::cast(sum) } else { return Err(Corrupt) };
    }
    to_logits::<A, K>(record.logit_shift, context, logits, kernel);
    Ok(())
}
