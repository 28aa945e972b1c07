//! Row LSTM.

use super::super::context::{PixelContext, Scratch};
use super::super::im2col::Im2Col;
use super::super::ring::Ring;
use super::{BLOCK, Cells, LstmState, Output, OverState, cast, gates, over_state, rescale_state, split_im2col};
use crate::arithmetic::Arithmetic;
use crate::blob::LstmRecord;
use crate::blob::Plan;
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;

/// Row LSTM at one pixel: reads `h` and `c` from the row above.
#[cfg_attr(pixelrnn_mve, inline(never))]
pub(in super::super) fn row<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &PixelContext<'_>,
    op_state: &mut [u32],
    scratch: &mut Scratch<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let left = record.reach().left;
    let LstmState { x, h, c, sums } = LstmState::new(record, context, op_state).ok_or(Corrupt)?;
    let mut x_ring = Ring::new(x, if left > 0 { left + 1 } else { 0 }, inputs).ok_or(Corrupt)?;
    let mut h_ring = Ring::new(h, width + left + 1, hidden).ok_or(Corrupt)?;
    let mut c_ring = Ring::new(c, width + 1, hidden).ok_or(Corrupt)?;
    let above = context.row.checked_sub(1);
    let (_, initial_c) = context.model.initial::<A::Residual>(record, 0).ok_or(Corrupt)?;

    let length = record.x_length(context.groups, context.group);
    let [x_im2col, h_im2col] = split_im2col::<A>(record, context, scratch.im2col).ok_or(Corrupt)?;
    let (past, centre) =
        x_im2col.get_mut(..length).ok_or(Corrupt)?.split_at_mut_checked(left * inputs).ok_or(Corrupt)?;
    let columns = Im2Col { left, dilation: 1, zero: A::zero(record.input_zero_point) };
    columns.gather(context, Some(context.row), &x_ring, inputs, past)?;
    scratch.registers.read(record.input, 0, centre)?;

    let pixel = context.pixel();
    let gate_count = 4 * hidden;
    let state = match context.plan {
        Plan::Pixel => {
            gather_state::<A, K>(record, context, &h_ring, h_im2col, kernel)?;
            OverState::Inputs(&*h_im2col, over_state(record, context))
        }
        Plan::Row => {
            let sums: &mut [A::Sum] = cast(sums).ok_or(Corrupt)?;
            if context.column == 0 && context.group == 0 {
                state_sums::<A, K>(record, context, &h_ring, h_im2col, sums, kernel)?;
            }
            let column = sums.get(context.column * gate_count..).ok_or(Corrupt)?;
            OverState::Accumulators(column.get(..gate_count).ok_or(Corrupt)?)
        }
    };
    let (before, c) = c_ring.step(above.map(|_| pixel - width), pixel).ok_or(Corrupt)?;
    let out = scratch.registers.get_mut(record.output, 0..hidden).ok_or(Corrupt)?;
    let output = Output::Now { hidden: h_ring.get_mut(pixel).ok_or(Corrupt)?, out };
    let cells = Cells::<A> { before: before.unwrap_or(initial_c), c, output };
    gates(record, context, x_im2col, state, scratch.sums, cells, kernel)?;
    if !x_ring.is_empty() && context.group + 1 == context.groups {
        scratch.registers.read(record.input, 0, x_ring.get_mut(pixel).ok_or(Corrupt)?)?;
    }
    Ok(())
}

/// Computes the `state_to_state` sums of all pixels of a row, `[width, 4 * hidden]`.
#[cfg_attr(pixelrnn_mve, inline(never))] // inlined, its stack would be held at every pixel
#[cfg_attr(not(pixelrnn_mve), inline(always))]
fn state_sums<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &PixelContext<'_>,
    h_ring: &Ring<'_, A::Activation>,
    h_im2col: &mut [A::Activation],
    mut sums: &mut [A::Sum],
    kernel: K,
) -> Result<(), Corrupt> {
    let gate_count = 4 * usize::from(record.hidden);
    for column in 0..context.width {
        let sums = sums.split_off_mut(..gate_count).ok_or(Corrupt)?;
        gather_state::<A, K>(record, &PixelContext { column, ..*context }, h_ring, h_im2col, kernel)?;
        for group in 0..context.groups {
            let (first, end) = record.group(context.groups, group);
            let mut over_state = over_state::<A>(record, &PixelContext { group, ..*context });
            for sums in sums.get_mut(4 * first..4 * end).ok_or(Corrupt)?.chunks_mut(BLOCK) {
                over_state.next(h_im2col, sums, kernel)?;
            }
        }
    }
    Ok(())
}

/// Copies the states of the row above that a pixel reads to `im2col`, `[taps, hidden]`.
#[cfg_attr(pixelrnn_mve, inline(never))]
fn gather_state<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &PixelContext<'_>,
    ring: &Ring<'_, A::Activation>,
    im2col: &mut [A::Activation],
    kernel: K,
) -> Result<(), Corrupt> {
    let hidden = usize::from(record.hidden);
    let (initial, _) = context.model.initial::<A::Residual>(record, 0).ok_or(Corrupt)?;
    let above = context.row.checked_sub(1);
    let im2col = im2col.get_mut(..record.h_length()).ok_or(Corrupt)?;
    let columns = Im2Col { left: record.reach().left, dilation: 1, zero: A::zero(0) };
    if above.is_some() || initial.is_empty() || hidden == 0 {
        return columns.gather(context, above, ring, hidden, im2col);
    }
    // Initial states fill the columns of the image; the padding beside it is zero.
    for (tap, features) in im2col.chunks_exact_mut(hidden).enumerate() {
        let inside = columns.column(context, tap).is_some();
        rescale_state::<A, K>(features, if inside { initial } else { &[] }, record.initial_to_hidden, kernel);
    }
    Ok(())
}
