//! LSTMs: the Row LSTM, and the two halves of the Diagonal BiLSTM.

mod diagonal;
mod row;

use super::ring::copy;
use super::{Context, SUMS};
use crate::blob::LstmRecord;
use crate::kernels::{Kernel, map, map_two};
use crate::numbers::{Arithmetic, NO_BIAS, Rescale};
use core::marker::PhantomData;
use core::ops::Range;
pub(super) use diagonal::{left as diagonal_left, right as diagonal_right, sweep};
pub(super) use row::row;

/// Gates computed at a time, with as many sums over the input as over the state.
const BLOCK: usize = SUMS / 2;

const _: () = assert!(BLOCK <= NO_BIAS, "biases of 0 are as many");

/// Their units.
const UNITS: usize = BLOCK / 4;

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

    /// Computes the gates of the group's units from the input and the state, and takes the step of each unit.
    ///
    /// One function for all kinds of LSTM, as it is most of their code.
    #[inline(never)]
    fn run<K: Kernel>(
        &self,
        x: &[A::Activation],
        state: &OverState<'_, A>,
        memory: &mut [A::Sum; SUMS],
        mut cells: Cells<'_, A>,
        kernel: K,
    ) -> Option<()> {
        let (record, model) = (self.record, &self.context.model);
        let gates = 4 * usize::from(record.hidden);
        let (first, end) = record.group(self.context.groups, self.group);
        let layout = model.layout();
        let length = layout.row(record.x_length(self.context.groups, self.group));
        let earlier = record.x_weights_before(self.context.groups, self.group, layout);
        let weights: &[A::Weight] = model.numbers(record.weights_x, earlier + 4 * (end - first) * length)?;
        let mut weights = weights.get(earlier..)?;
        let bias: &[A::Sum] = model.numbers(record.bias, gates)?;
        let class_bias = self.context.class_bias::<A>(record.class_bias, gates)?;
        let multipliers = self.context.multipliers::<A>(record.multipliers_x, bias)?;
        let (x_memory, h_memory) = memory.split_at_mut(BLOCK);
        let mut unit = first;
        while unit < end {
            let count = 4 * UNITS.min(end - unit);
            let range = 4 * unit..4 * unit + count;
            let x_sums = x_memory.get_mut(..count)?;
            let (own, rest) = weights.split_at_checked(count * length)?;
            weights = rest;
            A::products(kernel, layout, bias.get(range.clone())?, own, x, x_sums);
            for (sum, class) in x_sums.iter_mut().zip(class_bias.get(range.start..).unwrap_or_default()) {
                *sum = A::sum(*sum, *class);
            }
            let h_sums = match state {
                OverState::Inputs(h) => {
                    let sums = h_memory.get_mut(..count)?;
                    state_sums::<A, K>(record, self.context, h, range.clone(), sums, kernel)?;
                    &*sums
                }
                OverState::Sums(sums) => sums.get(range.clone())?,
            };
            if K::VECTORS {
                map(
                    kernel,
                    multipliers.get(range)?,
                    x_sums,
                    #[inline(always)]
                    move |m, x| *x = A::scaled(*x, record.left_x, m),
                );
                let mut gates = [A::Stream::default(); BLOCK];
                let gates = gates.get_mut(..count)?;
                map_two(
                    kernel,
                    x_sums,
                    h_sums,
                    gates,
                    #[inline(always)]
                    move |x, h, gate| *gate = A::gate(x, h),
                );
                cells.steps(record, unit, gates, kernel)?;
                unit += count / 4;
                continue;
            }
            let gates = x_sums.iter().zip(multipliers.get(range)?).zip(h_sums);
            let mut gates = gates.map(|((x, m), h)| A::gate(A::scaled(*x, record.left_x, *m), *h));
            while let (Some(o), Some(f), Some(i), Some(g)) = (gates.next(), gates.next(), gates.next(), gates.next()) {
                cells.step(record, unit, [o, f, i, g])?;
                unit += 1;
            }
        }
        Some(())
    }
}

