//! Convolutions at one place, with everything found out beforehand that does not change from pixel to pixel.

use super::{Conv, State};
use crate::kernels::Kernel;
use crate::kernels::panel::{Inputs, LANES};
use crate::packed::alone::Alone;
use crate::packed::linear::{Line, by_vectors};
use crate::packed::walk::{Shared, Step};
use crate::packed::{Pack, each_word, words};
use core::ops::Range;
use std::sync::Arc;

/// A panel of a colour group.
pub(super) struct Link {
    group: usize,
    panel: usize,
    vectors: usize,
    outputs: usize,
    /// The weights of the taps to the left and of the centre are those from number `skip` on.
    lines: Arc<[Line]>,
    skip: usize,
    multipliers: Arc<[i32]>,
    left: u32,
    /// What sums begin with in each column, where taps lie above, or in all.
    begin: Vec<i32>,
    /// Numbers of these from column to column.
    stride: usize,
    /// The inputs of the centre, of all numbers of the registers.
    centre: Range<usize>,
    /// Where the outputs begin in the registers, or in the logits.
    to: usize,
}

/// Consecutive inputs to the left.
#[derive(Clone, Copy)]
pub(super) struct Past {
    /// Numbers from the first of them to the centre's.
    back: usize,
    /// Numbers, in whole words.
    count: usize,
}

impl<A: Pack> Conv<A> {
    /// All panels, for images of that width and so many levels.
    pub(super) fn links(&self, width: usize, levels: usize) -> Vec<Link> {
        let columns = if self.above > 0 { width } else { 1 };
        let mut links = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let start = self.record.input as usize / size_of::<A::Input>();
            for (index, panel) in group.packed.panels().iter().enumerate() {
                let size = panel.vectors * LANES;
                links.push(Link {
                    group: number,
                    panel: index,
                    vectors: panel.vectors,
                    outputs: panel.outputs.len(),
                    lines: panel.lines.clone(),
                    skip: group.packed.above * panel.vectors,
                    multipliers: panel.multipliers.clone(),
                    left: group.packed.left,
                    begin: vec![0; columns * size],
                    stride: if self.above > 0 { size } else { 0 },
                    centre: start..start + group.open.next_multiple_of(each_word::<A>()),
                    to: self.to(number, panel, (1, levels)),
                });
            }
        }
        links
    }

    /// The inputs to the left, as rows of one image have them.
    pub(super) fn past(&self) -> Vec<Past> {
        let left = self.taps.iter().skip(self.above);
        let features = usize::from(self.record.inputs);
        left.map(|tap| Past {
            back: tap.back.unsigned_abs() * features,
            count: tap.inputs.next_multiple_of(each_word::<A>()),
        })
        .collect()
    }

    /// As [`Conv::run`], at a pixel of the only image.
    #[inline(always)]
    pub(in crate::packed) fn alone<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        if step.begins_row() && (step.row == 0 || self.above > 0) {
            self.begin_row(step, state, shared, kernel)?;
        }
        let here = state.rows.as_ref().map_or(0, |rows| rows.at(0, step.row, 0, step.column, 0));
        for link in &state.links {
            if step.groups.contains(&link.group) {
                by_vectors!(link, V => self.link::<K, V>(link, (here, step.column), state, shared, kernel))?;
            }
        }
        // After all that waits for it.
        if let Some(rows) = state.rows.as_mut().filter(|_| !self.first && step.groups.end == step.all_groups) {
            rows.keep_alone(here, &shared.registers, self.record.input)?;
        }
        Some(())
    }

    /// A panel in a column; the centre's inputs are to be kept `here`.
    #[inline(always)]
    fn link<K: Kernel, const V: usize>(
        &self,
        link: &Link,
        (here, column): (usize, usize),
        state: &State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        let begin = (link.begin.get(column * link.stride..)?, link.lines.get(link.skip..)?);
        let mut sums = Alone::<A, V>::new(begin, (&link.multipliers, link.left), link.outputs)?;
        if let Some(rows) = &state.rows {
            for past in &state.past {
                let at = here.wrapping_sub(past.back);
                sums.add(kernel, rows.numbers().get(at..at + past.count)?)?;
            }
        }
        // From where the op before has just written them.
        sums.add(kernel, shared.registers.numbers()?.get(link.centre.clone())?)?;
        self.put(&sums, &mut shared.registers, &mut shared.logits, (link.to, 0), kernel)
    }

    /// What sums begin with in a row: those over the rows above.
    #[inline(always)]
    fn begin_row<K: Kernel>(&self, step: &Step, state: &mut State<A>, shared: &mut Shared, kernel: K) -> Option<()> {
        let (State { rows, links, .. }, pieces) = (state, &mut shared.pieces);
        pieces.clear();
        let inputs = if let Some(rows) = rows {
            for tap in self.taps.get(..self.above)? {
                pieces.push::<A::Input>(rows.at(0, step.row, tap.above, 0, tap.back), words::<A>(tap.inputs));
            }
            Inputs { numbers: rows.numbers(), stride: rows.stride_of(step.width), pieces: pieces.all() }
        } else {
            Inputs { numbers: &[], stride: 0, pieces: &[] }
        };
        for link in links {
            let packed = &self.groups.get(link.group)?.packed;
            packed.fill(kernel, packed.panels().get(link.panel)?, &inputs, step.label, &mut link.begin)?;
        }
        Some(())
    }
}
