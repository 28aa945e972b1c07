//! Likelihood of a given image, computed row by row.

use super::batch::add_costs;
use super::executor::{AnyExecutor, Execute, Executor, Moment};
use super::model::{AnyOps, PackedModel};
use super::ops::Ops;
use super::step::Step;
use crate::exec::error::Corrupt;
use crate::exec::pixel::{Cost, check_label, predicted_of_sums};
use crate::exec::{SetupError, StepError};
use crate::kernels::Host;
use crate::network::Image;
use crate::source::{FromImage, Position, SymbolSource, TooShort};

/// Executor that predicts all values of a given image. It allocates only when it is created.
///
/// All values that a distribution depends on are known, so that a whole row is one step: each op is a matrix product.
pub struct Scorer<'p, 'm> {
    packed: &'p PackedModel<'m>,
    kernel: Host,
    executor: AnyExecutor,
    /// Accumulated costs, `[width, channels]`.
    costs: Vec<Cost>,
}

impl<'p, 'm> Scorer<'p, 'm> {
    /// Scorer with the kernel of [`Host::from_env`].
    ///
    /// # Errors
    /// The machine lacks the kernel that [`Host::VARIABLE`] names.
    pub fn new(packed: &'p PackedModel<'m>) -> Result<Self, SetupError> {
        Self::with(packed, Host::from_env().map_err(SetupError::Kernel)?)
    }

    /// Scorer with the given kernel.
    ///
    /// # Errors
    /// None for a checked model.
    pub fn with(packed: &'p PackedModel<'m>, kernel: Host) -> Result<Self, SetupError> {
        let Image { width, channels, .. } = packed.model.image();
        let executor = AnyExecutor::new(packed, 1, width, true).ok_or(Corrupt)?;
        Ok(Self { packed, kernel, executor, costs: vec![Cost(0); width * channels] })
    }

    /// Packed model of the scorer.
    pub const fn packed(&self) -> &'p PackedModel<'m> {
        self.packed
    }

    /// Cost of an image, `[C, H, W]`.
    ///
    /// # Errors
    /// The label does not fit the model, or the image is too short or has an invalid value.
    pub fn score(&mut self, label: Option<usize>, image: &[u8]) -> Result<Cost, StepError<TooShort>> {
        let shape = self.packed.model.image();
        self.visit(label, image, &mut FromImage::new(image, shape))
    }

    /// Passes the distribution of each value of an image, `[C, H, W]`, to `source`, in raster order with channels innermost. Returns the
    /// cost of the image.
    ///
    /// The source must answer with the image's values; an entropy coder does.
    ///
    /// # Errors
    /// Same as [`Scorer::score`]; also if the source has no value or a different one.
    pub fn visit<S: SymbolSource>(
        &mut self,
        label: Option<usize>,
        image: &[u8],
        source: &mut S,
    ) -> Result<Cost, StepError<S::Error>> {
        check_label(&self.packed.model, label)?;
        let job = Job { packed: self.packed, kernel: self.kernel, label, image, costs: &mut self.costs };
        match (&mut self.executor, &self.packed.ops) {
            (AnyExecutor::I8(executor), AnyOps::I8(ops)) => job.visit(executor, ops, source),
            #[cfg(feature = "a16")]
            (AnyExecutor::I8A16(executor), AnyOps::I8A16(ops)) => job.visit(executor, ops, source),
            #[cfg(feature = "a16")]
            _ => Err(StepError::Corrupt),
        }
    }
}

/// Arguments of [`Scorer::visit`].
struct Job<'j, 'm> {
    packed: &'j PackedModel<'m>,
    kernel: Host,
    label: Option<usize>,
    image: &'j [u8],
    costs: &'j mut [Cost],
}

impl Job<'_, '_> {
    fn visit<A: Execute, S: SymbolSource>(
        self,
        executor: &mut Executor<A>,
        ops: &Ops<A>,
        source: &mut S,
    ) -> Result<Cost, StepError<S::Error>> {
        let Self { packed, kernel, label, image, costs } = self;
        costs.fill(Cost(0));
        let Image { height, width, channels, levels } = packed.model.image();
        let (output, shift) = packed.model.logits();
        executor.restart(ops, width)?;
        let mut step = Step {
            images: 1,
            width,
            row: 0,
            column: 0,
            columns: width,
            groups: 0..ops.groups,
            all_groups: ops.groups,
            label,
        };
        for row in 0..height {
            step.row = row;
            for column in 0..width {
                for channel in 0..channels {
                    let position = Position { row, column, channel };
                    let got = *image.get((channel * height + row) * width + column).ok_or(Corrupt)?;
                    if usize::from(got) >= levels {
                        return Err(StepError::Value { position, got, levels });
                    }
                    executor.store(ops, &step, column, channel, got)?;
                }
            }
            executor.pad_below(ops, &step);
            A::forward(executor, ops, &step, Moment::Scored, kernel)?;
            for column in 0..width {
                for channel in 0..channels {
                    let at = (column * channels + channel) * levels;
                    let logits = executor.scratch.logits.get_mut(at..at + levels).ok_or(Corrupt)?;
                    let distribution = predicted_of_sums(output, shift, logits, source.temperature(), kernel);
                    let position = Position { row, column, channel };
                    let value = source.next(position, &distribution).map_err(StepError::Source)?;
                    if image.get((channel * height + row) * width + column) != Some(&value) {
                        return Err(StepError::Value { position, got: value, levels });
                    }
                    let at = column * channels + channel;
                    *executor.frequencies.get_mut(at).ok_or(Corrupt)? = distribution.frequency(value);
                }
            }
            add_costs(&executor.frequencies, costs, kernel);
            if row + 1 < height {
                A::end_row(executor, ops, &step, kernel)?;
            }
        }
        Ok(costs.iter().copied().sum())
    }
}
