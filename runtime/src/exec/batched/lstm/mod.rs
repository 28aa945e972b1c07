//! LSTMs, at all places of a step: the Row LSTM, and the two halves of the Diagonal BiLSTM.

mod right;

use super::pack::{Pack, words};
use super::packed_matrix::{PackedMatrix, RowPrefix, Scaled};
use super::registers::spans;
use super::row_cache::{RowCache, Shape};
use super::step::{Scratch, Step};
use crate::blob::{LstmRecord, Model};
use crate::exec::error::Corrupt;
use crate::fixed::Rescale;
use crate::kernels::gemm::{Inputs, Pieces};
use crate::kernels::{Kernel, map_within};
use crate::network::taps::Reach;

/// Which LSTM it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec::batched) enum Kind {
    Row,
    Left,
    Right,
}

/// An LSTM with its weights packed.
pub(in crate::exec::batched) struct Lstm<A> {
    pub(in crate::exec::batched) record: LstmRecord,
    pub(in crate::exec::batched) kind: Kind,
    /// Of each colour group.
    pub(in crate::exec::batched) over_input: Vec<PackedMatrix<A>>,
    pub(in crate::exec::batched) over_state: Vec<PackedMatrix<A>>,
    /// Inputs of the pixel that each colour group reads.
    pub(in crate::exec::batched) open: Vec<usize>,
    /// `h`, then `c`, of each row, or of the one above the image.
    pub(in crate::exec::batched) initial: Vec<i16>,
    pub(in crate::exec::batched) cell_bits: Vec<u8>,
}

/// What an LSTM keeps.
pub(in crate::exec::batched) struct State<A: Pack> {
    /// Inputs: of a Row LSTM the last ones of the row, of a right half all of a row, from right to left.
    pub(in crate::exec::batched) x: RowCache<A::Input>,
    /// `h` as products read it.
    pub(in crate::exec::batched) h: RowCache<A::Input>,
    pub(in crate::exec::batched) c: RowCache<i16>,
    /// Sums over the states of the row above, of each colour group, where columns of one image wait for each other.
    pub(in crate::exec::batched) ahead: Vec<RowPrefix>,
    /// `h` of a right half, for the output of the next row.
    pub(in crate::exec::batched) output: RowCache<i16>,
    /// Of all places, `[batch_columns, 4 * hidden]`: scaled sums over the inputs, and gates.
    pub(in crate::exec::batched) sums: Vec<i32>,
    pub(in crate::exec::batched) gates: Vec<i16>,
    /// `[batch_columns, hidden]`: new states, and the bits of cells.
    pub(in crate::exec::batched) new_h: Vec<i16>,
    pub(in crate::exec::batched) bits: Vec<u8>,
}

impl<A: Pack> Lstm<A> {
    pub(in crate::exec::batched) fn new(model: &Model<'_>, record: &LstmRecord, kind: Kind) -> Option<Self> {
        let groups = model.image().channels;
        let (inputs, hidden) = (usize::from(record.inputs), usize::from(record.hidden));
        let left = record.reach().left;
        let over_input = record.over_input();
        let over_state = record.over_state();
        let open: Vec<_> = (0..groups).map(|group| over_input.open(groups, group)).collect();
        let rows = if record.initial == 0 {
            0
        } else if kind == Kind::Row {
            1
        } else {
            model.image().height
        };
        let mut initial = Vec::new();
        for row in 0..rows {
            let (h, c) = model.initial::<i16>(record, row)?;
            initial.extend_from_slice(h);
            initial.extend_from_slice(c);
        }
        let pack_x = |group: usize| {
            let mut pieces = vec![inputs; left];
            pieces.push(open[group]);
            PackedMatrix::new(model, &over_input, group, (&pieces, 0))
        };
        let taps = vec![hidden; record.h_length() / hidden.max(1)];
        let above = if kind == Kind::Row { taps.len() } else { 1 };
        let pack_h = |group| PackedMatrix::new(model, &over_state, group, (&taps, above));
        Some(Self {
            record: *record,
            kind,
            over_input: (0..groups).map(pack_x).collect::<Option<_>>()?,
            over_state: (0..groups).map(pack_h).collect::<Option<_>>()?,
            open,
            initial,
            cell_bits: model.cell_bits(record)?.to_vec(),
        })
    }

