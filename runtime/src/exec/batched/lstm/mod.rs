//! LSTMs, at all columns of the batch: Row LSTM and both halves of the Diagonal BiLSTM.

mod right;

use super::pack::{Pack, words};
use super::packed_matrix::{PackedMatrix, RowPrefix, Scaled, Strided};
use super::registers::spans;
use super::row_cache::{RowCache, Shape};
use super::step::{Scratch, Step};
use crate::blob::{LstmRecord, Model};
use crate::exec::error::Corrupt;
use crate::fixed::Rescale;
use crate::kernels::gemm::{Inputs, Pieces};
use crate::kernels::{Kernel, map_within};
use crate::network::taps::Reach;

/// Kind of LSTM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec::batched) enum Kind {
    Row,
    Left,
    Right,
}

/// LSTM with packed weights.
pub(in crate::exec::batched) struct Lstm<A> {
    pub(in crate::exec::batched) record: LstmRecord,
    pub(in crate::exec::batched) kind: Kind,
    /// `input_to_state` of each colour group.
    pub(in crate::exec::batched) over_input: Vec<PackedMatrix<A>>,
    /// `state_to_state` of each colour group.
    pub(in crate::exec::batched) over_state: Vec<PackedMatrix<A>>,
    /// Inputs of the current pixel that each colour group reads.
    pub(in crate::exec::batched) open: Vec<usize>,
    /// Initial states, `[rows, 2, hidden]`, `h` before `c`: of each image row, for a Row LSTM of the row above the image.
    pub(in crate::exec::batched) initial: Vec<i16>,
    pub(in crate::exec::batched) cell_bits: Vec<u8>,
}

/// State and scratch memory of an LSTM.
pub(in crate::exec::batched) struct State<A: Pack> {
    /// Inputs: of the current row for a Row LSTM; of the current row mirrored, for a right half.
    pub(in crate::exec::batched) x: RowCache<A::Input>,
    /// `h` as inputs of products.
    pub(in crate::exec::batched) h: RowCache<A::Input>,
    pub(in crate::exec::batched) c: RowCache<i16>,
    /// `state_to_state` sums over the row above, per colour group. Empty unless the columns of one image are computed one by one.
    pub(in crate::exec::batched) row_prefixes: Vec<RowPrefix>,
    /// Unscaled `h` of a right half, for the output of the next row.
    pub(in crate::exec::batched) output: RowCache<i16>,
    /// Scaled `input_to_state` sums, `[batch_columns, 4 * hidden]`.
    pub(in crate::exec::batched) sums: Vec<i32>,
    /// Pre-activations of the gates, `[batch_columns, 4 * hidden]`.
    pub(in crate::exec::batched) gates: Vec<i16>,
    /// New `h`, `[batch_columns, hidden]`.
    pub(in crate::exec::batched) new_h: Vec<i16>,
    /// Repeated `cell_bits`, `[batch_columns, hidden]`.
    pub(in crate::exec::batched) bits: Vec<u8>,
}

/// Operands of one LSTM step of several units; see [`Kernel::cells`].
pub(in crate::exec::batched) struct Units<'u, X> {
    /// Pre-activations, `[units, 4]`.
    pub(in crate::exec::batched) gates: &'u [i16],
    /// Previous cell states, `[units]`.
    pub(in crate::exec::batched) before: &'u [i16],
    pub(in crate::exec::batched) cell_bits: &'u [u8],
    /// New cell states, `[units]`.
    pub(in crate::exec::batched) c: &'u mut [i16],
    /// New outputs, `[units]`.
    pub(in crate::exec::batched) new_h: &'u mut [i16],
    /// New outputs as inputs of products, `[units]`.
    pub(in crate::exec::batched) h: &'u mut [X],
}

impl<A: Pack> Lstm<A> {
    pub(in crate::exec::batched) fn new(model: &Model<'_>, record: &LstmRecord, kind: Kind) -> Option<Self> {
        let groups = model.groups();
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
            PackedMatrix::new(model, &over_input, group, &pieces, 0)
        };
        let taps = vec![hidden; record.h_length() / hidden.max(1)];
        let above = if kind == Kind::Row { taps.len() } else { 1 };
        let pack_h = |group| PackedMatrix::new(model, &over_state, group, &taps, above);
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

