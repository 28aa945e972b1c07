//! Masked convolution, at all columns of the batch.

use super::pack::{Pack, each_word, words};
use super::packed_matrix::{PackedMatrix, Panel, Scaled, Strided};
use super::registers::Registers;
use super::row_cache::{RowCache, Shape};
use super::step::{Scratch, Step};
use crate::blob::{ConvRecord, Destination, MapConvRecord, MatrixDescriptor, Model};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::kernels::gemm::Inputs;
use crate::network::taps::Reach;
use bytemuck::Zeroable;

/// A convolution with its weights packed.
pub(super) struct Conv<A> {
    pub(super) record: ConvRecord,
    /// Index of the op that keeps the inputs, if this op does not keep its own.
    pub(super) map: Option<usize>,
    pub(super) store: Store,
    /// True for the convolution that reads the image. [`super::executor::Executor::store`] keeps its inputs.
    pub(super) first: bool,
    pub(super) groups: Vec<Group<A>>,
    /// Past taps, above and to the left; none for a 1x1 kernel.
    pub(super) taps: Vec<Tap>,
    /// Number of leading `taps` that lie above.
    pub(super) above: usize,
}

/// Weights of a colour group.
pub(super) struct Group<A> {
    pub(super) packed: PackedMatrix<A>,
    /// Inputs of the centre that the group reads.
    pub(super) open: usize,
}

/// State of a convolution: inputs of earlier pixels; `None` without past taps.
pub(super) type State<A> = Option<RowCache<<A as Pack>::Input>>;

/// One tap, or several adjacent taps of a row in contiguous memory.
#[derive(Clone, Copy)]
pub(super) struct Tap {
    /// Rows up; negative below.
    pub(super) above: isize,
    /// Columns from the leftmost tap to the centre.
    pub(super) back: isize,
    pub(super) inputs: usize,
}

/// True if adjacent taps are stored contiguously and form one piece. This avoids padding each tap to whole words, so it is not
/// needed for input vectors of whole words.
fn joined<A: Pack>(record: &ConvRecord) -> bool {
    record.dilation == 1 && !usize::from(record.inputs).is_multiple_of(each_word::<A>())
}

/// Weights of all colour groups.
fn groups<A: Pack>(model: &Model<'_>, matrix: &MatrixDescriptor, taps: &[Tap], above: usize) -> Option<Vec<Group<A>>> {
    let groups = model.groups();
    let group = |group: usize| {
        let open = matrix.open(groups, group);
        let pieces: Vec<_> = taps.iter().map(|tap| tap.inputs).chain([open]).collect();
        Some(Group { packed: PackedMatrix::new(model, matrix, group, &pieces, above)?, open })
    };
    (0..groups).map(group).collect()
}

impl<A: Pack> Conv<A> {
    pub(super) fn new(model: &Model<'_>, record: &ConvRecord, first: bool) -> Option<Self> {
        let reach = record.reach();
        let (dilation, inputs) = (usize::from(record.dilation), usize::from(record.inputs));
        let mut taps = Vec::new();
        let left = reach.left;
        for above in (0..=reach.above).rev() {
            let count = reach.past_taps_of_row(above);
            if joined::<A>(record) {
                taps.push(Tap { above: above as isize, back: left as isize, inputs: count * inputs });
            } else {
                let each = |tap| Tap {
                    above: (above * dilation) as isize,
                    back: (left as isize - tap as isize) * dilation as isize,
                    inputs,
                };
                taps.extend((0..count).map(each));
            }
        }
        taps.retain(|tap| tap.inputs > 0);
        let above = taps.iter().filter(|tap| tap.above > 0).count();
        let matrix = record.matrix();
        let groups = groups(model, &matrix, &taps, above)?;
        Some(Self { record: *record, map: None, store: Store::new(record)?, first, groups, taps, above })
    }

    /// Convolution over a map.
    pub(super) fn over_map(model: &Model<'_>, record: &MapConvRecord) -> Option<Self> {
        let matrix = record.matrix();
        // The fields that both records have; the taps are below.
        let common = ConvRecord {
            destination: record.destination,
            dilation: record.dilation,
            input_zero_point: record.input_zero_point,
            input: record.input,
            output: record.output,
            inputs: record.inputs,
            outputs: record.outputs,
            output_zero_point: record.output_zero_point,
            output_clamp_min: record.output_clamp_min,
            logit_shift: record.logit_shift,
            ..ConvRecord::zeroed()
        };
        let (dilation, inputs) = (isize::from(record.dilation), usize::from(record.inputs));
        let left = isize::from(record.anchor[1]);
        let mut taps = Vec::new();
        for (down, count) in record.rows() {
            if joined::<A>(&common) {
                taps.push(Tap { above: -down, back: left, inputs: count * inputs });
            } else {
                let each = |tap: usize| Tap { above: -down, back: (left - tap as isize) * dilation, inputs };
                taps.extend((0..count).map(each));
            }
        }
        let above = taps.iter().take_while(|tap| tap.above > 0).count();
        let groups = groups(model, &matrix, &taps, above)?;
        let map = if record.taps() > 0 { Some(usize::from(record.map)) } else { None };
        Some(Self { record: common, map, store: Store::new(&common)?, first: false, groups, taps, above })
    }

    /// True if the op reads rows below, or nothing but a map: the single-image path does not.
    pub(super) fn is_irregular(&self) -> bool {
        self.taps.iter().any(|tap| tap.above < 0)
    }

    /// Bytes of the packed weights.
    pub(super) fn bytes(&self) -> usize {
        self.groups.iter().map(|group| group.packed.bytes()).sum()
    }

