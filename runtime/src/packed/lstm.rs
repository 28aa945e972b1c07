//! LSTMs, at all places of a step: the Row LSTM, and the two halves of the Diagonal BiLSTM.

use super::linear::Packed;
use super::rows::Rows;
use super::walk::{Shared, Step};
use super::{Pack, words};
use crate::blob::{LstmRecord, Model, group_start};
use crate::kernels::panel::{Inputs, Piece};
use crate::kernels::{Kernel, map, map_two};
use crate::numbers::{Rescale, requantize};

/// Which LSTM it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Row,
    Left,
    Right,
}

/// An LSTM with its weights packed.
pub(super) struct Lstm<A> {
    record: LstmRecord,
    pub(super) kind: Kind,
    /// Of each colour group.
    over_input: Vec<Packed<A>>,
    over_state: Vec<Packed<A>>,
    /// Inputs that each colour group reads.
    inputs: Vec<usize>,
    /// `h`, then `c`, of each row, or of the one above the image.
    initial: Vec<i16>,
}

/// What an LSTM keeps.
pub(super) struct State<A: Pack> {
    /// Inputs: of a Row LSTM the last ones of the row, of a right half all of a row, from right to left.
    x: Rows<A::Input>,
    /// `h` as products read it.
    h: Rows<A::Input>,
    c: Rows<i16>,
    /// `h` of a right half, for the output of the next row.
    output: Rows<i16>,
    /// Scaled sums over the inputs and over the state, and gates; `[places, 4 * hidden]`.
    x_sums: Vec<i32>,
    h_sums: Vec<i32>,
    gates: Vec<i16>,
    new_h: Vec<i16>,
}

impl<A: Pack> Lstm<A> {
    pub(super) fn new(model: &Model<'_>, record: &LstmRecord, kind: Kind) -> Option<Self> {
        let groups = model.image().channels;
        let hidden = usize::from(record.hidden);
        let lengths: Vec<_> = (0..groups).map(|group| record.x_length(groups, group)).collect();
        let state: Vec<_> = if kind == Kind::Row { vec![record.h_length()] } else { vec![hidden; 2] };
        let pack = |linear: &_, group, pieces: &[usize]| Packed::new(model, linear, group, pieces);
        let over_input = record.over_input();
        let over_state = record.over_state();
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
        Some(Self {
            record: *record,
            kind,
            over_input: (0..groups).map(|group| pack(&over_input, group, &[lengths[group]])).collect::<Option<_>>()?,
            over_state: (0..groups).map(|group| pack(&over_state, group, &state)).collect::<Option<_>>()?,
            inputs: lengths,
            initial,
        })
    }

    pub(super) fn state(&self, images: usize, columns: usize, width: usize) -> State<A> {
        let (hidden, inputs) = (usize::from(self.record.hidden), usize::from(self.record.inputs));
        let (left, right) = self.record.reach();
        let places = match self.kind {
            Kind::Right if images == 1 => width,
            Kind::Right => images,
            _ => images * columns,
        };
        let (x, h, c, output) = match self.kind {
            Kind::Row if left > 0 => ([left, width, 0], (2, [left, width, right]), (2, [0, width, 0]), 0),
            Kind::Row => ([0; 3], (2, [left, width, right]), (2, [0, width, 0]), 0),
            Kind::Left => ([0; 3], (2, [1, width, 0]), (1, [1, width, 0]), 0),
            Kind::Right => ([0, width, 0], (2, [1, width, 0]), (1, [1, width, 0]), width),
        };
        State {
            x: Rows::new(images, 1, x, inputs),
            h: Rows::new(images, h.0, h.1, hidden),
            c: Rows::new(images, c.0, c.1, hidden),
            output: Rows::new(images, 1, [0, output, 0], hidden),
            x_sums: vec![0; places * 4 * hidden],
            h_sums: vec![0; images.max(places) * 4 * hidden],
            gates: vec![0; 4 * hidden],
            new_h: vec![0; hidden],
        }
    }

    /// `h` and `c` that a row begins with, each empty where it is zero.
    fn initial(&self, row: usize) -> (&[i16], &[i16]) {
        let hidden = usize::from(self.record.hidden);
        let both = self.initial.get(2 * row * hidden..2 * (row + 1) * hidden).unwrap_or_default();
        both.split_at(both.len() / 2)
    }

