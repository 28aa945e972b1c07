//! LSTMs: Row LSTM and both halves of the Diagonal BiLSTM.

mod diagonal;
mod row;

use super::context::PixelContext;
use super::gemv::{BlockedGemv, OUTPUT_BLOCK};
use super::memory::{copy, fill};
use crate::arithmetic::Arithmetic;
use crate::blob::LstmRecord;
use crate::exec::error::Corrupt;
use crate::fixed::Rescale;
use crate::kernels::Kernel;
use crate::kernels::OUTPUT_TILE;
pub(super) use diagonal::{left as diagonal_left, right as diagonal_right, sweep};
pub(super) use row::row;

/// Gates per block; limited by the length of [`Arithmetic::ZERO_BIAS`].
const BLOCK: usize = OUTPUT_TILE;

/// Units per block.
const UNITS: usize = BLOCK / 4;

/// `state_to_state` sums of a pixel's gates.
enum OverState<'s, 'm, A: Arithmetic> {
    /// To be computed: im2col vector of states, and the product over it.
    Inputs(&'s [A::Activation], BlockedGemv<'m, A>),
    /// Already computed and scaled, `[hidden, 4]`.
    Accumulators(&'s [A::Sum]),
}

/// `state_to_state` product of the current colour group.
fn over_state<'m, A: Arithmetic>(record: &LstmRecord, context: &PixelContext<'m>) -> BlockedGemv<'m, A> {
    BlockedGemv::new(&record.over_state(), context, context.model.layout().row(record.h_length()))
}

/// Computes the gates of the current colour group from input and state, and steps its units.
///
/// Shared by all kinds of LSTM, because it is most of their code. The scalar loop at the end is the general case. The branches for
/// [`Kernel::VECTORS`] and [`Kernel::FUSED`] are fast paths of it: same result.
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
    let mut over_input = BlockedGemv::<A>::new(&record.over_input(), context, x.len());
    let cell_bits = context.model.cell_bits(record).ok_or(Corrupt)?;
    let (mut unit, end) = (over_input.outputs.start / 4, over_input.outputs.end / 4);
    while unit < end {
        let gates = 4 * unit..4 * end.min(unit + UNITS);
        // Fast path: `state_to_state` added to the sums of `input_to_state` in place.
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
        // Fast path: one block of units per pass.
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

/// Splits the im2col buffer into inputs and state, each zero-padded to the row length of the weights' layout.
fn split_im2col<'p, A: Arithmetic>(
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

/// Fills `im2col` with a state rescaled to activations; an empty state is zero.
fn rescale_state<A: Arithmetic, K: Kernel>(
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

/// State of an LSTM: inputs, `h`, `c`, and `state_to_state` sums of a row.
struct LstmState<'b> {
    x: &'b mut [u32],
    h: &'b mut [u32],
    c: &'b mut [u32],
    sums: &'b mut [u32],
}

impl<'b> LstmState<'b> {
    fn new(record: &LstmRecord, context: &PixelContext<'_>, op_state: &'b mut [u32]) -> Option<Self> {
        let [x, h, c, sums] = record.memory(context.width, context.model.weights(), context.plan);
        let (x, rest) = op_state.split_at_mut_checked(x / 4)?;
        let (h, rest) = rest.split_at_mut_checked(h / 4)?;
        let (c, rest) = rest.split_at_mut_checked(c / 4)?;
        Some(Self { x, h, c, sums: rest.get_mut(..sums / 4)? })
    }
}

/// Words cast to elements of type `T`.
fn cast<T: bytemuck::Pod>(words: &mut [u32]) -> Option<&mut [T]> {
    bytemuck::try_cast_slice_mut(words).ok()
}

/// Cell states of a pixel and destination of its `h`, for all units.
struct Cells<'s, A: Arithmetic> {
    /// Previous `c`; empty if it is zero.
    before: &'s [A::Residual],
    c: &'s mut [A::Residual],
    output: Output<'s, A>,
}

/// Destination of a pixel's new `h`.
enum Output<'s, A: Arithmetic> {
    /// Kept as activations for later products, and written to the op's output.
    Now { hidden: &'s mut [A::Activation], out: &'s mut [A::Residual] },
    /// Kept unscaled; the next row adds it to its output.
    Later(&'s mut [A::Residual]),
}

impl<A: Arithmetic> Cells<'_, A> {
    /// Fast path of [`Cells::step`] for a block of units from `unit` on, at most [`UNITS`]: same result. `step` computes `c` and `h`
    /// from the previous `c`.
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
        match &mut self.output {
            Output::Now { hidden, out } => {
                A::hiddens(kernel, h, record.to_hidden, hidden.get_mut(range.clone()).ok_or(Corrupt)?);
                A::outputs(kernel, h, record.to_output, out.get_mut(range).ok_or(Corrupt)?);
            }
            Output::Later(deferred) => copy(deferred.get_mut(range).ok_or(Corrupt)?, h)?,
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
        match &mut self.output {
            Output::Now { hidden, out } => {
                *hidden.get_mut(unit).ok_or(Corrupt)? = A::hidden(h, record.to_hidden);
                *out.get_mut(unit).ok_or(Corrupt)? = A::output(h, record.to_output, A::Residual::default());
            }
            Output::Later(deferred) => *deferred.get_mut(unit).ok_or(Corrupt)? = h,
        }
        Ok(())
    }
}
