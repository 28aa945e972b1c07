//! LSTMs: the Row LSTM, and the two halves of the Diagonal BiLSTM.

mod diagonal;
mod row;

use super::context::PixelContext;
use super::gemv::{Accumulators, OUTPUT_BLOCK};
use super::memory::{copy, fill};
use crate::arithmetic::Arithmetic;
use crate::blob::LstmRecord;
use crate::exec::error::Corrupt;
use crate::fixed::Rescale;
use crate::kernels::Kernel;
use crate::kernels::OUTPUT_TILE;
pub(super) use diagonal::{left as diagonal_left, right as diagonal_right, sweep};
pub(super) use row::row;

/// Gates computed at a time: as many as there are biases of 0.
const BLOCK: usize = OUTPUT_TILE;

/// Their units.
const UNITS: usize = BLOCK / 4;

/// What the state gives to the gates of a pixel.
enum OverState<'s, 'm, A: Arithmetic> {
    /// The state, and the sums that are to be taken of it.
    Inputs(&'s [A::Activation], Accumulators<'m, A>),
    /// The scaled sums of all gates.
    Accumulators(&'s [A::Sum]),
}

/// The sums of the gates over the state.
fn over_state<'m, A: Arithmetic>(record: &LstmRecord, context: &PixelContext<'m>) -> Accumulators<'m, A> {
    Accumulators::new(&record.over_state(), context, context.model.layout().row(record.h_length()))
}

/// Computes the gates of the colour's units from the input and the state, and takes the step of each unit.
///
/// One function for all kinds of LSTM, as it is most of their code.
#[inline(never)]
fn gates<A: Arithmetic, K: Kernel>(
    record: &LstmRecord,
    context: &PixelContext<'_>,
    x: &[A::Activation],
    mut state: OverState<'_, '_, A>,
    memory: &mut [A::Sum; OUTPUT_BLOCK],
    mut cells: Cells<'_, A>,
    kernel: K,
) -> Result<(), Corrupt> {
    let mut over_input = Accumulators::<A>::new(&record.over_input(), context, x.len());
    let cell_bits = context.model.cell_bits(record).ok_or(Corrupt)?;
    let (mut unit, end) = (over_input.outputs.start / 4, over_input.outputs.end / 4);
    while unit < end {
        let gates = 4 * unit..4 * end.min(unit + UNITS);
        if K::FUSED {
            let sums = memory.get_mut(..gates.len()).ok_or(Corrupt)?;
            over_input.next(x, sums, kernel)?;
            match &mut state {
                OverState::Inputs(h, over_state) => over_state.add(h, sums, kernel)?,
                OverState::Accumulators(state) => {
                    for (sum, state) in sums.iter_mut().zip(state.get(gates).ok_or(Corrupt)?) {
                        *sum = A::sum(*sum, *state);
                    }
                }
            }
            cells.steps(record, unit, sums, kernel, |before, c, h| {
                A::summed_units(kernel, sums, before, cell_bits.get(unit..).unwrap_or_default(), c, h);
            })?;
            unit += sums.len() / 4;
            continue;
        }
        let (x_memory, h_memory) = memory.split_at_mut_checked(BLOCK).ok_or(Corrupt)?;
        let x_sums = x_memory.get_mut(..gates.len()).ok_or(Corrupt)?;
        over_input.next(x, x_sums, kernel)?;
        let h_sums = match &mut state {
            OverState::Inputs(h, sums) => {
                let memory = h_memory.get_mut(..gates.len()).ok_or(Corrupt)?;
                sums.next(h, memory, kernel)?;
                &*memory
            }
            OverState::Accumulators(sums) => sums.get(gates).ok_or(Corrupt)?,
        };
        if K::VECTORS {
            cells.steps(record, unit, x_sums, kernel, |before, c, h| {
                A::units(kernel, [x_sums, h_sums], before, cell_bits.get(unit..).unwrap_or_default(), c, h);
            })?;
            unit += x_sums.len() / 4;
            continue;
        }
        for ([o, f, i, g], h) in x_sums.as_chunks().0.iter().zip(h_sums.as_chunks::<4>().0) {
            let gates = [A::gate(*o, h[0]), A::gate(*f, h[1]), A::gate(*i, h[2]), A::gate(*g, h[3])];
            cells.step(record, unit, gates, cell_bits.get(unit).copied().unwrap_or_default())?;
            unit += 1;
        }
    }
    Ok(())
}

