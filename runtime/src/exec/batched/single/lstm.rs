//! LSTMs at one place, whose sums stay in registers.

use super::accumulators::PanelSums;
use crate::exec::batched::lstm::{Kind, Lstm, State};
use crate::exec::batched::pack::{Line, Pack, each_word};
use crate::exec::batched::packed_matrix::{PackedMatrix, Panel, Scaled, by_vectors};
use crate::exec::batched::registers::Registers;
use crate::exec::batched::step::{Scratch, Step};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use core::ops::Range;

/// A pixel of the only image, and where its numbers begin in the rows of the state.
#[derive(Clone, Copy)]
struct Place {
    column: usize,
    h: usize,
    c: usize,
    /// The cells that it continues.
    before: usize,
    /// The `h` of a right half that the next row puts out.
    output: usize,
}

impl Place {
    #[inline(always)]
    fn new<A: Pack>(lstm: &Lstm<A>, state: &State<A>, row: usize, column: usize) -> Self {
        let c = state.c.at(0, row, 0, column, 0);
        let above = lstm.kind == Kind::Row;
        let before = if above { state.c.at(0, row, 1, column, 0) } else { state.c.left_of(c, 1) };
        Self { column, h: state.h.at(0, row, 0, column, 0), c, before, output: state.output.at(0, row, 0, column, 0) }
    }

    /// The next column's.
    #[inline(always)]
    fn next(self, hidden: usize) -> Self {
        let Self { column, h, c, before, output } = self;
        Self { column: column + 1, h: h + hidden, c: c + hidden, before: before + hidden, output: output + hidden }
    }
}

