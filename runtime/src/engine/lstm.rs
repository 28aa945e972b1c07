//! LSTMs: the Row LSTM, and the two halves of the Diagonal BiLSTM.

use super::registers::Registers;
use super::ring::{Ring, copy};
use super::taps::Columns;
use super::{Context, Shared};
use crate::blob::{LstmRecord, group_start};
use crate::kernels::Kernel;
use crate::numbers::{Arithmetic, Rescale};
use core::marker::PhantomData;

/// Units computed at a time, four gates each.
const BLOCK: usize = 4;

/// The gates of an LSTM at one pixel, of one colour.
struct Gates<'c, 'm, A> {
    record: &'c LstmRecord,
    context: &'c Context<'m>,
    group: usize,
    arithmetic: PhantomData<A>,
}

impl<A: Arithmetic> Gates<'_, '_, A> {
    /// Computes the gates of the group's units from the input and the state, `patch` holding one after the other, and hands
    /// each unit's number and its pre-activations o, f, i, g to `step`.
    fn run<K: Kernel>(
        &self,
        patch: &[A::Activation],
        kernel: K,
        mut step: impl FnMut(usize, [A::Stream; 4]) -> Option<()>,
    ) -> Option<()> {
        let (record, model) = (self.record, &self.context.model);
        let gates = 4 * usize::from(record.hidden);
        let (first, end) = record.group(self.context.groups, self.group);
        let (x_length, h_length) = (record.x_length(self.context.groups, self.group), record.h_length());
        let (x, h) = patch.split_at_checked(x_length)?;
        let earlier = record.x_weights_before(self.context.groups, self.group);
        let weights_x: &[A::Weight] = model.numbers(record.weights_x, earlier + 4 * (end - first) * x_length)?;
        let weights_x = weights_x.get(earlier..)?;
        let weights_h: &[A::Weight] = model.numbers(record.weights_h, record.h_weights())?;
        let weights_h = weights_h.get(4 * first * h_length..)?;
        let bias: &[A::Sum] = model.numbers(record.bias, gates)?;
        let class_bias = self.context.class_bias::<A>(record.class_bias, gates)?;
        let multipliers_x = self.context.multipliers::<A>(record.multipliers_x, gates)?;
        let multipliers_h = self.context.multipliers::<A>(record.multipliers_h, gates)?;
        let mut unit = first;
        while unit < end {
            let block = BLOCK.min(end - unit);
            let (mut sums_x, mut sums_h) = ([A::Sum::default(); 4 * BLOCK], [A::Sum::default(); 4 * BLOCK]);
            let (sums_x, sums_h) = (sums_x.get_mut(..4 * block)?, sums_h.get_mut(..4 * block)?);
            copy(sums_x, bias.get(4 * unit..4 * (unit + block))?)?;
            for (sum, class) in sums_x.iter_mut().zip(class_bias.get(4 * unit..).unwrap_or_default()) {
                *sum = A::sum(*sum, *class);
            }
            let rows = 4 * (unit - first)..4 * (unit - first + block);
            A::matvec(kernel, sums_x, weights_x.get(rows.start * x_length..rows.end * x_length)?, x);
            A::matvec(kernel, sums_h, weights_h.get(rows.start * h_length..rows.end * h_length)?, h);
            for (sums, left, multipliers) in
                [(&mut *sums_x, record.left_x, multipliers_x), (&mut *sums_h, record.left_h, multipliers_h)]
            {
                for (sum, multiplier) in sums.iter_mut().zip(multipliers.get(4 * unit..).unwrap_or_default()) {
                    *sum = A::scaled(*sum, left, *multiplier);
                }
            }
            let mut pre = [A::Stream::default(); 4 * BLOCK];
            for ((z, x), h) in pre.iter_mut().zip(sums_x).zip(sums_h) {
                *z = A::gate(*x, *h);
            }
            for (n, z) in pre.chunks_exact(4).enumerate().take(block) {
                step(unit + n, z.try_into().ok()?)?;
            }
            unit += block;
        }
        Some(())
    }
}

/// Fills `patch` with activations of a state; an empty state is zero.
fn narrow<A: Arithmetic>(patch: &mut [A::Activation], state: &[A::Stream], to_hidden: Rescale) {
    if state.is_empty() {
        patch.fill(A::zero(0));
    }
    for (to, h) in patch.iter_mut().zip(state) {
        *to = A::hidden(*h, to_hidden);
    }
}