    /// Before an image.
    pub(super) fn restart(&self, state: &mut State<A>, images: usize, width: usize) -> Option<()> {
        state.x.fill(A::input(A::zero(self.record.input_zero_point)));
        state.h.fill(A::input(A::zero(0)));
        state.c.fill(0);
        let (h, c) = self.initial(0);
        if self.kind == Kind::Row && !h.is_empty() {
            // The row above the image; beside it the state is zero.
            for image in 0..images {
                for column in 0..width {
                    narrow::<A>(h, state.h.get_mut(image, 1, column)?, self.record.to_hidden);
                    state.c.get_mut(image, 1, column)?.copy_from_slice(c);
                }
            }
        }
        Some(())
    }

    #[inline(always)]
    pub(super) fn run<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        if self.kind == Kind::Right {
            return self.lowered(step, state, shared, kernel);
        }
        if self.kind == Kind::Left && step.column == 0 {
            self.begin_row(step, state)?;
        }
        let record = &self.record;
        let from_registers = self.kind == Kind::Left || record.reach().0 == 0;
        if !from_registers {
            state.x.keep(step, &shared.registers, record.input)?;
        }
        for group in step.groups.clone() {
            let length = *self.inputs.get(group)?;
            let (start, stride) = if from_registers {
                (record.input as usize / size_of::<A::Input>(), shared.registers.stride::<A::Input>())
            } else {
                let start = state.x.at(0, step.row, 0, step.column, record.reach().0);
                (start, state.x.stride_of(step.columns))
            };
            let pieces = [Piece { start, words: words::<A>(length) }];
            let numbers = if from_registers { shared.registers.numbers()? } else { state.x.numbers() };
            let inputs = Inputs { numbers, stride, pieces: &pieces };
            let places = (step.places(), step.label);
            self.scaled(self.over_input.get(group)?, &inputs, places, &mut state.x_sums, &mut shared.sums, kernel)?;
        }
        // A Row LSTM reads the row above only; the left half waits for each pixel's neighbour.
        let columns = if self.kind == Kind::Row { step.columns } else { 1 };
        for first in (0..step.columns).step_by(columns.max(1)) {
            let part = Step { column: step.column + first, columns, ..step.clone() };
            self.advance(&part, step.columns, first, state, shared, kernel)?;
        }
        Some(())
    }

    /// Sums over the state and the step of each unit, at the places of `part`, which are those from column `first` on of a step
    /// of `columns`.
    #[inline(always)]
    fn advance<K: Kernel>(
        &self,
        part: &Step,
        columns: usize,
        first: usize,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        let record = &self.record;
        let hidden = usize::from(record.hidden);
        let (row, places) = (part.row, part.places());
        for group in part.groups.clone() {
            let h = &state.h;
            let pieces = match self.kind {
                Kind::Row => {
                    let start = h.at(0, row, 1, part.column, record.reach().0);
                    [Piece { start, words: words::<A>(record.h_length()) }, Piece::default()]
                }
                _ => [(1, 0), (0, 1)].map(|(above, back)| Piece {
                    start: h.at(0, row, above, part.column, back),
                    words: words::<A>(hidden),
                }),
            };
            let pieces = if self.kind == Kind::Row { &pieces[..1] } else { &pieces[..] };
            let inputs = Inputs { numbers: h.numbers(), stride: h.stride_of(part.columns), pieces };
            let packed = self.over_state.get(group)?;
            self.scaled(packed, &inputs, (places, None), &mut state.h_sums, &mut shared.sums, kernel)?;
            let (start, end) = record.group(part.all_groups, group);
            for place in 0..places {
                let (image, column) = part.place(place);
                let at = image * columns + first + (column - part.column);
                let of = |place: usize| place * 4 * hidden + 4 * start..place * 4 * hidden + 4 * end;
                let gates = state.gates.get_mut(..4 * (end - start))?;
                map_two(
                    kernel,
                    state.x_sums.get(of(at))?,
                    state.h_sums.get(of(place))?,
                    gates,
                    #[inline(always)]
                    |x, h, gate| *gate = A::gate(x, h),
                );
                let (before, c) = state.c.step(image, row, usize::from(self.kind == Kind::Row), column)?;
                let new_h = state.new_h.get_mut(..end - start)?;
                kernel.cells(gates, before.get(start..end)?, record.cell_bits.into(), c.get_mut(start..end)?, new_h);
                let (to_hidden, to_output) = (record.to_hidden, record.to_output);
                map(
                    kernel,
                    new_h,
                    state.h.get_mut(image, row, column)?.get_mut(start..end)?,
                    #[inline(always)]
                    move |h, y| *y = A::input(A::hidden(h, to_hidden)),
                );
                if self.kind == Kind::Right {
                    state.output.get_mut(image, row, column)?.get_mut(start..end)?.copy_from_slice(new_h);
                } else {
                    map(
                        kernel,
                        new_h,
                        shared.registers.get_mut(at, record.output, start..end)?,
                        #[inline(always)]
                        move |h, y| *y = A::output(h, to_output, 0),
                    );
                }
            }
        }
        Some(())
    }

    /// Before the first pixel of a row.
    fn begin_row(&self, step: &Step, state: &mut State<A>) -> Option<()> {
        let hidden = usize::from(self.record.hidden);
        let (h, c) = self.initial(step.row);
        for image in 0..step.images {
            // The column left of the first one.
            let at = state.h.at(image, step.row, 0, 0, 1);
            narrow::<A>(h, state.h.numbers_mut().get_mut(at..at + hidden)?, self.record.to_hidden);
            let at = state.c.at(image, step.row, 0, 0, 1);
            let to = state.c.numbers_mut().get_mut(at..at + hidden)?;
            if c.is_empty() { to.fill(0) } else { to.copy_from_slice(c) }
        }
        Some(())
    }

    /// The right half at pixels: adds what the sweep over the row above left there, and keeps the inputs.
    #[inline(always)]
    fn lowered<K: Kernel>(&self, step: &Step, state: &mut State<A>, shared: &mut Shared, kernel: K) -> Option<()> {
        let record = &self.record;
        let (start, end) =
            (record.group(step.all_groups, step.groups.start).0, record.group(step.all_groups, step.groups.end - 1).1);
        let input = |group| group_start(usize::from(record.inputs), step.all_groups, group);
        let features = input(step.groups.start)..input(step.groups.end);
        for place in 0..step.places() {
            let (image, column) = step.place(place);
            let mirrored = step.width - 1 - column;
            if step.row > 0 {
                let to_output = record.to_output;
                map(
                    kernel,
                    state.output.get(image, step.row, mirrored)?.get(start..end)?,
                    shared.registers.get_mut(place, record.output, start..end)?,
                    #[inline(always)]
                    move |h, y| *y = A::output(h, to_output, *y),
                );
            }
            let x = shared.registers.get(place, record.input, features.clone())?;
            state.x.get_mut(image, step.row, mirrored)?.get_mut(features.clone())?.copy_from_slice(x);
        }
        Some(())
    }

    /// The right half after a row, from right to left.
    #[inline(always)]
    pub(super) fn sweep<K: Kernel>(
        &self,
        row: &Step,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        self.begin_row(row, state)?;
        // One image: the inputs of all of the row at once. Some images: those of a column of all of them.
        let columns = if row.images == 1 { row.width } else { 1 };
        for first in (0..row.width).step_by(columns) {
            let step = Step { column: first, columns, groups: 0..row.all_groups, ..row.clone() };
            for group in step.groups.clone() {
                let start = state.x.at(0, row.row, 0, first, 0);
                let pieces = [Piece { start, words: words::<A>(*self.inputs.get(group)?) }];
                let inputs = Inputs { numbers: state.x.numbers(), stride: state.x.stride_of(columns), pieces: &pieces };
                let places = (step.places(), step.label);
                self.scaled(self.over_input.get(group)?, &inputs, places, &mut state.x_sums, &mut shared.sums, kernel)?;
            }
            for column in 0..columns {
                let part = Step { column: first + column, columns: 1, ..step.clone() };
                self.advance(&part, columns, column, state, shared, kernel)?;
            }
        }
        Some(())
    }

    /// Scaled sums of a colour group, of all places: `[places, 4 * hidden]`.
    #[inline(always)]
    fn scaled<K: Kernel>(
        &self,
        packed: &Packed<A>,
        inputs: &Inputs<'_, A::Input>,
        places: (usize, Option<usize>),
        to: &mut [i32],
        memory: &mut [i32],
        kernel: K,
    ) -> Option<()> {
        let all = 4 * usize::from(self.record.hidden);
        for panel in packed.panels() {
            let results = packed.sums(panel, kernel, inputs, places, memory)?;
            let range = packed.outputs.start + results.outputs.start..packed.outputs.start + results.outputs.end;
            let left = packed.left;
            results.places(
                #[inline(always)]
                |place, sums, multipliers| {
                    map_two(
                        kernel,
                        sums,
                        multipliers,
                        to.get_mut(place * all..(place + 1) * all)?.get_mut(range.clone())?,
                        #[inline(always)]
                        move |v, m, y| *y = requantize(v, left, m),
                    );
                    Some(())
                },
            )?;
        }
        Some(())
    }
}

/// A state as products read it; an empty one is zero.
fn narrow<A: Pack>(h: &[i16], to: &mut [A::Input], to_hidden: Rescale) {
    to.fill(A::input(A::zero(0)));
    for (to, h) in to.iter_mut().zip(h) {
        *to = A::input(A::hidden(*h, to_hidden));
    }
}