    /// State for `images` images.
    pub(super) fn state(&self, images: usize, width: usize) -> State<A> {
        if self.taps.is_empty() || self.map.is_some() {
            return None;
        }
        let Reach { above, left, right } = self.record.reach();
        let (dilation, features) = (usize::from(self.record.dilation), usize::from(self.record.inputs));
        let columns = [left * dilation, width, right * dilation];
        let shape = Shape { images, rows: above * dilation + 1, columns, features };
        Some(if joined::<A>(&self.record) { RowCache::by_image(shape) } else { RowCache::new(shape) })
    }

    /// Resets the state before an image: all earlier pixels are padding.
    pub(super) fn restart(&self, state: &mut State<A>) {
        if let Some(rows) = state {
            rows.fill(A::input(A::zero(self.record.input_zero_point)));
        }
    }

    /// Maximum number of pieces of a product.
    pub(super) fn pieces(&self) -> usize {
        self.taps.len() + 1
    }

    #[inline(always)]
    pub(super) fn run<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        // The inputs of all groups are kept first: past taps are open to every colour group.
        if let Some(rows) = state.as_mut().filter(|_| !self.first) {
            rows.keep(step, &scratch.registers, self.record.input)?;
        }
        self.run_over(step, state.as_ref(), scratch, kernel)
    }

    /// [`Conv::run`] over inputs that are kept already.
    #[inline(always)]
    pub(super) fn run_over<K: Kernel>(
        &self,
        step: &Step,
        rows: Option<&RowCache<A::Input>>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        for index in step.groups.clone() {
            self.group(step, index, rows, scratch, kernel)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn group<K: Kernel>(
        &self,
        step: &Step,
        index: usize,
        rows: Option<&RowCache<A::Input>>,
        scratch: &mut Scratch,
        kernel: K,
    ) -> Result<(), Corrupt> {
        let group = self.groups.get(index).ok_or(Corrupt)?;
        let centre = words::<A>(group.open);
        let Scratch { registers, logits, sums, pieces, levels, logit_stride, .. } = scratch;
        pieces.clear();
        let stride = if let Some(rows) = rows {
            for tap in &self.taps {
                let start = rows.at(0, step.row, tap.above.cast_unsigned(), step.column, tap.back);
                pieces.push::<A::Input>(start, words::<A>(tap.inputs));
            }
            pieces.push::<A::Input>(rows.at(0, step.row, 0, step.column, 0), centre);
            rows.stride_of(step.columns)
        } else {
            pieces.push::<A::Input>(registers.start::<A::Input>(self.record.input), centre);
            self.record.inputs.into()
        };
        for panel in group.packed.panels() {
            let numbers = match rows {
                Some(rows) => rows.slice(),
                None => registers.slice().ok_or(Corrupt)?,
            };
            let inputs = Inputs { numbers, stride, pieces: pieces.all() };
            let results =
                group.packed.sums(panel, kernel, &inputs, step.batch_columns(), step.label, sums).ok_or(Corrupt)?;
            let stride = match self.store {
                Store::Logits => *logit_stride,
                _ => self.record.outputs.into(),
            };
            let first = self.output_start(index, panel, step.batch_columns(), *levels);
            self.store.put::<A, K>(&results, registers, logits, Strided { first, stride }, kernel)?;
        }
        Ok(())
    }

    /// Index of a panel's first output at the first column of the batch, in the logits or in the registers.
    #[inline(always)]
    pub(super) fn output_start(&self, group: usize, panel: &Panel, batch_columns: usize, levels: usize) -> usize {
        let (first, at) = (panel.outputs.start, self.record.output as usize * batch_columns);
        match self.store {
            Store::Logits => {
                let group_first = self.groups.get(group).map_or(0, |group| group.packed.outputs.start);
                group * levels + first - group_first
            }
            Store::Activation { .. } => at / size_of::<A::Input>() + first,
            _ => at / size_of::<i16>() + first,
        }
    }
}

/// Conversion of a convolution's sums to its destination.
#[derive(Clone, Copy)]
pub(super) enum Store {
    Activation { zero_point: i32, clamp_min: i32 },
    Residual,
    Accumulate,
    Logits,
}

impl Store {
    fn new(record: &ConvRecord) -> Option<Self> {
        Some(match record.destination()? {
            Destination::Activation => Self::Activation {
                zero_point: record.output_zero_point.into(),
                clamp_min: record.output_clamp_min.into(),
            },
            Destination::Residual => Self::Residual,
            Destination::Accumulate => Self::Accumulate,
            Destination::Logits => Self::Logits,
        })
    }

    /// Requantizes, converts and writes sums to the registers or the logits, at the elements `to`.
    #[inline(always)]
    pub(super) fn put<A: Pack, K: Kernel>(
        self,
        sums: &impl Scaled,
        registers: &mut Registers,
        logits: &mut [u32],
        to: Strided,
        kernel: K,
    ) -> Result<(), Corrupt> {
        match self {
            Self::Activation { zero_point, clamp_min } => sums.each(
                kernel,
                registers.slice_mut().ok_or(Corrupt)?,
                to,
                #[inline(always)]
                move |v, y| *y = A::activation_input(v, zero_point, clamp_min),
            ),
            Self::Accumulate => sums.each(
                kernel,
                registers.slice_mut().ok_or(Corrupt)?,
                to,
                #[inline(always)]
                |v, y| *y = A::accumulate(v, *y),
            ),
            Self::Residual => sums.each(
                kernel,
                registers.slice_mut().ok_or(Corrupt)?,
                to,
                #[inline(always)]
                |v, y| *y = A::residual(v),
            ),
            // Scaled sums: `predicted_of_sums` turns them into logits.
            Self::Logits => sums.each(
                kernel,
                logits,
                to,
                #[inline(always)]
                |v, logit| *logit = v as u32,
            ),
        }
    }
}
