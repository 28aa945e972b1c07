//! LSTMs: the Row LSTM, and the two halves of the Diagonal BiLSTM.

mod diagonal;
mod row;

use super::Context;
use super::registers::Registers;
use super::ring::copy;
use crate::blob::LstmRecord;
use crate::kernels::Kernel;
use crate::numbers::{Arithmetic, Rescale};
use core::marker::PhantomData;
pub(super) use diagonal::{left as diagonal_left, right as diagonal_right, sweep};
pub(super) use row::row;

/// Units computed at a time, four gates each.
const BLOCK: usize = 4;

/// The gates of an LSTM at one pixel, of one colour.
struct Gates<'c, 'm, A> {
    record: &'c LstmRecord,
    context: &'c Context<'m>,
    group: usize,
    arithmetic: PhantomData<A>,
}

/// What the state gives to the gates of a pixel.
enum OverState<'s, A: Arithmetic> {
    /// The state, of which sums are to be taken.
    Inputs(&'s [A::Activation]),
    /// The scaled sums of all gates, as [`state_sums`] gives them.
    Sums(&'s [A::Sum]),
}

impl<'c, 'm, A: Arithmetic> Gates<'c, 'm, A> {
    fn new(record: &'c LstmRecord, context: &'c Context<'m>, group: usize) -> Self {
        Self { record, context, group, arithmetic: PhantomData }
    }

    /// Computes the gates of the group's units from the input and the state, and hands each unit's number and its
    /// pre-activations o, f, i, g to `step`.
    fn run<K: Kernel>(
        &self,
        x: &[A::Activation],
        state: &OverState<'_, A>,
        kernel: K,
        mut step: impl FnMut(usize, [A::Stream; 4]) -> Option<()>,
    ) -> Option<()> {
        let (record, model) = (self.record, &self.context.model);
        let gates = 4 * usize::from(record.hidden);
        let (first, end) = record.group(self.context.groups, self.group);
        let layout = model.layout();
        let length = layout.row(record.x_length(self.context.groups, self.group));
        let earlier = record.x_weights_before(self.context.groups, self.group, layout);
        let weights: &[A::Weight] = model.numbers(record.weights_x, earlier + 4 * (end - first) * length)?;
        let weights = weights.get(earlier..)?;
        let bias: &[A::Sum] = model.numbers(record.bias, gates)?;
        let class_bias = self.context.class_bias::<A>(record.class_bias, gates)?;
        let multipliers = self.context.multipliers::<A>(record.multipliers_x, gates)?;
        let mut unit = first;
        while unit < end {
            let block = BLOCK.min(end - unit);
            let rows = 4 * unit..4 * (unit + block);
            let (mut sums_x, mut sums_h) = ([A::Sum::default(); 4 * BLOCK], [A::Sum::default(); 4 * BLOCK]);
            let (sums_x, sums_h) = (sums_x.get_mut(..4 * block)?, sums_h.get_mut(..4 * block)?);
            copy(sums_x, bias.get(rows.clone())?)?;
            for (sum, class) in sums_x.iter_mut().zip(class_bias.get(4 * unit..).unwrap_or_default()) {
                *sum = A::sum(*sum, *class);
            }
            let of_group = 4 * (unit - first) * length..4 * (unit - first + block) * length;
            A::matvec(kernel, layout, sums_x, weights.get(of_group)?, x);
            for (sum, multiplier) in sums_x.iter_mut().zip(multipliers.get(4 * unit..).unwrap_or_default()) {
                *sum = A::scaled(*sum, record.left_x, *multiplier);
            }
            match state {
                OverState::Inputs(h) => state_sums::<A, K>(record, self.context, h, rows, sums_h, kernel)?,
                OverState::Sums(sums) => copy(sums_h, sums.get(rows)?)?,
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

/// Scaled sums over the state `h` of the gates `gates`, four a unit.
fn state_sums<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &Context<'_>,
    h: &[A::Activation],
    gates: core::ops::Range<usize>,
    sums: &mut [A::Sum],
    kernel: K,
) -> Option<()> {
    let layout = context.model.layout();
    let length = layout.row(record.h_length());
    let weights: &[A::Weight] = context.model.numbers(record.weights_h, record.h_weights(layout))?;
    let multipliers = context.multipliers::<A>(record.multipliers_h, 4 * usize::from(record.hidden))?;
    sums.fill(A::Sum::default());
    A::matvec(kernel, layout, sums, weights.get(gates.start * length..gates.end * length)?, h);
    for (sum, multiplier) in sums.iter_mut().zip(multipliers.get(gates.start..).unwrap_or_default()) {
        *sum = A::scaled(*sum, record.left_h, *multiplier);
    }
    Some(())
}

/// The two parts of a patch, inputs and state, each with zeros where the layout of the weights has more room.
fn parts<'p, A: Arithmetic>(
    record: &LstmRecord,
    context: &Context<'_>,
    group: usize,
    patch: &'p mut [A::Activation],
) -> Option<[&'p mut [A::Activation]; 2]> {
    let layout = context.model.layout();
    let (x_length, h_length) = (record.x_length(context.groups, group), record.h_length());
    let (x, rest) = patch.split_at_mut_checked(layout.row(x_length))?;
    let h = rest.get_mut(..layout.row(h_length))?;
    x.get_mut(x_length..)?.fill(A::zero(0));
    h.get_mut(h_length..)?.fill(A::zero(0));
    Some([x, h])
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

/// The parts of an LSTM's memory: inputs, `h`, `c`, and sums over a row of `h`.
struct Parts<'b> {
    x: &'b mut [u32],
    h: &'b mut [u32],
    c: &'b mut [u32],
    sums: &'b mut [u32],
}

impl<'b> Parts<'b> {
    fn new(record: &LstmRecord, context: &Context<'_>, own: &'b mut [u32]) -> Option<Self> {
        let [x, h, c, sums] = record.memory(context.width, context.model.weights(), context.plan);
        let (x, rest) = own.split_at_mut_checked(x / 4)?;
        let (h, rest) = rest.split_at_mut_checked(h / 4)?;
        let (c, rest) = rest.split_at_mut_checked(c / 4)?;
        Some(Self { x, h, c, sums: rest.get_mut(..sums / 4)? })
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