/// Scaled sums over the state `h` of the gates `gates`, four a unit.
fn state_sums<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &Context<'_>,
    h: &[A::Activation],
    gates: Range<usize>,
    sums: &mut [A::Sum],
    kernel: K,
) -> Option<()> {
    let layout = context.model.layout();
    let weights: &[A::Weight] = context.model.numbers(record.weights_h, record.h_weights(layout))?;
    let bias: &[A::Sum] = context.model.numbers(record.bias, 4 * usize::from(record.hidden))?;
    let multipliers = context.multipliers::<A>(record.multipliers_h, bias)?;
    let mut weights = weights.get(gates.start * h.len()..)?;
    for (sums, multipliers) in sums.chunks_mut(BLOCK).zip(multipliers.get(gates)?.chunks(BLOCK)) {
        let (own, rest) = weights.split_at_checked(sums.len() * h.len())?;
        weights = rest;
        A::products(kernel, layout, A::NO_BIAS, own, h, sums);
        map(
            kernel,
            multipliers,
            sums,
            #[inline(always)]
            move |m, sum| *sum = A::scaled(*sum, record.left_h, m),
        );
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
fn narrow<A: Arithmetic, K: Kernel>(patch: &mut [A::Activation], state: &[A::Stream], to_hidden: Rescale, kernel: K) {
    if state.is_empty() {
        patch.fill(A::zero(0));
    }
    map(
        kernel,
        state,
        patch,
        #[inline(always)]
        move |h, to| *to = A::hidden(h, to_hidden),
    );
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

/// A pixel's cells and where its results go, all units of each.
struct Cells<'s, A: Arithmetic> {
    /// `c` that the step begins with; empty where it is zero.
    before: &'s [A::Stream],
    c: &'s mut [A::Stream],
    h: Output<'s, A>,
}

/// What becomes of a pixel's new `h`.
enum Output<'s, A: Arithmetic> {
    /// It is kept for the products of later pixels, and written to the op's output.
    Now { kept: &'s mut [A::Activation], out: &'s mut [A::Stream] },
    /// It is kept as it is for the next row, which adds it to its output.
    Later(&'s mut [A::Stream]),
}

impl<A: Arithmetic> Cells<'_, A> {
    /// One step of units from `unit` on, at most [`UNITS`] of them, four gates each.
    fn steps<K: Kernel>(&mut self, record: &LstmRecord, unit: usize, gates: &[A::Stream], kernel: K) -> Option<()> {
        let range = unit..unit + gates.len() / 4;
        let zeros = [A::Stream::default(); UNITS];
        let before = if self.before.is_empty() { zeros.get(..range.len())? } else { self.before.get(range.clone())? };
        let mut h = [A::Stream::default(); UNITS];
        let h = h.get_mut(..range.len())?;
        A::cells(kernel, gates, before, record.cell_bits, self.c.get_mut(range.clone())?, h);
        match &mut self.h {
            Output::Now { kept, out } => {
                map(
                    kernel,
                    h,
                    kept.get_mut(range.clone())?,
                    #[inline(always)]
                    move |h, y| *y = A::hidden(h, record.to_hidden),
                );
                let out = out.get_mut(range)?;
                map(
                    kernel,
                    h,
                    out,
                    #[inline(always)]
                    move |h, y| *y = A::output(h, record.to_output, A::Stream::default()),
                );
            }
            Output::Later(kept) => copy(kept.get_mut(range)?, h)?,
        }
        Some(())
    }

    /// One step of a unit.
    #[inline(always)]
    fn step(&mut self, record: &LstmRecord, unit: usize, gates: [A::Stream; 4]) -> Option<()> {
        let before = self.before.get(unit).copied().unwrap_or_default();
        let (h, c) = A::cell(gates, before, record.cell_bits);
        *self.c.get_mut(unit)? = c;
        match &mut self.h {
            Output::Now { kept, out } => {
                *kept.get_mut(unit)? = A::hidden(h, record.to_hidden);
                *out.get_mut(unit)? = A::output(h, record.to_output, A::Stream::default());
            }
            Output::Later(kept) => *kept.get_mut(unit)? = h,
        }
        Some(())
    }
}
