//! Masked convolution, at all places of a step.

use super::alone::Alone;
use super::linear::{Ahead, Packed, Panel, Scaled, VECTORS};
use super::registers::Registers;
use super::rows::{Rows, Shape};
use super::walk::{Shared, Step};
use super::{Pack, words};
use crate::blob::{ConvRecord, Destination, Model};
use crate::kernels::panel::{Inputs, WORD};
use crate::kernels::{Kernel, map};

/// A convolution with its weights packed.
pub(super) struct Conv<A> {
    record: ConvRecord,
    /// Of each colour group.
    pub(super) packed: Vec<Packed<A>>,
    /// Inputs of the taps above and to the left; none where the kernel has just a centre.
    taps: Vec<Tap>,
    /// How many of these are above.
    above: usize,
    /// Inputs of the centre that each colour group reads.
    open: Vec<usize>,
}

/// What a convolution keeps.
pub(super) struct State<A: Pack> {
    /// The inputs of later pixels; `None` where no tap reads an earlier one.
    rows: Option<Rows<A::Input>>,
    /// Of each colour group, where one image is made pixel by pixel and taps lie above.
    ahead: Vec<Ahead>,
}

impl<A: Pack> State<A> {
    /// The inputs of later pixels.
    pub(super) fn rows(&mut self) -> Option<&mut Rows<A::Input>> {
        self.rows.as_mut()
    }
}

/// Taps that lie together in a row.
#[derive(Clone, Copy)]
struct Tap {
    above: usize,
    /// Columns from the first of them to the centre's.
    back: isize,
    inputs: usize,
}

/// Inputs of a word.
const fn each_word<A: Pack>() -> usize {
    WORD / size_of::<A::Input>()
}

/// Whether taps side by side are one piece: vectors of whole words are not, as they need not lie together.
fn joined<A: Pack>(record: &ConvRecord) -> bool {
    record.dilation == 1 && !usize::from(record.inputs).is_multiple_of(WORD / size_of::<A::Input>())
}

impl<A: Pack> Conv<A> {
    pub(super) fn new(model: &Model<'_>, record: &ConvRecord) -> Option<Self> {
        let (top, left, right) = record.reach();
        let (dilation, inputs) = (usize::from(record.dilation), usize::from(record.inputs));
        let mut taps = Vec::new();
        for above in (0..=top).rev() {
            let count = if above > 0 { left + 1 + right } else { left };
            if joined::<A>(record) {
                taps.push(Tap { above, back: left as isize, inputs: count * inputs });
            } else {
                let each = |tap| Tap {
                    above: above * dilation,
                    back: (left as isize - tap as isize) * dilation as isize,
                    inputs,
                };
                taps.extend((0..count).map(each));
            }
        }
        taps.retain(|tap| tap.inputs > 0);
        let above = taps.iter().filter(|tap| tap.above > 0).count();
        let linear = record.linear();
        let groups = model.image().channels;
        let open: Vec<_> = (0..groups).map(|group| linear.open(groups, group)).collect();
        let packed = (0..groups)
            .map(|group| {
                let pieces: Vec<_> = taps.iter().map(|tap| tap.inputs).chain([open[group]]).collect();
                Packed::new(model, &linear, group, (&pieces, above))
            })
            .collect::<Option<_>>()?;
        Some(Self { record: *record, packed, taps, above, open })
    }

    /// What is kept of `images` images that are made `columns` columns at a time.
    pub(super) fn state(&self, images: usize, columns: usize, width: usize) -> State<A> {
        let alone = images * columns == 1 && self.above > 0;
        State {
            rows: self.rows(images, width),
            ahead: if alone { self.packed.iter().map(|packed| packed.ahead(width)).collect() } else { Vec::new() },
        }
    }

    fn rows(&self, images: usize, width: usize) -> Option<Rows<A::Input>> {
        if self.taps.is_empty() {
            return None;
        }
        let (top, left, right) = self.record.reach();
        let (dilation, features) = (usize::from(self.record.dilation), usize::from(self.record.inputs));
        let columns = [left * dilation, width, right * dilation];
        let shape = Shape { images, rows: top * dilation + 1, columns, features };
        Some(if joined::<A>(&self.record) { Rows::by_image(shape) } else { Rows::new(shape) })
    }

    /// Before an image: all pixels are outside.
    pub(super) fn restart(&self, state: &mut State<A>) {
        if let Some(rows) = &mut state.rows {
            rows.fill(A::input(A::zero(self.record.input_zero_point)));
        }
    }

    /// The most pieces that a product reads.
    pub(super) fn pieces(&self) -> usize {
        self.taps.len() + 1
    }

    #[inline(always)]
    pub(super) fn run<K: Kernel>(
        &self,
        step: &Step,
        first: bool,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        if step.begins_row() && !state.ahead.is_empty() {
            self.begin_row(step, state, shared, kernel)?;
        }
        // All colours, as what is left of a pixel is open to each of them.
        if let Some(rows) = state.rows.as_mut().filter(|_| !first) {
            rows.keep(step, &shared.registers, self.record.input)?;
        }
        for group in step.groups.clone() {
            self.group(step, group, state, shared, kernel)?;
        }
        Some(())
    }

