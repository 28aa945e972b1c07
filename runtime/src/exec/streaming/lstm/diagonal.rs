//! Both halves of the Diagonal BiLSTM.

use super::super::context::{PixelContext, Scratch};
use super::super::memory::{copy, fill};
use super::super::ring::Ring;
use super::{Cells, LstmState, Output, OverState, cast, gates, over_state, rescale_state, split_im2col};
use crate::arithmetic::Arithmetic;
use crate::blob::{LstmRecord, group_start};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;

/// Left half of a Diagonal BiLSTM at one pixel: reads `h` from above and from the left, `c` from the left.
#[cfg_attr(pixelrnn_mve, inline(never))]
pub(in super::super) fn left<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &PixelContext<'_>,
    op_state: &mut [u32],
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let (hidden, width, pixel) = (usize::from(record.hidden), context.width, context.pixel());
    let LstmState { h, c, .. } = LstmState::new(record, context, op_state).ok_or(Corrupt)?;
    let mut h_ring = Ring::new(h, width + 1, hidden).ok_or(Corrupt)?;
    let mut c_ring = Ring::new(c, 2, hidden).ok_or(Corrupt)?;
    let (initial_h, initial_c) = context.model.initial::<A::Residual>(record, context.row).ok_or(Corrupt)?;

    let length = record.x_length(context.groups, context.group);
    let [x, h] = split_im2col::<A>(record, context, scratch.im2col).ok_or(Corrupt)?;
    scratch.registers.read(record.input, 0, x.get_mut(..length).ok_or(Corrupt)?)?;
    let (above, beside) = h.get_mut(..2 * hidden).ok_or(Corrupt)?.split_at_mut_checked(hidden).ok_or(Corrupt)?;
    match pixel.checked_sub(width) {
        None => fill(above, A::zero(0)),
        Some(pixel) => copy(above, h_ring.get(pixel).ok_or(Corrupt)?)?,
    }
    if context.column == 0 {
        rescale_state::<A, K>(beside, initial_h, record.initial_to_hidden, kernel);
    } else {
        copy(beside, h_ring.get(pixel - 1).ok_or(Corrupt)?)?;
    }

    let (before, c) = c_ring.step((context.column > 0).then(|| pixel - 1), pixel).ok_or(Corrupt)?;
    let out = scratch.registers.get_mut(record.output, 0..hidden).ok_or(Corrupt)?;
    let output = Output::Now { hidden: h_ring.get_mut(pixel).ok_or(Corrupt)?, out };
    let cells = Cells::<A> { before: before.unwrap_or(initial_c), c, output };
    let state = OverState::Inputs(h, over_state(record, context));
    gates(record, context, x, state, scratch.sums, cells, kernel)
}

/// Right half of a Diagonal BiLSTM at one pixel: adds the `h` that the sweep of the row above stored for this column, and keeps the
/// input for the sweep of this row.
#[cfg_attr(pixelrnn_mve, inline(never))]
pub(in super::super) fn right<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &PixelContext<'_>,
    op_state: &mut [u32],
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let LstmState { x, h, .. } = LstmState::new(record, context, op_state).ok_or(Corrupt)?;
    if context.row > 0 {
        let h_ring = Ring::<A::Residual>::new(h, width + 1, hidden).ok_or(Corrupt)?;
        let state: &[A::Residual] = h_ring.get(mirrored(width, context.row - 1, context.column)).ok_or(Corrupt)?;
        let (first, end) = record.group(context.groups, context.group);
        let out = scratch.registers.get_mut(record.output, first..end).ok_or(Corrupt)?;
        A::outputs_onto(kernel, state.get(first..end).ok_or(Corrupt)?, record.to_output, out);
    }
    let (first, end) =
        (group_start(inputs, context.groups, context.group), group_start(inputs, context.groups, context.group + 1));
    let row: &mut [A::Activation] = cast(x).ok_or(Corrupt)?;
    let features = row
        .get_mut(context.column * inputs..(context.column + 1) * inputs)
        .ok_or(Corrupt)?
        .get_mut(first..end)
        .ok_or(Corrupt)?;
    scratch.registers.read(record.input, first, features)
}

/// Right half of a Diagonal BiLSTM: sweep over a finished row, from right to left.
#[cfg_attr(pixelrnn_mve, inline(never))]
pub(in super::super) fn sweep<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &PixelContext<'_>,
    op_state: &mut [u32],
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let Scratch { im2col, sums, .. } = scratch;
    let LstmState { x, h, c, .. } = LstmState::new(record, context, op_state).ok_or(Corrupt)?;
    let x: &[A::Activation] = cast(x).ok_or(Corrupt)?;
    let mut h_ring = Ring::new(h, width + 1, hidden).ok_or(Corrupt)?;
    let mut c_ring = Ring::new(c, 2, hidden).ok_or(Corrupt)?;
    let (initial_h, initial_c) = context.model.initial::<A::Residual>(record, context.row).ok_or(Corrupt)?;
    for column in (0..width).rev() {
        let at = mirrored(width, context.row, column);
        let first_of_row = column + 1 == width;
        for group in 0..context.groups {
            let context = &PixelContext { group, ..*context };
            let length = record.x_length(context.groups, group);
            let [x_im2col, h] = split_im2col::<A>(record, context, im2col).ok_or(Corrupt)?;
            copy(
                x_im2col.get_mut(..length).ok_or(Corrupt)?,
                x.get(column * inputs..column * inputs + length).ok_or(Corrupt)?,
            )?;
            let (above, beside) =
                h.get_mut(..2 * hidden).ok_or(Corrupt)?.split_at_mut_checked(hidden).ok_or(Corrupt)?;
            let state_above = if context.row > 0 { h_ring.get(at - width).ok_or(Corrupt)? } else { &[] };
            rescale_state::<A, K>(above, state_above, record.to_hidden, kernel);
            let (state, to_hidden) = if first_of_row {
                (initial_h, record.initial_to_hidden)
            } else {
                (h_ring.get(at - 1).ok_or(Corrupt)?, record.to_hidden)
            };
            rescale_state::<A, K>(beside, state, to_hidden, kernel);
            let (before, c) = c_ring.step((!first_of_row).then(|| at - 1), at).ok_or(Corrupt)?;
            let cells = Cells::<A> {
                before: before.unwrap_or(initial_c),
                c,
                output: Output::Later(h_ring.get_mut(at).ok_or(Corrupt)?),
            };
            let state = OverState::Inputs(h, over_state(record, context));
            gates(record, context, x_im2col, state, sums, cells, kernel)?;
        }
    }
    Ok(())
}

/// Index of a pixel in sweep order: rows from top to bottom, each from right to left.
const fn mirrored(width: usize, row: usize, column: usize) -> usize {
    row * width + width - 1 - column
}
