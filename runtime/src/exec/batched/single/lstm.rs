//! Fast path of [`Lstm`] for one pixel of a single image: same result, with sums that stay in registers.

use super::accumulators::PanelSums;
use crate::exec::batched::lstm::{Kind, Lstm, State, Units};
use crate::exec::batched::pack::{Pack, each_word};
use crate::exec::batched::packed_matrix::{Init, PackedMatrix, Panel, Scaled, Strided, by_vectors};
use crate::exec::batched::registers::Registers;
use crate::exec::batched::step::{Scratch, Step};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use core::ops::Range;

/// Pixel of a single image, with the indices of its vectors in the caches of the state.
#[derive(Clone, Copy)]
struct Cursor {
    column: usize,
    h: usize,
    c: usize,
    /// Previous cell states.
    before: usize,
    /// `h` of a right half, for the output of the next row.
    output: usize,
}

impl Cursor {
    #[inline(always)]
    fn new<A: Pack>(lstm: &Lstm<A>, state: &State<A>, row: usize, column: usize) -> Self {
        let c = state.c.at(0, row, 0, column, 0);
        let above = lstm.kind == Kind::Row;
        let before = if above { state.c.at(0, row, 1, column, 0) } else { state.c.left_of(c, 1) };
        Self { column, h: state.h.at(0, row, 0, column, 0), c, before, output: state.output.at(0, row, 0, column, 0) }
    }

    /// Cursor of the next column.
    #[inline(always)]
    fn next(self, hidden: usize) -> Self {
        let Self { column, h, c, before, output } = self;
        Self { column: column + 1, h: h + hidden, c: c + hidden, before: before + hidden, output: output + hidden }
    }
}

