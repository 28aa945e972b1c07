//! Fast path of [`Conv`] for one pixel of a single image: same result.
//!
//! Offsets and ranges that do not depend on the pixel are precomputed, and so are partial sums over the rows above, once per row.

use super::accumulators::PanelSums;
use crate::exec::batched::conv::{Conv, Store};
use crate::exec::batched::pack::{Line, Pack, each_word, words};
use crate::exec::batched::packed_matrix::{Init, Panel, Strided, by_vectors};
use crate::exec::batched::row_cache::RowCache;
use crate::exec::batched::step::{Scratch, Step};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::kernels::gemm::{Inputs, LANES};
use core::ops::Range;
use std::sync::Arc;

/// Panel of a colour group.
pub(in crate::exec::batched) struct ConvPanel {
    group: usize,
    panel: usize,
    vectors: usize,
    outputs: usize,
    lines: Arc<[Line]>,
    /// Leading lines, for the taps above. The rest are for the taps to the left and the centre.
    skip: usize,
    multipliers: Arc<[i32]>,
    left_shift: u32,
    /// Initial sums, `[columns, vectors, LANES]`: biases and products of the taps above. One column without taps above.
    init_sums: Vec<i32>,
    /// Elements of `init_sums` from column to column; 0 without taps above.
    stride: usize,
    /// Inputs to the left.
    past: Vec<Past>,
    /// Inputs of the centre, a range of the registers.
    centre: Range<usize>,
    store: Store,
    /// Index of the first output, in the registers or in the logits.
    output_start: usize,
    /// Index of the op that keeps the inputs, if the convolution does not keep its own.
    pub(super) map: Option<usize>,
}

/// Contiguous inputs to the left.
#[derive(Clone, Copy)]
struct Past {
    /// Elements from the first input to the centre; negative to the right.
    back: isize,
    /// Number of inputs, rounded up to whole words.
    count: usize,
}

impl<A: Pack> Conv<A> {
    /// Panels of colour group `index`, for images of `width` columns and `levels` levels.
    pub(in crate::exec::batched) fn conv_panels(&self, index: usize, width: usize, levels: usize) -> Vec<ConvPanel> {
        let Some(group) = self.groups.get(index) else { return Vec::new() };
        let columns = if self.above > 0 { width } else { 1 };
        let start = self.record.input as usize / size_of::<A::Input>();
        let conv_panel = |(n, panel): (usize, &Panel)| {
            let size = panel.vectors * LANES;
            ConvPanel {
                group: index,
                panel: n,
                vectors: panel.vectors,
                outputs: panel.outputs.len(),
                lines: panel.lines.clone(),
                skip: group.packed.above * panel.vectors,
                multipliers: panel.multipliers.clone(),
                left_shift: group.packed.left_shift,
                init_sums: vec![0; columns * size],
                stride: if self.above > 0 { size } else { 0 },
                past: self.past(),
                centre: start..start + group.open.next_multiple_of(each_word::<A>()),
                store: self.store,
                output_start: self.output_start(index, panel, 1, levels),
                map: self.map,
            }
        };
        group.packed.panels().iter().enumerate().map(conv_panel).collect()
    }

    /// Inputs to the left, in the cache of a single image.
    fn past(&self) -> Vec<Past> {
        let left = self.taps.iter().skip(self.above);
        let features = isize::from(self.record.inputs.cast_signed());
        left.map(|tap| Past { back: tap.back * features, count: tap.inputs.next_multiple_of(each_word::<A>()) })
            .collect()
    }

    /// Inputs, a range of the registers, that the op must keep after its last group; `None` if it keeps none.
    pub(in crate::exec::batched) fn kept_inputs(&self) -> Option<Range<usize>> {
        let start = self.record.input as usize / size_of::<A::Input>();
        (!self.taps.is_empty() && !self.first && self.map.is_none())
            .then(|| start..start + usize::from(self.record.inputs))
    }

    /// Computes a panel's initial sums of a row, over the rows above.
    #[inline(always)]
    pub(in crate::exec::batched) fn begin_row<K: Kernel>(
        &self,
        conv_panel: &mut ConvPanel,
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
                let start = rows.at(0, step.row, tap.above.cast_unsigned(), 0, tap.back);
                pieces.push::<A::Input>(start, words::<A>(tap.inputs));
            }
            Inputs { numbers: rows.slice(), stride: rows.stride_of(step.width), pieces: pieces.all() }
        } else {
            Inputs { numbers: &[], stride: 0, pieces: &[] }
        };
        let packed = &self.groups.get(conv_panel.group).ok_or(Corrupt)?.packed;
        let panel = packed.panels().get(conv_panel.panel).ok_or(Corrupt)?;
        packed.fill(kernel, panel, &inputs, step.label, &mut conv_panel.init_sums)
    }
}

impl ConvPanel {
    /// True if the panel reads inputs to the left.
    #[inline(always)]
    pub(in crate::exec::batched) fn reads_rows(&self) -> bool {
        !self.past.is_empty()
    }

    /// Computes and stores the panel's outputs at one pixel.
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
        let init = Init {
            sums: self.init_sums.get(step.column * self.stride..).ok_or(Corrupt)?,
            lines: self.lines.get(self.skip..).ok_or(Corrupt)?,
        };
        let mut sums = PanelSums::<A, V>::new(init, &self.multipliers, self.left_shift, self.outputs).ok_or(Corrupt)?;
        if self.reads_rows() {
            let rows = rows.ok_or(Corrupt)?;
            let here = rows.at(0, step.row, 0, step.column, 0);
            for past in &self.past {
                let at = here.wrapping_add_signed(-past.back);
                sums.add(kernel, rows.slice().get(at..at + past.count).ok_or(Corrupt)?)?;
            }
        }
        // Last, because the previous op has just written these registers.
        sums.add(kernel, scratch.registers.slice().ok_or(Corrupt)?.get(self.centre.clone()).ok_or(Corrupt)?)?;
        let to = Strided::single(self.output_start);
        self.store.put::<A, K>(&sums, &mut scratch.registers, &mut scratch.logits, to, kernel)
    }
}