impl<A: Pack> Lstm<A> {
    /// As [`Lstm::run`], at a pixel of the only image.
    #[inline(always)]
    pub(in crate::exec::batched) fn single<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        if self.kind == Kind::Right {
            return self.lowered(step, state, scratch, kernel);
        }
        if step.begins_row() {
            self.begin_row(step, state, scratch, kernel)?;
        }
        let Scratch { registers, .. } = scratch;
        let batch_column = Place::new(self, state, step.row, step.column);
        let left = if self.kind == Kind::Row { self.record.reach().left } else { 0 };
        let here = if left > 0 { state.x.at(0, step.row, 0, step.column, 0) } else { 0 };
        for group in step.groups.clone() {
            let (over_input, over_state) =
                (self.over_input.get(group).ok_or(Corrupt)?, self.over_state.get(group).ok_or(Corrupt)?);
            for (of_input, of_state) in over_input.panels().iter().zip(over_state.panels()) {
                by_vectors!(of_input, V => {
                    let begin = over_input.begin(of_input, kernel, step.label).ok_or(Corrupt)?;
                    let mut x = over_input.single::<V>(of_input, begin)?;
                    let words = usize::from(self.record.inputs).next_multiple_of(each_word::<A>());
                    for back in (1..=left).rev() {
                        let at = state.x.left_of(here, back.cast_signed());
                        x.add(kernel, state.x.slice().get(at..at + words).ok_or(Corrupt)?)?;
                    }
                    x.add(kernel, registers.words(self.record.input, *self.open.get(group).ok_or(Corrupt)?).ok_or(Corrupt)?)?;
                    let x = x.scaled(kernel).ok_or(Corrupt)?;
                    let h = self.over_state_single::<K, V>((group, of_state), &batch_column, state, kernel)?;
                    let gates = state.gates.get_mut(of_state.outputs.start..).ok_or(Corrupt)?;
                    h.each_with(
                        kernel,
                        x.as_flattened(),
                        gates,
                        (0, 0),
                        #[inline(always)]
                        |h, x, gate| *gate = A::gate(x, h),
                    )?;
                });
            }
            self.units_single(self.record.group(step.all_groups, group), &batch_column, state, (registers, 0), kernel)?;
        }
        if left > 0 && step.groups.end == step.all_groups {
            let x = registers.get(self.record.input, self.record.inputs.into()).ok_or(Corrupt)?;
            state.x.keep_single(here, x)?;
        }
        Ok(())
    }

    /// As [`Lstm::advance`], at places of the only image that wait for each other.
    #[inline(always)]
    pub(in crate::exec::batched) fn advance_one_by_one<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        registers: &mut Registers,
        kernel: K,
    ) -> Result<(), Corrupt> {
        let mut batch_column = Place::new(self, state, step.row, step.column);
        for number in 0..step.columns {
            let groups = (step.groups.clone(), step.all_groups);
            self.advance_single(groups, (number, &batch_column), state, registers, kernel)?;
            batch_column = batch_column.next(usize::from(self.record.hidden));
        }
        Ok(())
    }

    /// The step of a place whose scaled sums over the inputs are there, as those of place `number` of the state's and the registers'.
    #[inline(always)]
    fn advance_single<K: Kernel>(
        &self,
        (groups, all_groups): (Range<usize>, usize),
        (number, batch_column): (usize, &Place),
        state: &mut State<A>,
        registers: &mut Registers,
        kernel: K,
    ) -> Result<(), Corrupt> {
        for group in groups {
            for panel in self.over_state.get(group).ok_or(Corrupt)?.panels() {
                by_vectors!(panel, V => {
                    let h = self.over_state_single::<K, V>((group, panel), batch_column, state, kernel)?;
                    let State { sums, gates, .. } = state;
                    h.each_with(
                        kernel,
                        sums.get(4 * number * usize::from(self.record.hidden)..).ok_or(Corrupt)?,
                        gates,
                        (panel.outputs.start, 0),
                        #[inline(always)]
                        |h, x, gate| *gate = A::gate(x, h),
                    )?;
                });
            }
            self.units_single(self.record.group(all_groups, group), batch_column, state, (registers, number), kernel)?;
        }
        Ok(())
    }

    /// Sums over the state of a place.
    #[inline(always)]
    fn over_state_single<'p, K: Kernel, const V: usize>(
        &'p self,
        (group, panel): (usize, &'p Panel),
        batch_column: &Place,
        state: &State<A>,
        kernel: K,
    ) -> Result<PanelSums<'p, A, V>, Corrupt> {
        let packed = self.over_state.get(group).ok_or(Corrupt)?;
        let begin =
            packed.row_prefix(panel, state.ahead.get(group).ok_or(Corrupt)?, batch_column.column).ok_or(Corrupt)?;
        let mut sums = packed.single::<V>(panel, begin)?;
        if self.kind != Kind::Row {
            let left = state.h.left_of(batch_column.h, 1);
            let words = usize::from(self.record.hidden).next_multiple_of(each_word::<A>());
            sums.add(kernel, state.h.slice().get(left..left + words).ok_or(Corrupt)?)?;
        }
        Ok(sums)
    }

    /// From the gates of a place's units to their states, and to its output in the registers.
    #[inline(always)]
    fn units_single<K: Kernel>(
        &self,
        (start, end): (usize, usize),
        batch_column: &Place,
        state: &mut State<A>,
        (registers, number): (&mut Registers, usize),
        kernel: K,
    ) -> Result<(), Corrupt> {
        let State { h, c, output, gates, new_h, .. } = state;
        let (gates, new_h) = (gates.get(4 * start..4 * end).ok_or(Corrupt)?, new_h.get_mut(start..end).ok_or(Corrupt)?);
        let (before, c) =
            c.split_disjoint_mut(batch_column.before + start, batch_column.c + start, end - start).ok_or(Corrupt)?;
        let h = h.slice_mut().get_mut(batch_column.h + start..batch_column.h + end).ok_or(Corrupt)?;
        self.units((gates, before, self.cell_bits.get(start..end).ok_or(Corrupt)?), (c, new_h, h), kernel);
        if self.kind == Kind::Right {
            return output.keep_single(batch_column.output + start, new_h);
        }
        let hidden = usize::from(self.record.hidden);
        let to = number * hidden + start..number * hidden + end;
        self.put_out(new_h, registers.get_mut(self.record.output, hidden).ok_or(Corrupt)?.get_mut(to).ok_or(Corrupt)?);
        Ok(())
    }
}

impl<A: Pack> PackedMatrix<A> {
    /// The sums of a panel at one place, which begin with some numbers and miss some weights.
    #[inline(always)]
    fn single<'p, const V: usize>(
        &self,
        panel: &'p Panel,
        begin: (&[i32], &'p [Line]),
    ) -> Result<PanelSums<'p, A, V>, Corrupt> {
        PanelSums::new(begin, (&panel.multipliers, self.left_shift), panel.outputs.len()).ok_or(Corrupt)
    }
}
