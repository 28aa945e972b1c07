//! LSTMs: the Row LSTM, and the two halves of the Diagonal BiLSTM.

use super::ring::{Ring, copy};
use super::taps::Columns;
use super::{Context, Shared};
use crate::blob::{LstmRecord, group_start};
use crate::kernels::Kernel;
use crate::numbers::lstm::cell;
use crate::numbers::{Rescale, clamp8, requantize, saturate16};

/// Units computed at a time, four gates each.
const BLOCK: usize = 4;

/// The gates of an LSTM at one pixel, of one colour.
struct Gates<'c, 'm> {
    record: &'c LstmRecord,
    context: &'c Context<'m>,
    group: usize,
}

impl Gates<'_, '_> {
    /// Computes the gates of the group's units from the input and the state, `patch` holding one after the other, and hands
    /// each unit's number and its pre-activations o, f, i, g to `step`.
    fn run<K: Kernel>(
        &self,
        patch: &[i8],
        kernel: K,
        mut step: impl FnMut(usize, [i16; 4]) -> Option<()>,
    ) -> Option<()> {
        let (record, model) = (self.record, &self.context.model);
        let gates = 4 * usize::from(record.hidden);
        let (first, end) = record.group(self.context.groups, self.group);
        let (x_length, h_length) = (record.x_length(self.context.groups, self.group), record.h_length());
        let (x, h) = patch.split_at_checked(x_length)?;
        let earlier = record.x_weights_before(self.context.groups, self.group);
        let weights_x = model.weights(record.weights_x, earlier + 4 * (end - first) * x_length)?.get(earlier..)?;
        let weights_h = model.weights(record.weights_h, record.h_weights())?.get(4 * first * h_length..)?;
        let bias = model.numbers(record.bias, gates)?;
        let class_bias = self.context.class_bias(record.class_bias, gates)?;
        let multipliers_x = model.numbers(record.multipliers_x, gates)?;
        let multipliers_h = model.numbers(record.multipliers_h, gates)?;
        let mut unit = first;
        while unit < end {
            let block = BLOCK.min(end - unit);
            let (mut sums_x, mut sums_h) = ([0; 4 * BLOCK], [0; 4 * BLOCK]);
            let (sums_x, sums_h) = (sums_x.get_mut(..4 * block)?, sums_h.get_mut(..4 * block)?);
            copy(sums_x, bias.get(4 * unit..4 * (unit + block))?)?;
            if !class_bias.is_empty() {
                for (sum, class) in sums_x.iter_mut().zip(class_bias.get(4 * unit..4 * (unit + block))?) {
                    *sum = sum.wrapping_add(*class);
                }
            }
            let rows = 4 * (unit - first)..4 * (unit - first + block);
            kernel.matvec(sums_x, weights_x.get(rows.start * x_length..rows.end * x_length)?, x);
            kernel.matvec(sums_h, weights_h.get(rows.start * h_length..rows.end * h_length)?, h);
            let multipliers_x = multipliers_x.get(4 * unit..)?;
            let multipliers_h = multipliers_h.get(4 * unit..)?;
            let mut pre = [0i16; 4 * BLOCK];
            for ((((z, x), h), mx), mh) in pre.iter_mut().zip(sums_x).zip(sums_h).zip(multipliers_x).zip(multipliers_h)
            {
                let x = requantize(*x, u32::from(record.left_x), *mx);
                let h = requantize(*h, u32::from(record.left_h), *mh);
                *z = saturate16(x.wrapping_add(h));
            }
            for (n, z) in pre.chunks_exact(4).enumerate().take(block) {
                step(unit + n, z.try_into().ok()?)?;
            }
            unit += block;
        }
        Some(())
    }
}

/// `h` as the activation that state-to-state products read.
#[inline]
fn activation(to_hidden: Rescale, h: i16) -> i8 {
    clamp8(to_hidden.apply(i32::from(h)), i8::MIN)
}

/// Fills `patch` with activations of a state; an empty state is zero.
fn narrow(patch: &mut [i8], state: &[i16], to_hidden: Rescale) {
    if state.is_empty() {
        patch.fill(0);
    }
    for (to, h) in patch.iter_mut().zip(state) {
        *to = activation(to_hidden, *h);
    }
}