    pub(in crate::exec::batched) fn state(&self, images: usize, columns: usize, width: usize) -> State<A> {
        let (inputs, hidden) = (usize::from(self.record.inputs), usize::from(self.record.hidden));
        let Reach { left, right, .. } = self.record.reach();
        let batch_columns = match self.kind {
            Kind::Right if images == 1 => width,
            Kind::Right => images,
            _ => images * columns,
        };
        let rows = |rows, columns, features| Shape { images, rows, columns, features };
        let (x, h, c, output) = match self.kind {
            Kind::Row if left > 0 => ([left, width, 0], (2, [left, width, right]), (2, [0, width, 0]), 0),
            Kind::Row => ([0; 3], (2, [left, width, right]), (2, [0, width, 0]), 0),
            Kind::Left => ([0; 3], (2, [1, width, 0]), (1, [1, width, 0]), 0),
            Kind::Right => ([0, width, 0], (2, [1, width, 0]), (1, [1, width, 0]), width),
        };
        let waits = images == 1 && (columns == 1 || self.kind != Kind::Row);
        State {
            ahead: if waits {
                self.over_state.iter().map(|packed| packed.new_row_prefix(width)).collect()
            } else {
                Vec::new()
            },
            x: RowCache::new(rows(1, x, inputs)),
            h: RowCache::new(rows(h.0, h.1, hidden)),
            c: RowCache::new(rows(c.0, c.1, hidden)),
            output: RowCache::new(rows(1, [0, output, 0], hidden)),
            sums: vec![0; batch_columns * 4 * hidden],
            gates: vec![0; batch_columns * 4 * hidden],
            new_h: vec![0; batch_columns * hidden],
            bits: self.cell_bits.repeat(batch_columns),
        }
    }

    /// All weights.
    pub(in crate::exec::batched) fn packed(&self) -> impl Iterator<Item = &PackedMatrix<A>> {
        self.over_input.iter().chain(&self.over_state)
    }

    /// The most pieces that a product reads.
    pub(in crate::exec::batched) fn pieces(&self) -> usize {
        usize::from(self.record.kernel).max(2)
    }

    /// `h` and `c` that a row begins with, each empty where it is zero.
    fn initial(&self, row: usize) -> (&[i16], &[i16]) {
        let hidden = usize::from(self.record.hidden);
        let both = self.initial.get(2 * row * hidden..2 * (row + 1) * hidden).unwrap_or_default();
        both.split_at(both.len() / 2)
    }

    /// Before an image.
    pub(in crate::exec::batched) fn restart(&self, state: &mut State<A>, width: usize) -> Result<(), Corrupt> {
        state.x.fill(A::input(A::zero(self.record.input_zero_point)));
        state.h.fill(A::input(A::zero(0)));
        state.c.fill(0);
        let (h, c) = self.initial(0);
        if self.kind == Kind::Row && !h.is_empty() {
            // The row above the image; beside it the state is zero.
            for column in 0..width.cast_signed() {
                narrow::<A>(h, state.h.column_mut(1, column).ok_or(Corrupt)?, self.record.initial_to_hidden);
                repeat(c, state.c.column_mut(1, column).ok_or(Corrupt)?);
            }
        }
        Ok(())
    }

