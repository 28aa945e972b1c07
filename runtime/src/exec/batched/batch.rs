//! Batch of images, computed pixel by pixel in lockstep.

use super::executor::{AnyExecutor, Execute, Executor, Moment};
use super::model::{AnyOps, PackedModel};
use super::ops::Ops;
use super::packed_matrix::NOTHING;
use super::step::Step;
use crate::distribution::Distribution;
use crate::exec::error::Corrupt;
use crate::exec::pixel::{Cost, check_label, next_value, predicted_of_sums, predicted_of_two};
use crate::exec::{SetupError, StepError};
use crate::fixed::cost_bits;
use crate::kernels::{Host, map};
use crate::network::Image;
use crate::source::{Position, SymbolSource};

/// Executor that computes several images in lockstep. It allocates only when it is created.
pub struct Batch<'p, 'm> {
    packed: &'p PackedModel<'m>,
    images: usize,
    kernel: Host,
    executor: AnyExecutor,
}

impl<'p, 'm> Batch<'p, 'm> {
    /// Batch of `images` images, with the kernel of [`Host::from_env`].
    ///
    /// # Errors
    /// The machine lacks the kernel that [`Host::VARIABLE`] names.
    pub fn new(packed: &'p PackedModel<'m>, images: usize) -> Result<Self, SetupError> {
        Self::with(packed, images, Host::from_env().map_err(SetupError::Kernel)?)
    }

    /// Batch of `images` images, with the given kernel.
    ///
    /// # Errors
    /// None for a checked model.
    pub fn with(packed: &'p PackedModel<'m>, images: usize, kernel: Host) -> Result<Self, SetupError> {
        let executor = AnyExecutor::new(packed, images.max(1), 1, false).ok_or(Corrupt)?;
        Ok(Self { packed, images: images.max(1), kernel, executor })
    }

    /// Packed model of the batch.
    pub const fn packed(&self) -> &'p PackedModel<'m> {
        self.packed
    }

    /// Number of images.
    pub const fn images(&self) -> usize {
        self.images
    }

    /// Computes images, `[N, C, H, W]`, with one source per image, and writes their costs, `[N]`.
    ///
    /// # Errors
    /// Same as [`crate::Engine::run`]; `Corrupt` if the number of sources, costs or images in `out` differs from the batch's.
    pub fn run<S: SymbolSource>(
        &mut self,
        label: Option<usize>,
        sources: &mut [S],
        out: &mut [u8],
        costs: &mut [Cost],
    ) -> Result<(), StepError<S::Error>> {
        check_label(&self.packed.model, label)?;
        let values = self.packed.model.image().values();
        if sources.len() != self.images || costs.len() != self.images || out.len() != self.images * values {
            return Err(StepError::Corrupt);
        }
        costs.fill(Cost(0));
        let job = Job { packed: self.packed, images: self.images, label, sources, out, costs };
        match (&mut self.executor, &self.packed.ops) {
            (AnyExecutor::I8(executor), AnyOps::I8(ops)) => job.run(executor, ops, self.kernel),
            #[cfg(feature = "a16")]
            (AnyExecutor::I8A16(executor), AnyOps::I8A16(ops)) => job.run(executor, ops, self.kernel),
            #[cfg(feature = "a16")]
            _ => Err(StepError::Corrupt),
        }
    }
}

/// Arguments of [`Batch::run`].
struct Job<'j, 'm, S> {
    packed: &'j PackedModel<'m>,
    images: usize,
    label: Option<usize>,
    sources: &'j mut [S],
    out: &'j mut [u8],
    costs: &'j mut [Cost],
}

/// Adds the cost of each frequency to the entry of the same index, vectorized over all entries.
pub(super) fn add_costs(frequencies: &[u32], costs: &mut [Cost], kernel: Host) {
    map(
        kernel,
        frequencies,
        costs,
        #[inline(always)]
        |frequency, cost| cost.0 += u64::from(cost_bits(frequency)),
    );
}

impl<S: SymbolSource> Job<'_, '_, S> {
    /// Fast path of [`predicted_of_sums`] for several images with one channel, two levels and one common temperature: same result.
    /// Returns `false`, with nothing done, for others.
    fn predict_at_once(&self, logits: &mut [u32], kernel: Host) -> bool {
        let Image { channels, levels, .. } = self.packed.model.image();
        let mut temperatures = self.sources.iter().map(SymbolSource::temperature);
        let Some(temperature) = temperatures.next() else { return false };
        if self.images == 1 || (channels, levels) != (1, 2) || temperatures.any(|other| other != temperature) {
            return false;
        }
        let (output, shift) = self.packed.model.logits();
        map(
            kernel,
            NOTHING,
            logits.as_chunks_mut().0,
            #[inline(always)]
            |(), logits: &mut [u32; 2]| *logits = predicted_of_two(output, shift, *logits, temperature),
        );
        true
    }

    fn run<A: Execute>(
        self,
        executor: &mut Executor<A>,
        ops: &Ops<A>,
        kernel: Host,
    ) -> Result<(), StepError<S::Error>> {
        let Image { height, width, channels, levels } = self.packed.model.image();
        let (output, shift) = self.packed.model.logits();
        let images = self.images;
        executor.restart(ops, width)?;
        let mut step = Step {
            images,
            width,
            row: 0,
            column: 0,
            columns: 1,
            groups: 0..1,
            all_groups: ops.groups,
            label: self.label,
        };
        let (graph, groups) = (self.packed.model.is_graph(), ops.groups);
        for row in 0..height {
            if graph {
                (step.row, step.column, step.groups) = (row, 0, 0..1);
                executor.pad_below(ops, &step);
                A::forward(executor, ops, &step, Moment::RowBegins, kernel)?;
            }
            for column in 0..width {
                (step.row, step.column) = (row, column);
                for channel in 0..channels {
                    // Without colour groups, the first pass computes the logits of all channels.
                    if channel < groups {
                        step.groups = channel..channel + 1;
                        A::forward(executor, ops, &step, Moment::Pixel, kernel)?;
                    }
                    let position = Position { row, column, channel };
                    let at_once = self.predict_at_once(&mut executor.scratch.logits, kernel);
                    for image in 0..images {
                        let at = (image * channels + channel) * levels;
                        let logits = executor.scratch.logits.get_mut(at..at + levels).ok_or(Corrupt)?;
                        let source = self.sources.get_mut(image).ok_or(Corrupt)?;
                        let distribution = if at_once {
                            Distribution::of(logits)
                        } else {
                            predicted_of_sums(output, shift, logits, source.temperature(), kernel)
                        };
                        let value = next_value(source, position, &distribution, levels)?;
                        let frequency = distribution.frequency(value);
                        *executor.frequencies.get_mut(image).ok_or(Corrupt)? = frequency;
                        let at = ((image * channels + channel) * height + row) * width + column;
                        *self.out.get_mut(at).ok_or(Corrupt)? = value;
                        executor.store(ops, &step, image, channel, value)?;
                    }
                    add_costs(&executor.frequencies, self.costs, kernel);
                    if graph && (groups == channels || channel + 1 == channels) {
                        A::forward(executor, ops, &step, Moment::GroupKnown, kernel)?;
                    }
                }
            }
            if row + 1 < height {
                A::end_row(executor, ops, &step, kernel)?;
                if graph {
                    A::forward(executor, ops, &step, Moment::RowEnds, kernel)?;
                }
            }
        }
        Ok(())
    }
}