/// The three parts of an LSTM's memory: inputs, `h`, `c`.
fn parts<'b>(
    record: &LstmRecord,
    own: &'b mut [i8],
    width: usize,
) -> Option<(&'b mut [i8], &'b mut [i8], &'b mut [i16])> {
    let [x, h, c] = record.memory(width);
    let (x, rest) = own.split_at_mut_checked(x)?;
    let (h, rest) = rest.split_at_mut_checked(h)?;
    let c = bytemuck::try_cast_slice_mut(rest.get_mut(..c)?).ok()?;
    Some((x, h, c))
}

/// Row LSTM: `h` and `c` come from the row above.
pub(super) fn row<K: Kernel>(
    record: &LstmRecord,
    context: &Context<'_>,
    own: &mut [i8],
    shared: &mut Shared<'_>,
    kernel: K,
) -> Option<()> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let (left, _) = record.reach();
    let (x, h, c) = parts(record, own, width)?;
    let mut x_ring = Ring::new(x, if left > 0 { left + 1 } else { 0 }, inputs);
    let mut h_ring = Ring::new(h, width + left + 1, hidden);
    let mut c_ring = Ring::new(c, width + 1, hidden);
    let above = context.row.checked_sub(1);
    let (initial_h, initial_c) = context.model.initial(record, 0)?;

    let length = record.x_length(context.groups, context.group);
    let (x_patch, rest) = shared.patch.split_at_mut_checked(length)?;
    let h_patch = rest.get_mut(..record.h_length())?;
    let (past, centre) = x_patch.split_at_mut_checked(left * inputs)?;
    let columns = Columns { left, dilation: 1, zero: record.input_zero_point };
    columns.gather(context, Some(context.row), &x_ring, inputs, past)?;
    copy(centre, shared.registers.narrow(record.input, centre.len())?)?;
    let columns = Columns { zero: 0, ..columns };
    if above.is_some() || initial_h.is_empty() {
        columns.gather(context, above, &h_ring, hidden, h_patch)?;
    } else {
        // The initial state stands in the columns of the image, not beside it.
        for (tap, features) in h_patch.chunks_exact_mut(hidden).enumerate() {
            let inside = columns.column(context, tap).is_some();
            narrow(features, if inside { initial_h } else { &[] }, record.to_hidden);
        }
    }

    let pixel = context.pixel();
    let patch = shared.patch.get(..length + record.h_length())?;
    let registers = &mut shared.registers;
    Gates { record, context, group: context.group }.run(patch, kernel, |unit, gates| {
        let before = match above {
            Some(_) => *c_ring.get(pixel - width)?.get(unit)?,
            None => initial_c.get(unit).copied().unwrap_or(0),
        };
        let (h, c) = cell(gates, before, u32::from(record.cell_bits));
        *c_ring.get_mut(pixel)?.get_mut(unit)? = c;
        *h_ring.get_mut(pixel)?.get_mut(unit)? = activation(record.to_hidden, h);
        let out = saturate16(record.to_output.apply(i32::from(h)));
        *registers.wide_mut(record.output, unit..unit + 1)?.first_mut()? = out;
        Some(())
    })?;
    if context.group + 1 == context.groups {
        x_ring.put(pixel, registers.narrow(record.input, inputs)?)?;
    }
    Some(())
}

/// Left half of a Diagonal BiLSTM: `h` comes from above and from the left, `c` from the left.
pub(super) fn diagonal_left<K: Kernel>(
    record: &LstmRecord,
    context: &Context<'_>,
    own: &mut [i8],
    shared: &mut Shared<'_>,
    kernel: K,
) -> Option<()> {
    let (hidden, width, pixel) = (usize::from(record.hidden), context.width, context.pixel());
    let (_, h, c) = parts(record, own, width)?;
    let mut h_ring = Ring::new(h, width + 1, hidden);
    let mut c_ring = Ring::new(c, 2, hidden);
    let (initial_h, initial_c) = context.model.initial(record, context.row)?;

    let length = record.x_length(context.groups, context.group);
    let (x_patch, rest) = shared.patch.split_at_mut_checked(length)?;
    copy(x_patch, shared.registers.narrow(record.input, length)?)?;
    let (above, beside) = rest.get_mut(..2 * hidden)?.split_at_mut_checked(hidden)?;
    match pixel.checked_sub(width) {
        None => above.fill(0),
        Some(pixel) => copy(above, h_ring.get(pixel)?)?,
    }
    if context.column == 0 {
        narrow(beside, initial_h, record.to_hidden);
    } else {
        copy(beside, h_ring.get(pixel - 1)?)?;
    }

    let patch = shared.patch.get(..length + 2 * hidden)?;
    let registers = &mut shared.registers;
    Gates { record, context, group: context.group }.run(patch, kernel, |unit, gates| {
        let before = match context.column {
            0 => initial_c.get(unit).copied().unwrap_or(0),
            _ => *c_ring.get(pixel - 1)?.get(unit)?,
        };
        let (h, c) = cell(gates, before, u32::from(record.cell_bits));
        *c_ring.get_mut(pixel)?.get_mut(unit)? = c;
        *h_ring.get_mut(pixel)?.get_mut(unit)? = activation(record.to_hidden, h);
        let out = saturate16(record.to_output.apply(i32::from(h)));
        *registers.wide_mut(record.output, unit..unit + 1)?.first_mut()? = out;
        Some(())
    })
}