/// The three parts of an LSTM's memory: inputs, `h`, `c`.
struct Parts<'b> {
    x: &'b mut [u32],
    h: &'b mut [u32],
    c: &'b mut [u32],
}

impl<'b> Parts<'b> {
    fn new(record: &LstmRecord, context: &Context<'_>, own: &'b mut [u32]) -> Option<Self> {
        let [x, h, c] = record.memory(context.width, context.model.weights());
        let (x, rest) = own.split_at_mut_checked(x / 4)?;
        let (h, rest) = rest.split_at_mut_checked(h / 4)?;
        Some(Self { x, h, c: rest.get_mut(..c / 4)? })
    }
}

/// Memory as numbers.
fn cast<T: bytemuck::Pod>(words: &mut [u32]) -> Option<&mut [T]> {
    bytemuck::try_cast_slice_mut(words).ok()
}

/// Keeps a unit's new `h` for the products of later pixels, and writes it to the output.
fn put<A: Arithmetic>(
    record: &LstmRecord,
    unit: usize,
    h: A::Stream,
    kept: &mut [A::Activation],
    registers: &mut Registers<'_>,
) -> Option<()> {
    *kept.get_mut(unit)? = A::hidden(h, record.to_hidden);
    registers.set(record.output, unit, A::output(h, record.to_output, A::Stream::default()))
}

/// Row LSTM: `h` and `c` come from the row above.
pub(super) fn row<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &Context<'_>,
    own: &mut [u32],
    shared: &mut Shared<'_, A>,
    kernel: K,
) -> Option<()> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let (left, _) = record.reach();
    let Parts { x, h, c } = Parts::new(record, context, own)?;
    let mut x_ring = Ring::new(cast(x)?, if left > 0 { left + 1 } else { 0 }, inputs);
    let mut h_ring = Ring::new(cast(h)?, width + left + 1, hidden);
    let mut c_ring = Ring::new(cast(c)?, width + 1, hidden);
    let above = context.row.checked_sub(1);
    let (initial_h, initial_c) = context.model.initial::<A::Stream>(record, 0)?;

    let length = record.x_length(context.groups, context.group);
    let (x_patch, rest) = shared.patch.split_at_mut_checked(length)?;
    let h_patch = rest.get_mut(..record.h_length())?;
    let (past, centre) = x_patch.split_at_mut_checked(left * inputs)?;
    let columns = Columns { left, dilation: 1, zero: A::zero(record.input_zero_point) };
    columns.gather(context, Some(context.row), &x_ring, inputs, past)?;
    copy(centre, shared.registers.get(record.input, 0..centre.len())?)?;
    let columns = Columns { zero: A::zero(0), ..columns };
    if above.is_some() || initial_h.is_empty() {
        columns.gather(context, above, &h_ring, hidden, h_patch)?;
    } else {
        // The initial state stands in the columns of the image, not beside it.
        for (tap, features) in h_patch.chunks_exact_mut(hidden).enumerate() {
            let inside = columns.column(context, tap).is_some();
            narrow::<A>(features, if inside { initial_h } else { &[] }, record.to_hidden);
        }
    }

    let pixel = context.pixel();
    let patch = shared.patch.get(..length + record.h_length())?;
    let registers = &mut shared.registers;
    Gates::<A> { record, context, group: context.group, arithmetic: PhantomData }.run(
        patch,
        kernel,
        |unit, gates| {
            let before = match above {
                Some(_) => *c_ring.get(pixel - width)?.get(unit)?,
                None => initial_c.get(unit).copied().unwrap_or_default(),
            };
            let (h, c) = A::cell(gates, before, record.cell_bits);
            *c_ring.get_mut(pixel)?.get_mut(unit)? = c;
            put::<A>(record, unit, h, h_ring.get_mut(pixel)?, registers)
        },
    )?;
    if context.group + 1 == context.groups {
        x_ring.put(pixel, registers.get(record.input, 0..inputs)?)?;
    }
    Some(())
}