    #[inline(always)]
    pub(in crate::exec::batched) fn run<K: Kernel>(
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
        let record = &self.record;
        let from_registers = self.kind == Kind::Left || record.reach().left == 0;
        if !from_registers {
            state.x.keep(step, &scratch.registers, record.input)?;
        }
        let (back, inputs) = (record.reach().left, usize::from(record.inputs));
        for group in step.groups.clone() {
            let open = words::<A>(*self.open.get(group).ok_or(Corrupt)?);
            let Scratch { registers, pieces, sums, .. } = scratch;
            pieces.clear();
            let (numbers, stride) = if from_registers {
                pieces.push::<A::Input>(registers.start::<A::Input>(record.input), open);
                (registers.slice().ok_or(Corrupt)?, inputs)
            } else {
                for back in (1..=back).rev() {
                    let start = state.x.at(0, step.row, 0, step.column, back.cast_signed());
                    pieces.push::<A::Input>(start, words::<A>(inputs));
                }
                pieces.push::<A::Input>(state.x.at(0, step.row, 0, step.column, 0), open);
                (state.x.slice(), state.x.stride_of(step.columns))
            };
            let inputs = Inputs { numbers, stride, pieces: pieces.all() };
            self.over_input(group, &inputs, step, (&mut state.sums, sums), kernel)?;
        }
        if state.ahead.is_empty() {
            return self.advance(step, state, scratch, kernel);
        }
        self.advance_one_by_one(step, state, &mut scratch.registers, kernel)
    }

    /// Scaled sums over the inputs, of a colour group.
    #[inline(always)]
    fn over_input<K: Kernel>(
        &self,
        group: usize,
        inputs: &Inputs<'_, A::Input>,
        step: &Step,
        (to, memory): (&mut [i32], &mut [i32]),
        kernel: K,
    ) -> Result<(), Corrupt> {
        let packed = self.over_input.get(group).ok_or(Corrupt)?;
        for panel in packed.panels() {
            let results =
                packed.sums(panel, kernel, inputs, (step.batch_columns(), step.label), memory).ok_or(Corrupt)?;
            let columns = (results.outputs.start, 4 * usize::from(self.record.hidden));
            results.each(
                kernel,
                to,
                columns,
                #[inline(always)]
                |v, y| *y = v,
            )?;
        }
        Ok(())
    }