    /// Zeroed state for `images` images and steps of `columns` image columns.
    pub(in crate::exec::batched) fn state(&self, images: usize, columns: usize, width: usize) -> State<A> {
        let (inputs, hidden) = (usize::from(self.record.inputs), usize::from(self.record.hidden));
        let Reach { left, right, .. } = self.record.reach();
        let batch_columns = match self.kind {
            Kind::Right if images == 1 => width,
            Kind::Right => images,
            _ => images * columns,
        };
        let shape = |rows, columns, features| Shape { images, rows, columns, features };
        let x = match self.kind {
            Kind::Row if left > 0 => [left, width, 0],
            Kind::Row | Kind::Left => [0; 3],
            Kind::Right => [0, width, 0],
        };
        let [h, c] = match self.kind {
            Kind::Row => [shape(2, [left, width, right], hidden), shape(2, [0, width, 0], hidden)],
            Kind::Left | Kind::Right => [shape(2, [1, width, 0], hidden), shape(1, [1, width, 0], hidden)],
        };
        let output = if self.kind == Kind::Right { width } else { 0 };
        let one_by_one = images == 1 && (columns == 1 || self.kind != Kind::Row);
        State {
            row_prefixes: if one_by_one {
                self.over_state.iter().map(|packed| packed.new_row_prefix(width)).collect()
            } else {
                Vec::new()
            },
            x: RowCache::new(shape(1, x, inputs)),
            h: RowCache::new(h),
            c: RowCache::new(c),
            output: RowCache::new(shape(1, [0, output, 0], hidden)),
            sums: vec![0; batch_columns * 4 * hidden],
            gates: vec![0; batch_columns * 4 * hidden],
            new_h: vec![0; batch_columns * hidden],
            bits: self.cell_bits.repeat(batch_columns),
        }
    }

    /// Weight matrices of all colour groups.
    pub(in crate::exec::batched) fn packed(&self) -> impl Iterator<Item = &PackedMatrix<A>> {
        self.over_input.iter().chain(&self.over_state)
    }

    /// Maximum number of pieces of a product.
    pub(in crate::exec::batched) fn pieces(&self) -> usize {
        usize::from(self.record.kernel).max(2)
    }

    /// Initial `h` and `c` of a row; empty if they are zero.
    fn initial(&self, row: usize) -> (&[i16], &[i16]) {
        let hidden = usize::from(self.record.hidden);
        let both = self.initial.get(2 * row * hidden..2 * (row + 1) * hidden).unwrap_or_default();
        both.split_at(both.len() / 2)
    }