    /// As [`Conv::run`], at the only place of a step of the only image.
    #[inline(always)]
    pub(super) fn alone<K: Kernel>(
        &self,
        step: &Step,
        first: bool,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        if step.begins_row() && !state.ahead.is_empty() {
            self.begin_row(step, state, shared, kernel)?;
        }
        let here = state.rows.as_ref().map_or(0, |rows| rows.at(0, step.row, 0, step.column, 0));
        for group in step.groups.clone() {
            let packed = self.packed.get(group)?;
            for panel in packed.panels() {
                let at = (group, panel, here);
                match panel.vectors {
                    1 => self.panel_alone::<K, 1>(step, at, state, shared, kernel),
                    2 => self.panel_alone::<K, 2>(step, at, state, shared, kernel),
                    3 => self.panel_alone::<K, 3>(step, at, state, shared, kernel),
                    _ => self.panel_alone::<K, VECTORS>(step, at, state, shared, kernel),
                }?;
            }
        }
        // After what waits for it.
        if let Some(rows) = state.rows.as_mut().filter(|_| !first && step.groups.end == step.all_groups) {
            let inputs = usize::from(self.record.inputs);
            map(
                kernel,
                shared.registers.get::<A::Input>(self.record.input, inputs)?,
                rows.numbers_mut(here, inputs)?,
                #[inline(always)]
                |x, y| *y = x,
            );
        }
        Some(())
    }

    /// A panel of a colour group; the centre's inputs are to be kept `here`.
    #[inline(always)]
    fn panel_alone<K: Kernel, const V: usize>(
        &self,
        step: &Step,
        (group, panel, here): (usize, &Panel, usize),
        state: &State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        let begun = state.ahead.get(group).map(|ahead| (ahead, step.column));
        let mut sums = Alone::<A, V>::new(self.packed.get(group)?, panel, kernel, step.label, begun)?;
        if let Some(rows) = &state.rows {
            for tap in self.taps.get(self.above..)? {
                let at = rows.left_of(here, tap.back);
                sums.add(kernel, rows.numbers().get(at..at + tap.inputs.next_multiple_of(each_word::<A>()))?)?;
            }
        }
        // From where the op before has just written them.
        sums.add(kernel, shared.registers.words(self.record.input, *self.open.get(group)?)?)?;
        let Shared { registers, logits, levels, .. } = shared;
        self.put(step, group, &sums, (registers, logits, *levels), kernel)
    }

    /// Sums over the rows above, of a whole row.
    #[inline(always)]
    fn begin_row<K: Kernel>(&self, step: &Step, state: &mut State<A>, shared: &mut Shared, kernel: K) -> Option<()> {
        let (State { rows, ahead }, pieces) = (state, &mut shared.pieces);
        let rows = rows.as_ref()?;
        pieces.clear();
        for tap in self.taps.get(..self.above)? {
            pieces.push::<A::Input>(rows.at(0, step.row, tap.above, 0, tap.back), words::<A>(tap.inputs));
        }
        let inputs = Inputs { numbers: rows.numbers(), stride: rows.stride_of(step.width), pieces: pieces.all() };
        for (packed, ahead) in self.packed.iter().zip(ahead) {
            packed.fill(kernel, &inputs, step.label, ahead)?;
        }
        Some(())
    }

    #[inline(always)]
    fn group<K: Kernel>(
        &self,
        step: &Step,
        group: usize,
        state: &State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        let record = &self.record;
        let packed = self.packed.get(group)?;
        let centre = words::<A>(*self.open.get(group)?);
        let Shared { registers, logits, sums, pieces, levels } = shared;
        let begun = state.ahead.get(group).map(|ahead| (ahead, step.column));
        pieces.clear();
        let stride = if let Some(rows) = &state.rows {
            let done = if begun.is_some() { self.above } else { 0 };
            for tap in self.taps.get(done..)? {
                let start = rows.at(0, step.row, tap.above, step.column, tap.back);
                pieces.push::<A::Input>(start, words::<A>(tap.inputs));
            }
            pieces.push::<A::Input>(rows.at(0, step.row, 0, step.column, 0), centre);
            rows.stride_of(step.columns)
        } else {
            pieces.push::<A::Input>(registers.start::<A::Input>(record.input), centre);
            record.inputs.into()
        };
        for panel in packed.panels() {
            let numbers = match &state.rows {
                Some(rows) => rows.numbers(),
                None => registers.numbers()?,
            };
            let inputs = Inputs { numbers, stride, pieces: pieces.all() };
            let results = packed.sums(panel, kernel, &inputs, (step.places(), step.label), begun, sums)?;
            self.put(step, group, &results, (registers, logits, *levels), kernel)?;
        }
        Some(())
    }

    /// Writes sums to where they belong.
    #[inline(always)]
    fn put<K: Kernel>(
        &self,
        step: &Step,
        group: usize,
        sums: &impl Scaled,
        (registers, logits, levels): (&mut Registers, &mut [u32], usize),
        kernel: K,
    ) -> Option<()> {
        let record = &self.record;
        let outputs = usize::from(record.outputs);
        let to = (sums.outputs().start, outputs);
        match record.destination()? {
            Destination::Activation => {
                let (zero_point, low) = (i32::from(record.output_zero_point), i32::from(record.output_low));
                sums.each(
                    kernel,
                    registers.get_mut(record.output, outputs)?,
                    to,
                    #[inline(always)]
                    move |v, y| *y = A::input(A::activation(v, zero_point, low)),
                )
            }
            Destination::Accumulate => sums.each(
                kernel,
                registers.get_mut(record.output, outputs)?,
                to,
                #[inline(always)]
                |v, y| *y = A::accumulate(v, *y),
            ),
            Destination::Stream => sums.each(
                kernel,
                registers.get_mut(record.output, outputs)?,
                to,
                #[inline(always)]
                |v, y| *y = A::stream(v),
            ),
            Destination::Logits => {
                let (shift, all) = (record.logit_shift, step.all_groups * levels);
                let first = group * levels + to.0 - self.packed.get(group)?.outputs.start;
                sums.each(
                    kernel,
                    logits,
                    (first, all),
                    #[inline(always)]
                    move |v, logit| *logit = A::logit(v, shift) as u32,
                )
            }
        }
    }
}