/// Left half of a Diagonal BiLSTM: `h` comes from above and from the left, `c` from the left.
pub(super) fn diagonal_left<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &Context<'_>,
    own: &mut [u32],
    shared: &mut Shared<'_, A>,
    kernel: K,
) -> Option<()> {
    let (hidden, width, pixel) = (usize::from(record.hidden), context.width, context.pixel());
    let Parts { h, c, .. } = Parts::new(record, context, own)?;
    let mut h_ring = Ring::new(cast(h)?, width + 1, hidden);
    let mut c_ring = Ring::new(cast(c)?, 2, hidden);
    let (initial_h, initial_c) = context.model.initial::<A::Stream>(record, context.row)?;

    let length = record.x_length(context.groups, context.group);
    let (x_patch, rest) = shared.patch.split_at_mut_checked(length)?;
    copy(x_patch, shared.registers.get(record.input, 0..length)?)?;
    let (above, beside) = rest.get_mut(..2 * hidden)?.split_at_mut_checked(hidden)?;
    match pixel.checked_sub(width) {
        None => above.fill(A::zero(0)),
        Some(pixel) => copy(above, h_ring.get(pixel)?)?,
    }
    if context.column == 0 {
        narrow::<A>(beside, initial_h, record.to_hidden);
    } else {
        copy(beside, h_ring.get(pixel - 1)?)?;
    }

    let patch = shared.patch.get(..length + 2 * hidden)?;
    let registers = &mut shared.registers;
    Gates::<A> { record, context, group: context.group, arithmetic: PhantomData }.run(patch, kernel, |unit, gates| {
        let before = match context.column {
            0 => initial_c.get(unit).copied().unwrap_or_default(),
            _ => *c_ring.get(pixel - 1)?.get(unit)?,
        };
        let (h, c) = A::cell(gates, before, record.cell_bits);
        *c_ring.get_mut(pixel)?.get_mut(unit)? = c;
        put::<A>(record, unit, h, h_ring.get_mut(pixel)?, registers)
    })
}

/// Right half of a Diagonal BiLSTM, at a pixel: adds what the sweep over the row above left there, and keeps the input
/// for the sweep over this row.
pub(super) fn diagonal_right<A: Arithmetic>(
    record: &LstmRecord,
    context: &Context<'_>,
    own: &mut [u32],
    shared: &mut Shared<'_, A>,
) -> Option<()> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let Parts { x, h, .. } = Parts::new(record, context, own)?;
    if context.row > 0 {
        let h_ring = Ring::new(cast(h)?, width + 1, hidden);
        let state: &[A::Stream] = h_ring.get(mirrored(width, context.row - 1, context.column))?;
        let (first, end) = record.group(context.groups, context.group);
        let out = shared.registers.get_mut(record.output, first..end)?;
        for (y, h) in out.iter_mut().zip(state.get(first..end)?) {
            *y = A::output(*h, record.to_output, *y);
        }
    }
    let (first, end) =
        (group_start(inputs, context.groups, context.group), group_start(inputs, context.groups, context.group + 1));
    let row: &mut [A::Activation] = cast(x)?;
    let kept = row.get_mut(context.column * inputs..(context.column + 1) * inputs)?.get_mut(first..end)?;
    copy(kept, shared.registers.get(record.input, first..end)?)
}

/// Right half of a Diagonal BiLSTM, once over a finished row, from right to left.
pub(super) fn sweep<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &Context<'_>,
    own: &mut [u32],
    patch: &mut [A::Activation],
    kernel: K,
) -> Option<()> {
    let (inputs, hidden, width) = (usize::from(record.inputs), usize::from(record.hidden), context.width);
    let Parts { x, h, c } = Parts::new(record, context, own)?;
    let x: &[A::Activation] = cast(x)?;
    let mut h_ring = Ring::new(cast(h)?, width + 1, hidden);
    let mut c_ring = Ring::new(cast(c)?, 2, hidden);
    let (initial_h, initial_c) = context.model.initial::<A::Stream>(record, context.row)?;
    for column in (0..width).rev() {
        let at = mirrored(width, context.row, column);
        let first_of_row = column + 1 == width;
        for group in 0..context.groups {
            let length = record.x_length(context.groups, group);
            let (x_patch, rest) = patch.split_at_mut_checked(length)?;
            copy(x_patch, x.get(column * inputs..column * inputs + length)?)?;
            let (above, beside) = rest.get_mut(..2 * hidden)?.split_at_mut_checked(hidden)?;
            let state_above = if context.row > 0 { h_ring.get(at - width)? } else { &[] };
            narrow::<A>(above, state_above, record.to_hidden);
            narrow::<A>(beside, if first_of_row { initial_h } else { h_ring.get(at - 1)? }, record.to_hidden);
            let patch = patch.get(..length + 2 * hidden)?;
            Gates::<A> { record, context, group, arithmetic: PhantomData }.run(patch, kernel, |unit, gates| {
                let before = if first_of_row {
                    initial_c.get(unit).copied().unwrap_or_default()
                } else {
                    *c_ring.get(at - 1)?.get(unit)?
                };
                let (h, c) = A::cell(gates, before, record.cell_bits);
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
