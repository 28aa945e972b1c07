//! Convolutions at one place, with everything found out beforehand that does not change from pixel to pixel.

use super::accumulators::PanelSums;
use crate::exec::batched::conv::{Conv, Store};
use crate::exec::batched::pack::{Line, Pack, each_word, words};
use crate::exec::batched::packed_matrix::{Panel, by_vectors};
use crate::exec::batched::row_cache::RowCache;
use crate::exec::batched::step::{Scratch, Step};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::kernels::gemm::{Inputs, LANES};
use core::ops::Range;
use std::sync::Arc;

/// A panel of a colour group.
pub(in crate::exec::batched) struct ConvPanel {
    group: usize,
    panel: usize,
    vectors: usize,
    outputs: usize,
    /// The weights of the taps to the left and of the centre are those from number `skip` on.
    lines: Arc<[Line]>,
    skip: usize,
    multipliers: Arc<[i32]>,
    left_shift: u32,
    /// What sums begin with in each column, where taps lie above, or in all.
    begin: Vec<i32>,
    /// Numbers of these from column to column.
    stride: usize,
    /// The inputs to the left.
    past: Vec<Past>,
    /// The inputs of the centre, of all numbers of the registers.
    centre: Range<usize>,
    store: Store,
    /// Where the outputs begin in the registers, or in the logits.
    to: usize,
}

/// Consecutive inputs to the left.
#[derive(Clone, Copy)]
struct Past {
    /// Numbers from the first of them to the centre's.
    back: usize,
    /// Numbers, in whole words.
    count: usize,
}

impl<A: Pack> Conv<A> {
    /// The panels of a colour, for images of that width and so many levels.
    pub(in crate::exec::batched) fn conv_panels(&self, number: usize, width: usize, levels: usize) -> Vec<ConvPanel> {
        let Some(group) = self.groups.get(number) else { return Vec::new() };
        let columns = if self.above > 0 { width } else { 1 };
        let start = self.record.input as usize / size_of::<A::Input>();
        let panel_of = |(index, panel): (usize, &Panel)| {
            let size = panel.vectors * LANES;
            ConvPanel {
                group: number,
                panel: index,
                vectors: panel.vectors,
                outputs: panel.outputs.len(),
                lines: panel.lines.clone(),
                skip: group.packed.above * panel.vectors,
                multipliers: panel.multipliers.clone(),
                left_shift: group.packed.left_shift,
                begin: vec![0; columns * size],
                stride: if self.above > 0 { size } else { 0 },
                past: self.past(),
                centre: start..start + group.open.next_multiple_of(each_word::<A>()),
                store: self.store,
                to: self.to(number, panel, (1, levels)),
            }
        };
        group.packed.panels().iter().enumerate().map(panel_of).collect()
    }

    /// The inputs to the left, as rows of one image have them.
    fn past(&self) -> Vec<Past> {
        let left = self.taps.iter().skip(self.above);
        let features = usize::from(self.record.inputs);
        left.map(|tap| Past {
            back: tap.back.unsigned_abs() * features,
            count: tap.inputs.next_multiple_of(each_word::<A>()),
        })
        .collect()
    }

    /// The inputs, of all numbers of the registers, if they are to be kept when all that waits for them is done.
    pub(in crate::exec::batched) fn keeps(&self) -> Option<Range<usize>> {
        let start = self.record.input as usize / size_of::<A::Input>();
        (!self.taps.is_empty() && !self.first).then(|| start..start + usize::from(self.record.inputs))
    }

    /// What a link's sums begin with in a row: those over the rows above.
    #[inline(always)]
    pub(in crate::exec::batched) fn begin_row<K: Kernel>(
        &self,
        panel_of: &mut ConvPanel,
        step: &Step,
        rows: Option<&RowCache<A::Input>>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        if step.row > 0 && self.above == 0 {
            return Ok(());
        }
        let pieces = &mut scratch.pieces;
        pieces.clear();
        let inputs = if let Some(rows) = rows {
            for tap in self.taps.get(..self.above).ok_or(Corrupt)? {
                pieces.push::<A::Input>(rows.at(0, step.row, tap.above, 0, tap.back), words::<A>(tap.inputs));
            }
            Inputs { numbers: rows.slice(), stride: rows.stride_of(step.width), pieces: pieces.all() }
        } else {
            Inputs { numbers: &[], stride: 0, pieces: &[] }
        };
        let packed = &self.groups.get(panel_of.group).ok_or(Corrupt)?.packed;
        packed.fill(
            kernel,
            packed.panels().get(panel_of.panel).ok_or(Corrupt)?,
            &inputs,
            step.label,
            &mut panel_of.begin,
        )
    }
}

impl ConvPanel {
    /// Whether it needs the inputs to the left.
    #[inline(always)]
    pub(in crate::exec::batched) fn reads_rows(&self) -> bool {
        !self.past.is_empty()
    }

    /// The sums of a pixel, and what becomes of them.
    #[inline(always)]
    pub(in crate::exec::batched) fn run<A: Pack, K: Kernel>(
        &self,
        step: &Step,
        rows: Option<&RowCache<A::Input>>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        by_vectors!(self, V => self.panel::<A, K, V>(step, rows, scratch, kernel))
    }

    #[inline(always)]
    fn panel<A: Pack, K: Kernel, const V: usize>(
        &self,
        step: &Step,
        rows: Option<&RowCache<A::Input>>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        let begin =
            (self.begin.get(step.column * self.stride..).ok_or(Corrupt)?, self.lines.get(self.skip..).ok_or(Corrupt)?);
        let mut sums =
            PanelSums::<A, V>::new(begin, (&self.multipliers, self.left_shift), self.outputs).ok_or(Corrupt)?;
        if self.reads_rows() {
            let rows = rows.ok_or(Corrupt)?;
            let here = rows.at(0, step.row, 0, step.column, 0);
            for past in &self.past {
                let at = here.wrapping_sub(past.back);
                sums.add(kernel, rows.slice().get(at..at + past.count).ok_or(Corrupt)?)?;
            }
        }
        // From where the op before has just written them.
        sums.add(kernel, scratch.registers.slice().ok_or(Corrupt)?.get(self.centre.clone()).ok_or(Corrupt)?)?;
        self.store.put::<A, K>(&sums, &mut scratch.registers, &mut scratch.logits, (self.to, 0), kernel)
    }
}
