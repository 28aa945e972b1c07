//! Elementwise ops and quantization, at all columns of the batch.

use super::pack::Pack;
use super::registers::{Registers, spans};
use super::row_cache::features;
use super::step::{Scratch, Step};
use crate::arithmetic::Arithmetic;
use crate::blob::{Elementwise, Operands, QuantizeRecord, group_start};
use crate::exec::error::Corrupt;
use crate::fixed::Rescale;
use crate::kernels::{Kernel, map, map_within};
use core::ops::Range;

/// Fast path of [`quantize`] for a single column of the batch and one colour group, with precomputed ranges: same result.
pub(super) struct Quantize {
    /// Byte ranges of the registers read and written.
    input: Range<usize>,
    output: Range<usize>,
    rescale: Rescale,
    zero_point: i32,
    clamp_min: i32,
}

impl Quantize {
    /// Quantization of the features of colour group `group`.
    pub(super) fn new<A: Pack>(record: &QuantizeRecord, group: usize, groups: usize) -> Self {
        let count = usize::from(record.count);
        let [first, end] = [group, group + 1].map(|group| group_start(count, groups, group));
        let bytes = |at: u32, size: usize| at as usize + first * size..at as usize + end * size;
        Self {
            input: bytes(record.input, size_of::<i16>()),
            output: bytes(record.output, size_of::<A::Input>()),
            rescale: record.rescale,
            zero_point: record.zero_point.into(),
            clamp_min: record.clamp_min.into(),
        }
    }

    #[inline(always)]
    pub(super) fn run<A: Pack>(&self, registers: &mut Registers) -> Result<(), Corrupt> {
        let Self { rescale, zero_point, clamp_min, .. } = *self;
        let (x, y) = registers.bytes_split_disjoint_mut(self.input.clone(), self.output.clone()).ok_or(Corrupt)?;
        map_within(
            x,
            y,
            #[inline(always)]
            move |x, y: &mut A::Input| *y = A::activation_input(A::quantize(x, rescale), zero_point, clamp_min),
        );
        Ok(())
    }
}

/// Quantizes the residuals of all columns of the batch.
#[inline(always)]
pub(super) fn quantize<A: Pack, K: Kernel>(
    record: &QuantizeRecord,
    step: &Step,
    scratch: &mut Scratch,
    kernel: K,
) -> Result<(), Corrupt> {
    let count = usize::from(record.count);
    let (rescale, zero_point, clamp_min) = (record.rescale, i32::from(record.zero_point), i32::from(record.clamp_min));
    let (x, y) =
        scratch.registers.split_disjoint_mut::<i16, A::Input>([record.input, record.output], count).ok_or(Corrupt)?;
    for span in spans(0..step.batch_columns(), count, features(count, step)) {
        map(
            kernel,
            x.get(span.clone()).ok_or(Corrupt)?,
            y.get_mut(span).ok_or(Corrupt)?,
            #[inline(always)]
            move |x, y| *y = A::activation_input(A::quantize(x, rescale), zero_point, clamp_min),
        );
    }
    Ok(())
}

/// Runs an elementwise op at all columns of the batch.
// One copy for all callers: with its variants by op and kernel it is large.
#[inline(never)]
pub(super) fn run<A: Pack, K: Kernel>(
    op: Elementwise<'_>,
    step: &Step,
    scratch: &mut Scratch,
    kernel: K,
) -> Result<(), Corrupt> {
    let Scratch { registers, sums, .. } = scratch;
    let Operands { inputs, output, count, halves } = op.operands();
    let count = usize::from(count);
    if halves {
        return halved::<A, K>(op, step, scratch, kernel);
    }
    for span in spans(0..step.batch_columns(), count, features(count, step)) {
        let values = sums.get_mut(..span.len()).ok_or(Corrupt)?;
        let [a, b, t] = inputs.map(|at| registers.get::<i16>(at, count)?.get(span.clone()));
        A::elementwise_all(kernel, op, [a.ok_or(Corrupt)?, b.ok_or(Corrupt)?, t.ok_or(Corrupt)?], values);
        map(
            kernel,
            values,
            registers.get_mut(output, count).ok_or(Corrupt)?.get_mut(span).ok_or(Corrupt)?,
            #[inline(always)]
            |v, y| *y = <A as Arithmetic>::residual(v),
        );
    }
    Ok(())
}

/// Features of the halves that one call of [`Arithmetic::elementwise_all`] takes.
const TILE: usize = 256;

/// Runs an elementwise op of the halves of a register, group by group; several columns at once where they fit.
#[inline(always)]
fn halved<A: Pack, K: Kernel>(
    op: Elementwise<'_>,
    step: &Step,
    scratch: &mut Scratch,
    kernel: K,
) -> Result<(), Corrupt> {
    let Scratch { registers, sums, .. } = scratch;
    let operands = op.operands();
    let (count, input) = (usize::from(operands.count), operands.inputs[0]);
    let mut halves = [[0; TILE]; 2];
    for index in step.groups.clone() {
        let group = group_start(count, step.all_groups, index)..group_start(count, step.all_groups, index + 1);
        let each = group.len().max(1);
        let tile = (TILE / each).max(1);
        for first in (0..step.batch_columns()).step_by(tile) {
            let columns = first..(first + tile).min(step.batch_columns());
            let x = registers.get::<i16>(input, 2 * count).ok_or(Corrupt)?;
            let ranges = operands.ranges(&group, group.clone());
            let values = sums.get_mut(..columns.len() * each).ok_or(Corrupt)?;
            let of_column = |column: usize, half: usize| {
                let of = ranges.get(half)?;
                x.get(2 * count * column + of.start..2 * count * column + of.end)
            };
            if columns.len() == 1 {
                let [a, b] = [0, 1].map(|half| of_column(first, half).ok_or(Corrupt));
                A::elementwise_all(kernel, op, [a?, b?, b?], values);
            } else {
                for (half, buffer) in halves.iter_mut().enumerate() {
                    for (column, to) in columns.clone().zip(buffer.chunks_exact_mut(each)) {
                        to.copy_from_slice(of_column(column, half).ok_or(Corrupt)?);
                    }
                }
                let [a, b] = halves.each_ref().map(|half| half.get(..values.len()).ok_or(Corrupt));
                A::elementwise_all(kernel, op, [a?, b?, b?], values);
            }
            let y = registers.get_mut(operands.output, count).ok_or(Corrupt)?;
            let mut done = 0;
            for span in spans(columns, count, group.clone()) {
                let values = values.get(done..done + span.len()).ok_or(Corrupt)?;
                done += span.len();
                map(
                    kernel,
                    values,
                    y.get_mut(span).ok_or(Corrupt)?,
                    #[inline(always)]
                    |v, y| *y = <A as Arithmetic>::residual(v),
                );
            }
        }
    }
    Ok(())
}
