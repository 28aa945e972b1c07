//! Forward pass of all ops at one pixel.

use super::context::{OpState, PixelContext, Scratch, split};
use super::conv::conv;
use super::elementwise::{self, features, quantize};
use super::gemv::OUTPUT_BLOCK;
use super::observer::Observer;
use super::{fused, graph, lstm};
use crate::arithmetic::Arithmetic;
use crate::blob::{GRAPH, Instruction, LSTM, Layout};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use core::ops::Range;

/// Runs all ops for one colour of one pixel and returns the logits; `Corrupt` if the blob changed after its check.
#[inline(never)]
pub(super) fn forward<'b, A: Arithmetic, K: Kernel, O: Observer>(
    context: &PixelContext<'_>,
    state: &'b mut [u32],
    sums: &'b mut [A::Sum; OUTPUT_BLOCK],
    kernel: K,
    observer: &mut O,
) -> Result<&'b mut [u32], Corrupt> {
    let (mut scratch, mut op_state) = split::<A>(&context.model, context.plan, state, sums).ok_or(Corrupt)?;
    if GRAPH && context.model.is_graph() {
        graph::pixel::<A, K, O>(context, &mut op_state, &mut scratch, kernel, observer)?;
    } else {
        run(0..context.model.records().len(), context, op_state, &mut scratch, kernel, observer)?;
    }
    Ok(scratch.logits)
}

/// [`run`], out of line: a graph calls it for each segment.
#[inline(never)]
pub(super) fn run_segment<A: Arithmetic, K: Kernel, O: Observer>(
    ops: Range<usize>,
    context: &PixelContext<'_>,
    op_state: OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
    observer: &mut O,
) -> Result<(), Corrupt> {
    run(ops, context, op_state, scratch, kernel, observer)
}

/// Runs the ops of a range of records, with the state of the first of them on, for one colour of one pixel.
#[inline(always)]
fn run<A: Arithmetic, K: Kernel, O: Observer>(
    ops: Range<usize>,
    context: &PixelContext<'_>,
    mut op_state: OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
    observer: &mut O,
) -> Result<(), Corrupt> {
    let Range { start: mut op, end } = ops;
    let mut records = context.model.records().get(op..end).ok_or(Corrupt)?.iter();
    loop {
        // The length test here saves a call at the end of the list. In a graph, the record after a segment ends the fast path.
        if K::FUSED && A::MULTIPLIERS && context.model.layout() == Layout::RowMajor && records.len() > 0 {
            let ops = if context.groups == 1 { fused::ops::<A, K, O, 1> } else { fused::ops::<A, K, O, 3> };
            op = ops(op..end, context, &mut op_state, scratch, kernel, observer)?;
            records = context.model.records().get(op..end).ok_or(Corrupt)?.iter();
        }
        let Some(record) = records.next() else { break };
        let instruction = record.instruction().ok_or(Corrupt)?;
        match instruction {
            Instruction::MaskedConv(record) => {
                let ring = op_state.ring::<A>(record, context).ok_or(Corrupt)?;
                conv::<A, K>(record, context, ring, scratch, kernel)?;
            }
            Instruction::Quantize(record) => {
                quantize(record, features(context, record.count), scratch, kernel)?;
            }
            Instruction::Elementwise(op) => elementwise::run(op, context, scratch, kernel)?,
            Instruction::RowLstm(record) => {
                if LSTM {
                    lstm::row(record, context, op_state.take(instruction, context).ok_or(Corrupt)?, scratch, kernel)?;
                }
            }
            Instruction::DiagonalLeft(record) => {
                if LSTM {
                    lstm::diagonal_left(
                        record,
                        context,
                        op_state.take(instruction, context).ok_or(Corrupt)?,
                        scratch,
                        kernel,
                    )?;
                }
            }
            Instruction::DiagonalRight(record) => {
                if LSTM {
                    lstm::diagonal_right(
                        record,
                        context,
                        op_state.take(instruction, context).ok_or(Corrupt)?,
                        scratch,
                        kernel,
                    )?;
                }
            }
            Instruction::Graph(op) => {
                if GRAPH {
                    graph::op(op, context, scratch, kernel)?;
                }
            }
        }
        observer.after(op, context.group, &scratch.registers, scratch.logits);
        op += 1;
    }
    Ok(())
}

/// Work after all values of a pixel are known: the first convolution keeps the image values, and after the last pixel of a row
/// each Diagonal BiLSTM sweeps the row.
#[inline(never)]
pub(super) fn end_pixel<A: Arithmetic, K: Kernel>(
    context: &PixelContext<'_>,
    state: &mut [u32],
    sums: &mut [A::Sum; OUTPUT_BLOCK],
    kernel: K,
) -> Result<(), Corrupt> {
    let (mut scratch, mut op_state) = split::<A>(&context.model, context.plan, state, sums).ok_or(Corrupt)?;
    if GRAPH && context.model.is_graph() {
        return graph::end_pixel::<A, K>(context, &mut op_state, &mut scratch, kernel);
    }
    end_ops::<A, K>(context, 0..context.model.records().len(), op_state, &mut scratch, kernel)
}

/// [`end_pixel`] of a range of ops. The first may be a convolution that reads the image.
pub(super) fn end_ops<A: Arithmetic, K: Kernel>(
    context: &PixelContext<'_>,
    ops: Range<usize>,
    mut op_state: OpState<'_>,
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let mut records = context.model.records().get(ops).ok_or(Corrupt)?.iter();
    if let Some(record) = records.as_slice().first().and_then(|record| record.conv()).filter(|conv| conv.input == 0) {
        let mut ring = op_state.ring::<A>(record, context).ok_or(Corrupt)?;
        if !ring.is_empty() {
            scratch.registers.read(record.input, 0, ring.get_mut(context.pixel()).ok_or(Corrupt)?)?;
        }
        records.next();
    }
    if LSTM && context.column + 1 == context.width && context.row + 1 < context.height {
        for record in records {
            let instruction = record.instruction().ok_or(Corrupt)?;
            if let Instruction::Graph(_) = instruction {
                continue;
            }
            let lstm_state = op_state.take(instruction, context).ok_or(Corrupt)?;
            if let Instruction::DiagonalRight(record) = instruction {
                lstm::sweep::<A, K>(record, context, lstm_state, scratch, kernel)?;
            }
        }
    }
    Ok(())
}