/// Right half of a Diagonal BiLSTM, at a pixel: adds what the sweep over the row above left there, and keeps the input
/// for the sweep over this row.
pub(super) fn diagonal_right(
    record: &LstmRecord,
    context: &Context<'_>,
    own: &mut [i8],
    shared: &mut Shared<'_>,
) -> Option<()> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let (x, h, _) = parts(record, own, width)?;
    if context.row > 0 {
        let h_ring = Ring::new(bytemuck::try_cast_slice_mut(h).ok()?, width + 1, hidden);
        let state: &[i16] = h_ring.get(mirrored(width, context.row - 1, context.column))?;
        let (first, end) = record.group(context.groups, context.group);
        let out = shared.registers.wide_mut(record.output, first..end)?;
        for (y, h) in out.iter_mut().zip(state.get(first..end)?) {
            *y = saturate16(i32::from(*y) + record.to_output.apply(i32::from(*h)));
        }
    }
    let (first, end) =
        (group_start(inputs, context.groups, context.group), group_start(inputs, context.groups, context.group + 1));
    let kept = x.get_mut(context.column * inputs..(context.column + 1) * inputs)?.get_mut(first..end)?;
    copy(kept, shared.registers.narrow(record.input, end)?.get(first..)?)
}

/// Right half of a Diagonal BiLSTM, once over a finished row, from right to left.
pub(super) fn sweep<K: Kernel>(
    record: &LstmRecord,
    context: &Context<'_>,
    own: &mut [i8],
    patch: &mut [i8],
    kernel: K,
) -> Option<()> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let (x, h, c) = parts(record, own, width)?;
    let mut h_ring = Ring::<i16>::new(bytemuck::try_cast_slice_mut(h).ok()?, width + 1, hidden);
    let mut c_ring = Ring::new(c, 2, hidden);
    let (initial_h, initial_c) = context.model.initial(record, context.row)?;
    for column in (0..width).rev() {
        let at = mirrored(width, context.row, column);
        let first_of_row = column + 1 == width;
        for group in 0..context.groups {
            let length = record.x_length(context.groups, group);
            let (x_patch, rest) = patch.split_at_mut_checked(length)?;
            copy(x_patch, x.get(column * inputs..column * inputs + length)?)?;
            let (above, beside) = rest.get_mut(..2 * hidden)?.split_at_mut_checked(hidden)?;
            let state_above = if context.row > 0 { h_ring.get(at - width)? } else { &[] };
            narrow(above, state_above, record.to_hidden);
            narrow(beside, if first_of_row { initial_h } else { h_ring.get(at - 1)? }, record.to_hidden);
            let patch = patch.get(..length + 2 * hidden)?;
            Gates { record, context, group }.run(patch, kernel, |unit, gates| {
                let before = if first_of_row {
                    initial_c.get(unit).copied().unwrap_or(0)
                } else {
                    *c_ring.get(at - 1)?.get(unit)?
                };
                let (h, c) = cell(gates, before, u32::from(record.cell_bits));
                *c_ring.get_mut(at)?.get_mut(unit)? = c;
                *h_ring.get_mut(at)?.get_mut(unit)? = h;
                Some(())
            })?;
        }
    }
    Some(())
}

/// Number of a pixel in the order of the sweeps: rows from top to bottom, each from right to left.
const fn mirrored(width: usize, row: usize, column: usize) -> usize {
    row * width + width - 1 - column
}