    /// Resets the state before an image.
    pub(in crate::exec::batched) fn restart(&self, state: &mut State<A>, width: usize) -> Result<(), Corrupt> {
        state.x.fill(A::input(A::zero(self.record.input_zero_point)));
        state.h.fill(A::input(A::zero(0)));
        state.c.fill(0);
        let (h, c) = self.initial(0);
        if self.kind == Kind::Row && !h.is_empty() {
            // Initial states fill the row above the image; the padding beside it is zero.
            for column in 0..width.cast_signed() {
                rescale_state::<A>(h, state.h.column_mut(1, column).ok_or(Corrupt)?, self.record.initial_to_hidden);
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
            return self.run_right(step, state, scratch, kernel);
        }
        if step.begins_row() {
            self.begin_row(step, state, scratch, kernel)?;
        }
        let record = &self.record;
        let from_registers = self.kind == Kind::Left || record.reach().left == 0;
        if !from_registers {
            state.x.keep(step, &scratch.registers, record.input)?;
        }
        let (left, inputs) = (record.reach().left, usize::from(record.inputs));
        for group in step.groups.clone() {
            let open = words::<A>(*self.open.get(group).ok_or(Corrupt)?);
            let Scratch { registers, pieces, sums, .. } = scratch;
            pieces.clear();
            let (numbers, stride) = if from_registers {
                pieces.push::<A::Input>(registers.start::<A::Input>(record.input), open);
                (registers.slice().ok_or(Corrupt)?, inputs)
            } else {
                for back in (1..=left).rev() {
                    let start = state.x.at(0, step.row, 0, step.column, back.cast_signed());
                    pieces.push::<A::Input>(start, words::<A>(inputs));
                }
                pieces.push::<A::Input>(state.x.at(0, step.row, 0, step.column, 0), open);
                (state.x.slice(), state.x.stride_of(step.columns))
            };
            let inputs = Inputs { numbers, stride, pieces: pieces.all() };
            self.over_input(group, &inputs, step, &mut state.sums, sums, kernel)?;
        }
        if state.row_prefixes.is_empty() {
            return self.advance(step, state, scratch, kernel);
        }
        self.advance_one_by_one(step, state, &mut scratch.registers, kernel)
    }

    /// Computes the scaled `input_to_state` sums of a colour group in `to`, `[batch_columns, 4 * hidden]`.
    #[inline(always)]
    fn over_input<K: Kernel>(
        &self,
        group: usize,
        inputs: &Inputs<'_, A::Input>,
        step: &Step,
        to: &mut [i32],
        memory: &mut [i32],
        kernel: K,
    ) -> Result<(), Corrupt> {
        let packed = self.over_input.get(group).ok_or(Corrupt)?;
        for panel in packed.panels() {
            let results =
                packed.sums(panel, kernel, inputs, step.batch_columns(), step.label, memory).ok_or(Corrupt)?;
            let elements = Strided { first: results.outputs.start, stride: 4 * usize::from(self.record.hidden) };
            results.each(
                kernel,
                to,
                elements,
                #[inline(always)]
                |v, y| *y = v,
            )?;
        }
        Ok(())
    }

    /// Adds the `state_to_state` sums and steps all units, at columns of the batch that do not depend on each other.
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
                let results = packed.sums(panel, kernel, &inputs, batch_columns, None, memory).ok_or(Corrupt)?;
                let elements = Strided { first: results.outputs.start, stride: 4 * hidden };
                results.each_with(
                    kernel,
                    sums,
                    gates,
                    elements,
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
                let h = h.contiguous_mut(step).ok_or(Corrupt)?.get_mut(span.clone()).ok_or(Corrupt)?;
                let cell_bits = bits.get(span.clone()).ok_or(Corrupt)?;
                self.units(Units { gates, before, cell_bits, c, new_h: &mut *new_h, h }, kernel);
                if self.kind == Kind::Right {
                    output.contiguous_mut(step).ok_or(Corrupt)?.get_mut(span).ok_or(Corrupt)?.copy_from_slice(new_h);
                } else {
                    self.write_output(
                        new_h,
                        registers.get_mut(record.output, hidden).ok_or(Corrupt)?.get_mut(span).ok_or(Corrupt)?,
                    );
                }
            }
        }
        Ok(())
    }

    /// Steps units by [`Kernel::cells`], and converts their new `h` to inputs of products.
    #[inline(always)]
    pub(in crate::exec::batched) fn units<K: Kernel>(
        &self,
        Units { gates, before, cell_bits, c, new_h, h }: Units<'_, A::Input>,
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

    /// Writes new `h`, rescaled, to the op's output.
    #[inline(always)]
    pub(in crate::exec::batched) fn write_output(&self, new_h: &[i16], to: &mut [i16]) {
        let to_output = self.record.to_output;
        map_within(
            new_h,
            to,
            #[inline(always)]
            move |h, y| *y = A::output(h, to_output, 0),
        );
    }

    /// Appends the pieces of states in the row above that the first column of the batch reads.
    #[inline(always)]
    fn push_above(&self, h: &RowCache<A::Input>, step: &Step, pieces: &mut Pieces) {
        let Reach { left, right, .. } = self.record.reach();
        for back in (-right.cast_signed()..=left.cast_signed()).rev() {
            let start = h.at(0, step.row, 1, step.column, back);
            pieces.push::<A::Input>(start, words::<A>(usize::from(self.record.hidden)));
        }
    }

    /// Work before the first pixel of a row: `state_to_state` sums over the row above, and initial states.
    #[inline(always)]
    pub(in crate::exec::batched) fn begin_row<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        if !state.row_prefixes.is_empty() {
            let pieces = &mut scratch.pieces;
            pieces.clear();
            self.push_above(&state.h, &Step { column: 0, ..step.clone() }, pieces);
            let stride = state.h.stride_of(step.width);
            let inputs = Inputs { numbers: state.h.slice(), stride, pieces: pieces.all() };
            for (packed, row_prefix) in self.over_state.iter().zip(&mut state.row_prefixes) {
                packed.fill_all(kernel, &inputs, None, row_prefix)?;
            }
        }
        if self.kind == Kind::Row {
            return Ok(());
        }
        let (h, c) = self.initial(step.row);
        // Initial states fill the padding column left of the image.
        rescale_state::<A>(h, state.h.column_mut(step.row, -1).ok_or(Corrupt)?, self.record.initial_to_hidden);
        repeat(c, state.c.column_mut(step.row, -1).ok_or(Corrupt)?);
        Ok(())
    }
}

/// Fills `to` with copies of the vector `x`; an empty `x` is zero.
fn repeat(x: &[i16], to: &mut [i16]) {
    to.fill(0);
    for to in to.chunks_exact_mut(x.len().max(1)) {
        if let Some(to) = to.get_mut(..x.len()) {
            to.copy_from_slice(x);
        }
    }
}

/// Fills `to` with copies of the state `h`, rescaled to inputs of products; an empty `h` is zero.
fn rescale_state<A: Pack>(h: &[i16], to: &mut [A::Input], to_hidden: Rescale) {
    to.fill(A::input(A::zero(0)));
    for to in to.chunks_exact_mut(h.len().max(1)) {
        for (to, h) in to.iter_mut().zip(h) {
            *to = A::input(A::hidden(*h, to_hidden));
        }
    }
}
