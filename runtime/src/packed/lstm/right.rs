//! The right half of a Diagonal BiLSTM, which goes from right to left: over a row, after all of it is there.

use super::{Lstm, State};
use crate::kernels::panel::Inputs;
use crate::kernels::{Kernel, map};
use crate::packed::registers::spans;
use crate::packed::rows::features;
use crate::packed::walk::{Shared, Step};
use crate::packed::{Pack, words};

impl<A: Pack> Lstm<A> {
    /// The right half at pixels: adds what the sweep over the row above left there, and keeps the inputs.
    #[inline(always)]
    pub(super) fn lowered<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        let record = &self.record;
        let (inputs, hidden) = (usize::from(record.inputs), usize::from(record.hidden));
        for offset in 0..step.columns {
            let (place, mirrored) = (offset * step.images, step.width - 1 - step.column - offset);
            if step.row > 0 {
                let to_output = record.to_output;
                let h = state.output.column(step.row, mirrored)?;
                let y = shared.registers.get_mut(record.output, hidden)?.get_mut(place * hidden..)?;
                for span in spans(0..step.images, hidden, features(hidden, step)) {
                    map(
                        kernel,
                        h.get(span.clone())?,
                        y.get_mut(span)?,
                        #[inline(always)]
                        move |h, y| *y = A::output(h, to_output, *y),
                    );
                }
            }
            let x = shared.registers.get(record.input, inputs)?.get(place * inputs..)?;
            let kept = state.x.column_mut(step.row, mirrored.cast_signed())?;
            for span in spans(0..step.images, inputs, features(inputs, step)) {
                kept.get_mut(span.clone())?.copy_from_slice(x.get(span)?);
            }
        }
        Some(())
    }

    /// The right half after a row, from right to left.
    #[inline(always)]
    pub(in crate::packed) fn sweep<K: Kernel>(
        &self,
        row: &Step,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        self.begin_row(row, state, shared, kernel)?;
        // One image: the inputs of all of the row at once. Some images: those of a column of all of them.
        let columns = if row.images == 1 { row.width } else { 1 };
        for first in (0..row.width).step_by(columns) {
            let step = Step { column: first, columns, groups: 0..row.all_groups, ..row.clone() };
            for group in step.groups.clone() {
                let Shared { pieces, sums, .. } = shared;
                pieces.clear();
                pieces.push::<A::Input>(state.x.at(0, row.row, 0, first, 0), words::<A>(*self.open.get(group)?));
                let (numbers, stride) = (state.x.numbers(), state.x.stride_of(columns));
                let inputs = Inputs { numbers, stride, pieces: pieces.all() };
                self.over_input(group, &inputs, &step, (&mut state.sums, sums), kernel)?;
            }
            if row.images == 1 {
                self.advance_one_by_one(&step, state, &mut shared.registers, kernel)?;
            } else {
                self.advance(&step, state, shared, kernel)?;
            }
        }
        Some(())
    }
}
