//! Right half of a Diagonal BiLSTM: a sweep from right to left over each finished row.

use super::{Lstm, State};
use crate::exec::batched::pack::{Pack, words};
use crate::exec::batched::registers::spans;
use crate::exec::batched::row_cache::features;
use crate::exec::batched::step::{Scratch, Step};
use crate::exec::error::Corrupt;
use crate::kernels::gemm::Inputs;
use crate::kernels::{Kernel, map};

impl<A: Pack> Lstm<A> {
    /// Right half at the columns of the batch: adds the `h` that the sweep of the row above stored, and keeps the inputs for the sweep
    /// of this row.
    #[inline(always)]
    pub(in crate::exec::batched) fn run_right<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        let record = &self.record;
        let (inputs, hidden) = (usize::from(record.inputs), usize::from(record.hidden));
        for offset in 0..step.columns {
            let (batch_column, mirrored) = (offset * step.images, step.width - 1 - step.column - offset);
            if step.row > 0 {
                let to_output = record.to_output;
                let h = state.output.column(step.row, mirrored).ok_or(Corrupt)?;
                let y = scratch
                    .registers
                    .get_mut(record.output, hidden)
                    .ok_or(Corrupt)?
                    .get_mut(batch_column * hidden..)
                    .ok_or(Corrupt)?;
                for span in spans(0..step.images, hidden, features(hidden, step)) {
                    map(
                        kernel,
                        h.get(span.clone()).ok_or(Corrupt)?,
                        y.get_mut(span).ok_or(Corrupt)?,
                        #[inline(always)]
                        move |h, y| *y = A::output(h, to_output, *y),
                    );
                }
            }
            let x = scratch
                .registers
                .get(record.input, inputs)
                .ok_or(Corrupt)?
                .get(batch_column * inputs..)
                .ok_or(Corrupt)?;
            let y = state.x.column_mut(step.row, mirrored.cast_signed()).ok_or(Corrupt)?;
            for span in spans(0..step.images, inputs, features(inputs, step)) {
                y.get_mut(span.clone()).ok_or(Corrupt)?.copy_from_slice(x.get(span).ok_or(Corrupt)?);
            }
        }
        Ok(())
    }

    /// Sweep over a finished row, from right to left.
    #[inline(always)]
    pub(in crate::exec::batched) fn sweep<K: Kernel>(
        &self,
        row: &Step,
        state: &mut State<A>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        self.begin_row(row, state, scratch, kernel)?;
        // One image: `input_to_state` of the whole row in one product. Several images: of one column at a time.
        let columns = if row.images == 1 { row.width } else { 1 };
        for first in (0..row.width).step_by(columns) {
            let step = Step { column: first, columns, groups: 0..row.all_groups, ..row.clone() };
            for group in step.groups.clone() {
                let Scratch { pieces, sums, .. } = scratch;
                pieces.clear();
                pieces.push::<A::Input>(
                    state.x.at(0, row.row, 0, first, 0),
                    words::<A>(*self.open.get(group).ok_or(Corrupt)?),
                );
                let (numbers, stride) = (state.x.slice(), state.x.stride_of(columns));
                let inputs = Inputs { numbers, stride, pieces: pieces.all() };
                self.over_input(group, &inputs, &step, &mut state.sums, sums, kernel)?;
            }
            if row.images == 1 {
                self.advance_one_by_one(&step, state, &mut scratch.registers, kernel)?;
            } else {
                self.advance(&step, state, scratch, kernel)?;
            }
        }
        Ok(())
    }
}