/// The two parts of a patch, inputs and state, each with zeros where the layout of the weights has more room.
fn parts<'p, A: Arithmetic>(
    record: &LstmRecord,
    context: &PixelContext<'_>,
    im2col: &'p mut [A::Activation],
) -> Option<[&'p mut [A::Activation]; 2]> {
    let layout = context.model.layout();
    let (x_length, h_length) = (record.x_length(context.groups, context.group), record.h_length());
    let (x, rest) = im2col.split_at_mut_checked(layout.row(x_length))?;
    let h = rest.get_mut(..layout.row(h_length))?;
    fill(x.get_mut(x_length..)?, A::zero(0));
    fill(h.get_mut(h_length..)?, A::zero(0));
    Some([x, h])
}

/// Fills `im2col` with activations of a state; an empty state is zero.
fn narrow<A: Arithmetic, K: Kernel>(
    im2col: &mut [A::Activation],
    state: &[A::Residual],
    to_hidden: Rescale,
    kernel: K,
) {
    if state.is_empty() {
        fill(im2col, A::zero(0));
    }
    A::hiddens(kernel, state, to_hidden, im2col);
}

/// The parts of an LSTM's memory: inputs, `h`, `c`, and sums over a row of `h`.
struct Parts<'b> {
    x: &'b mut [u32],
    h: &'b mut [u32],
    c: &'b mut [u32],
    sums: &'b mut [u32],
}

impl<'b> Parts<'b> {
    fn new(record: &LstmRecord, context: &PixelContext<'_>, own: &'b mut [u32]) -> Option<Self> {
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
    before: &'s [A::Residual],
    c: &'s mut [A::Residual],
    h: Output<'s, A>,
}

/// What becomes of a pixel's new `h`.
enum Output<'s, A: Arithmetic> {
    /// It is kept for the products of later pixels, and written to the op's output.
    Now { kept: &'s mut [A::Activation], out: &'s mut [A::Residual] },
    /// It is kept as it is for the next row, which adds it to its output.
    Later(&'s mut [A::Residual]),
}

impl<A: Arithmetic> Cells<'_, A> {
    /// One step of the units from `unit` on that have `sums`, of at most [`UNITS`]: `step` is told what was before, and makes `c`
    /// and `h`.
    #[inline(always)]
    fn steps<K: Kernel>(
        &mut self,
        record: &LstmRecord,
        unit: usize,
        sums: &[A::Sum],
        kernel: K,
        step: impl FnOnce(&[A::Residual], &mut [A::Residual], &mut [A::Residual]),
    ) -> Result<(), Corrupt> {
        let range = unit..unit + sums.len() / 4;
        let zeros = bytemuck::try_cast_slice(A::ZERO_BIAS).ok().ok_or(Corrupt)?;
        let before = if self.before.is_empty() {
            zeros.get(..range.len()).ok_or(Corrupt)?
        } else {
            self.before.get(range.clone()).ok_or(Corrupt)?
        };
        let mut h = [A::Residual::default(); UNITS];
        let h = h.get_mut(..range.len()).ok_or(Corrupt)?;
        step(before, self.c.get_mut(range.clone()).ok_or(Corrupt)?, h);
        match &mut self.h {
            Output::Now { kept, out } => {
                A::hiddens(kernel, h, record.to_hidden, kept.get_mut(range.clone()).ok_or(Corrupt)?);
                A::outputs(kernel, h, record.to_output, out.get_mut(range).ok_or(Corrupt)?);
            }
            Output::Later(kept) => copy(kept.get_mut(range).ok_or(Corrupt)?, h)?,
        }
        Ok(())
    }

    /// One step of a unit.
    #[inline(always)]
    fn step(
        &mut self,
        record: &LstmRecord,
        unit: usize,
        gates: [A::Residual; 4],
        cell_bits: u8,
    ) -> Result<(), Corrupt> {
        let before = self.before.get(unit).copied().unwrap_or_default();
        let (h, c) = A::cell(gates, before, cell_bits);
        *self.c.get_mut(unit).ok_or(Corrupt)? = c;
        match &mut self.h {
            Output::Now { kept, out } => {
                *kept.get_mut(unit).ok_or(Corrupt)? = A::hidden(h, record.to_hidden);
                *out.get_mut(unit).ok_or(Corrupt)? = A::output(h, record.to_output, A::Residual::default());
            }
            Output::Later(kept) => *kept.get_mut(unit).ok_or(Corrupt)? = h,
        }
        Ok(())
    }
}
