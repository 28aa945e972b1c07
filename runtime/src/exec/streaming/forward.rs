//! Forward pass of all ops at one pixel.

use super::context::{PixelContext, split};
use super::conv::conv;
use super::elementwise::{self, features, quantize};
use super::gemv::OUTPUT_BLOCK;
use super::observer::Observer;
use super::{fused, lstm};
use crate::arithmetic::Arithmetic;
use crate::blob::{Instruction, LSTM, Layout};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;

/// Runs all ops for one colour of one pixel and returns the logits; `Corrupt` if the blob changed after its check.
#[inline(never)]
pub(super) fn forward<'b, A: Arithmetic, K: Kernel, O: Observer>(
    context: &PixelContext<'_>,
    state: &'b mut [u32],
    sums: &'b mut [A::Sum; OUTPUT_BLOCK],
    kernel: K,
    observer: &mut O,
) -> Result<&'b mut [u32], Corrupt> {
    let (mut scratch, mut op_state) = split::<A>(&context.model, state, sums).ok_or(Corrupt)?;
    let mut records = context.model.records().iter();
    let mut op = 0;
    loop {
        // The length test here saves a call at the end of the list.
        if K::FUSED && A::MULTIPLIERS && context.model.layout() == Layout::RowMajor && records.len() > 0 {
            let ops = if context.groups == 1 { fused::ops::<A, K, O, 1> } else { fused::ops::<A, K, O, 3> };
            op = ops(op, context, &mut op_state, &mut scratch, kernel, observer)?;
            records = context.model.records().get(op..).ok_or(Corrupt)?.iter();
        }
        let Some(record) = records.next() else { break };
        let instruction = record.instruction().ok_or(Corrupt)?;
        match instruction {
            Instruction::MaskedConv(record) => {
                let ring = op_state.ring::<A>(record, context).ok_or(Corrupt)?;
                conv::<A, K>(record, context, op == 0, ring, &mut scratch, kernel)?;
            }
            Instruction::Quantize(record) => {
                quantize(record, features(context, record.count), &mut scratch, kernel)?;
            }
            Instruction::Elementwise(op) => elementwise::run(op, context, &mut scratch, kernel)?,
            Instruction::RowLstm(record) => {
                if LSTM {
                    lstm::row(
                        record,
                        context,
                        op_state.take(instruction, context).ok_or(Corrupt)?,
                        &mut scratch,
                        kernel,
                    )?;
                }
            }
            Instruction::DiagonalLeft(record) => {
                if LSTM {
                    lstm::diagonal_left(
                        record,
                        context,
                        op_state.take(instruction, context).ok_or(Corrupt)?,
                        &mut scratch,
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
                        &mut scratch,
                        kernel,
                    )?;
                }
            }
        }
        observer.after(op, context.group, &scratch.registers, scratch.logits);
        op += 1;
    }
    Ok(scratch.logits)
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
    let (mut scratch, mut op_state) = split::<A>(&context.model, state, sums).ok_or(Corrupt)?;
    let mut instructions = context.model.instructions();
    if let Some(Instruction::MaskedConv(record)) = instructions.next().ok_or(Corrupt)? {
        let mut ring = op_state.ring::<A>(record, context).ok_or(Corrupt)?;
        if !ring.is_empty() {
            scratch.registers.read(record.input, 0, ring.get_mut(context.pixel()).ok_or(Corrupt)?)?;
        }
    }
    if LSTM && context.column + 1 == context.width && context.row + 1 < context.height {
        for instruction in instructions {
            let instruction = instruction.ok_or(Corrupt)?;
            let lstm_state = op_state.take(instruction, context).ok_or(Corrupt)?;
            if let Instruction::DiagonalRight(record) = instruction {
                lstm::sweep::<A, K>(record, context, lstm_state, &mut scratch, kernel)?;
            }
        }
    }
    Ok(())
}