    /// Sums over the state and the step of each unit, at places that do not wait for each other.
    #[inline(always)]
    fn advance<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        let record = &self.record;
        let hidden = usize::from(record.hidden);
        let (row, batch_columns) = (step.row, step.batch_columns());
        let Scratch { registers, pieces, sums: memory, .. } = scratch;
        let State { h, c, output, sums, gates, new_h, bits, .. } = state;
        pieces.clear();
        self.push_above(h, step, pieces);
        if self.kind != Kind::Row {
            pieces.push::<A::Input>(h.at(0, row, 0, step.column, 1), words::<A>(hidden));
        }
        for group in step.groups.clone() {
            let inputs = Inputs { numbers: h.slice(), stride: h.stride_of(step.columns), pieces: pieces.all() };
            let packed = self.over_state.get(group).ok_or(Corrupt)?;
            for panel in packed.panels() {
                let results = packed.sums(panel, kernel, &inputs, (batch_columns, None), memory).ok_or(Corrupt)?;
                results.each_with(
                    kernel,
                    sums,
                    gates,
                    (results.outputs.start, 4 * hidden),
                    #[inline(always)]
                    |h, x, gate| *gate = A::gate(x, h),
                )?;
            }
            let (start, end) = record.group(step.all_groups, group);
            let (before, c) = c.step(step, usize::from(self.kind == Kind::Row)).ok_or(Corrupt)?;
            for span in spans(0..batch_columns, hidden, start..end) {
                let gates = gates.get(4 * span.start..4 * span.end).ok_or(Corrupt)?;
                let new_h = new_h.get_mut(span.clone()).ok_or(Corrupt)?;
                let (before, c) = (before.get(span.clone()).ok_or(Corrupt)?, c.get_mut(span.clone()).ok_or(Corrupt)?);
                let h = h.together_mut(step).ok_or(Corrupt)?.get_mut(span.clone()).ok_or(Corrupt)?;
                self.units((gates, before, bits.get(span.clone()).ok_or(Corrupt)?), (c, new_h, h), kernel);
                if self.kind == Kind::Right {
                    output.together_mut(step).ok_or(Corrupt)?.get_mut(span).ok_or(Corrupt)?.copy_from_slice(new_h);
                } else {
                    self.put_out(
                        new_h,
                        registers.get_mut(record.output, hidden).ok_or(Corrupt)?.get_mut(span).ok_or(Corrupt)?,
                    );
                }
            }
        }
        Ok(())
    }

    /// From the gates of units and the cells before to their cells and states, these also as products read them.
    #[inline(always)]
    pub(in crate::exec::batched) fn units<K: Kernel>(
        &self,
        (gates, before, cell_bits): (&[i16], &[i16], &[u8]),
        (c, new_h, h): (&mut [i16], &mut [i16], &mut [A::Input]),
        kernel: K,
    ) {
        kernel.cells(gates, before, cell_bits, c, new_h);
        let to_hidden = self.record.to_hidden;
        map_within(
            new_h,
            h,
            #[inline(always)]
            move |h, y| *y = A::input(A::hidden(h, to_hidden)),
        );
    }

    /// States as the op's output.
    #[inline(always)]
    pub(in crate::exec::batched) fn put_out(&self, new_h: &[i16], to: &mut [i16]) {
        let to_output = self.record.to_output;
        map_within(
            new_h,
            to,
            #[inline(always)]
            move |h, y| *y = A::output(h, to_output, 0),
        );
    }

    /// The states of the row above that places read, the first place's.
    #[inline(always)]
    fn push_above(&self, h: &RowCache<A::Input>, step: &Step, pieces: &mut Pieces) {
        let Reach { left, right, .. } = self.record.reach();
        for back in (-right.cast_signed()..=left.cast_signed()).rev() {
            let start = h.at(0, step.row, 1, step.column, back);
            pieces.push::<A::Input>(start, words::<A>(usize::from(self.record.hidden)));
        }
    }

    /// Before the first pixel of a row.
    #[inline(always)]
    pub(in crate::exec::batched) fn begin_row<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        if !state.ahead.is_empty() {
            let pieces = &mut scratch.pieces;
            pieces.clear();
            self.push_above(&state.h, &Step { column: 0, ..step.clone() }, pieces);
            let stride = state.h.stride_of(step.width);
            let inputs = Inputs { numbers: state.h.slice(), stride, pieces: pieces.all() };
            for (packed, ahead) in self.over_state.iter().zip(&mut state.ahead) {
                packed.fill_all(kernel, &inputs, None, ahead)?;
            }
        }
        if self.kind == Kind::Row {
            return Ok(());
        }
        let (h, c) = self.initial(step.row);
        // The column left of the first one.
        narrow::<A>(h, state.h.column_mut(step.row, -1).ok_or(Corrupt)?, self.record.initial_to_hidden);
        repeat(c, state.c.column_mut(step.row, -1).ok_or(Corrupt)?);
        Ok(())
    }
}

/// Vectors `x`, one after the other; an empty one is zero.
fn repeat(x: &[i16], to: &mut [i16]) {
    to.fill(0);
    for to in to.chunks_exact_mut(x.len().max(1)) {
        if let Some(to) = to.get_mut(..x.len()) {
            to.copy_from_slice(x);
        }
    }
}

/// States as products read them, one after the other; an empty one is zero.
fn narrow<A: Pack>(h: &[i16], to: &mut [A::Input], to_hidden: Rescale) {
    to.fill(A::input(A::zero(0)));
    for to in to.chunks_exact_mut(h.len().max(1)) {
        for (to, h) in to.iter_mut().zip(h) {
            *to = A::input(A::hidden(*h, to_hidden));
        }
    }
}