impl<A: Pack> Lstm<A> {
    /// Fast path of [`Lstm::run`] for one pixel of a single image: same result.
    #[inline(always)]
    pub(in crate::exec::batched) fn single<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        if self.kind == Kind::Right {
            return self.run_right(step, state, scratch, kernel);
        }
        if step.begins_row() {
            self.begin_row(step, state, scratch, kernel)?;
        }
        let Scratch { registers, .. } = scratch;
        let cursor = Cursor::new(self, state, step.row, step.column);
        let left = if self.kind == Kind::Row { self.record.reach().left } else { 0 };
        let here = if left > 0 { state.x.at(0, step.row, 0, step.column, 0) } else { 0 };
        for group in step.groups.clone() {
            let (over_input, over_state) =
                (self.over_input.get(group).ok_or(Corrupt)?, self.over_state.get(group).ok_or(Corrupt)?);
            for (of_input, of_state) in over_input.panels().iter().zip(over_state.panels()) {
                by_vectors!(of_input, V => {
                    let init = over_input.init(of_input, kernel, step.label).ok_or(Corrupt)?;
                    let mut x = over_input.single::<V>(of_input, init)?;
                    let words = usize::from(self.record.inputs).next_multiple_of(each_word::<A>());
                    for back in (1..=left).rev() {
                        let at = state.x.left_of(here, back.cast_signed());
                        x.add(kernel, state.x.slice().get(at..at + words).ok_or(Corrupt)?)?;
                    }
                    x.add(kernel, registers.words(self.record.input, *self.open.get(group).ok_or(Corrupt)?).ok_or(Corrupt)?)?;
                    let x = x.scaled(kernel).ok_or(Corrupt)?;
                    let h = self.over_state_single::<K, V>(group, of_state, &cursor, state, kernel)?;
                    let gates = state.gates.get_mut(of_state.outputs.start..).ok_or(Corrupt)?;
                    h.each_with(
                        kernel,
                        x.as_flattened(),
                        gates,
                        Strided::single(0),
                        #[inline(always)]
                        |h, x, gate| *gate = A::gate(x, h),
                    )?;
                });
            }
            let (start, end) = self.record.group(step.all_groups, group);
            self.units_single(start..end, &cursor, state, registers, 0, kernel)?;
        }
        if left > 0 && step.groups.end == step.all_groups {
            let x = registers.get(self.record.input, self.record.inputs.into()).ok_or(Corrupt)?;
            state.x.keep_single(here, x)?;
        }
        Ok(())
    }

    /// [`Lstm::advance`] for columns of a single image that depend on each other: one column after the other.
    #[inline(always)]
    pub(in crate::exec::batched) fn advance_one_by_one<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        registers: &mut Registers,
        kernel: K,
    ) -> Result<(), Corrupt> {
        let mut cursor = Cursor::new(self, state, step.row, step.column);
        for batch_column in 0..step.columns {
            self.advance_single(step, batch_column, &cursor, state, registers, kernel)?;
            cursor = cursor.next(usize::from(self.record.hidden));
        }
        Ok(())
    }

    /// One column of [`Lstm::advance_one_by_one`]. Its scaled `input_to_state` sums are already in the state.
    #[inline(always)]
    fn advance_single<K: Kernel>(
        &self,
        step: &Step,
        batch_column: usize,
        cursor: &Cursor,
        state: &mut State<A>,
        registers: &mut Registers,
        kernel: K,
    ) -> Result<(), Corrupt> {
        for group in step.groups.clone() {
            for panel in self.over_state.get(group).ok_or(Corrupt)?.panels() {
                by_vectors!(panel, V => {
                    let h = self.over_state_single::<K, V>(group, panel, cursor, state, kernel)?;
                    let State { sums, gates, .. } = state;
                    h.each_with(
                        kernel,
                        sums.get(4 * batch_column * usize::from(self.record.hidden)..).ok_or(Corrupt)?,
                        gates,
                        Strided::single(panel.outputs.start),
                        #[inline(always)]
                        |h, x, gate| *gate = A::gate(x, h),
                    )?;
                });
            }
            let (start, end) = self.record.group(step.all_groups, group);
            self.units_single(start..end, cursor, state, registers, batch_column, kernel)?;
        }
        Ok(())
    }

    /// `state_to_state` sums of a panel at the cursor.
    #[inline(always)]
    fn over_state_single<'p, K: Kernel, const V: usize>(
        &'p self,
        group: usize,
        panel: &'p Panel,
        cursor: &Cursor,
        state: &State<A>,
        kernel: K,
    ) -> Result<PanelSums<'p, A, V>, Corrupt> {
        let packed = self.over_state.get(group).ok_or(Corrupt)?;
        let row_prefix = state.row_prefixes.get(group).ok_or(Corrupt)?;
        let init = packed.init_from_prefix(panel, row_prefix, cursor.column).ok_or(Corrupt)?;
        let mut sums = packed.single::<V>(panel, init)?;
        if self.kind != Kind::Row {
            let left = state.h.left_of(cursor.h, 1);
            let words = usize::from(self.record.hidden).next_multiple_of(each_word::<A>());
            sums.add(kernel, state.h.slice().get(left..left + words).ok_or(Corrupt)?)?;
        }
        Ok(sums)
    }

    /// Steps `units` at the cursor and writes their output to row `batch_column` of the output register.
    #[inline(always)]
    fn units_single<K: Kernel>(
        &self,
        units: Range<usize>,
        cursor: &Cursor,
        state: &mut State<A>,
        registers: &mut Registers,
        batch_column: usize,
        kernel: K,
    ) -> Result<(), Corrupt> {
        let Range { start, end } = units;
        let State { h, c, output, gates, new_h, .. } = state;
        let (gates, new_h) = (gates.get(4 * start..4 * end).ok_or(Corrupt)?, new_h.get_mut(start..end).ok_or(Corrupt)?);
        let (before, c) = c.split_disjoint_mut(cursor.before + start, cursor.c + start, end - start).ok_or(Corrupt)?;
        let h = h.slice_mut().get_mut(cursor.h + start..cursor.h + end).ok_or(Corrupt)?;
        let cell_bits = self.cell_bits.get(start..end).ok_or(Corrupt)?;
        self.units(Units { gates, before, cell_bits, c, new_h: &mut *new_h, h }, kernel);
        if self.kind == Kind::Right {
            return output.keep_single(cursor.output + start, new_h);
        }
        let hidden = usize::from(self.record.hidden);
        let to = batch_column * hidden + start..batch_column * hidden + end;
        let out = registers.get_mut(self.record.output, hidden).ok_or(Corrupt)?.get_mut(to).ok_or(Corrupt)?;
        self.write_output(new_h, out);
        Ok(())
    }
}

impl<A: Pack> PackedMatrix<A> {
    /// Fast path of [`PackedMatrix::sums`] for a single column: sums after `init`, in registers.
    #[inline(always)]
    fn single<'p, const V: usize>(&self, panel: &'p Panel, init: Init<'_, 'p>) -> Result<PanelSums<'p, A, V>, Corrupt> {
        PanelSums::new(init, &panel.multipliers, self.left_shift, panel.outputs.len()).ok_or(Corrupt)
    }
}
