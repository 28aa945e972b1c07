//! An image that is there already, a row at a time.

use super::batch::add_costs;
use super::executor::{AnyExecutor, Execute, Executor};
use super::model::{AnyOps, PackedModel};
use super::ops::Ops;
use super::step::Step;
use crate::exec::error::Corrupt;
use crate::exec::pixel::{Cost, check_label, predicted_of_sums};
use crate::exec::{SetupError, StepError};
use crate::kernels::Host;
use crate::network::Image;
use crate::source::{FromImage, Position, SymbolSource, TooShort};

/// Predicts all values of given images, in memory that it allocates when it is made and never after.
///
/// What a value's distribution depends on is there already, so a row's are computed at once: each op is a product of
/// matrices.
pub struct Scorer<'p, 'm> {
    packed: &'p PackedModel<'m>,
    kernel: Host,
    executor: AnyExecutor,
    /// Of each column and channel.
    costs: Vec<Cost>,
}

impl<'p, 'm> Scorer<'p, 'm> {
    /// A scorer, with the kernel that [`Host::from_env`] gives.
    ///
    /// # Errors
    /// When the machine has no kernel of the name in [`Host::VARIABLE`].
    pub fn new(packed: &'p PackedModel<'m>) -> Result<Self, SetupError> {
        Self::with(packed, Host::from_env().map_err(SetupError::Kernel)?)
    }

    /// A scorer with that kernel.
    ///
    /// # Errors
    /// None that a checked model could cause.
    pub fn with(packed: &'p PackedModel<'m>, kernel: Host) -> Result<Self, SetupError> {
        let Image { width, channels, .. } = packed.model.image();
        let executor = AnyExecutor::new(packed, 1, width).ok_or(Corrupt)?;
        Ok(Self { packed, kernel, executor, costs: vec![Cost(0); width * channels] })
    }

    /// The model, with its weights packed.
    pub const fn packed(&self) -> &'p PackedModel<'m> {
        self.packed
    }

    /// The cost of an image, `[C, H, W]`.
    ///
    /// # Errors
    /// When the label does not fit the model, or the image is too short or has a value that is no level.
    pub fn score(&mut self, label: Option<usize>, image: &[u8]) -> Result<Cost, StepError<TooShort>> {
        let shape = self.packed.model.image();
        self.visit(label, image, &mut FromImage::new(image, shape))
    }

    /// Shows `source` the distribution of each value of an image, `[C, H, W]`, in the order of the walk, and gives the cost of
    /// the image's values. An entropy coder is such a source; what it gives back must be the image's values.
    ///
    /// # Errors
    /// As [`Scorer::score`], and when the source has no value or another one.
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

/// What [`Scorer::visit`] was asked for.
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
        executor.restart(ops, width)?;
        let mut step = Step {
            images: 1,
            width,
            row: 0,
            column: 0,
            columns: width,
            groups: 0..channels,
            all_groups: channels,
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
                    executor.store(&step, column, channel, got)?;
                }
            }
            A::forward(executor, ops, &step, kernel)?;
            for column in 0..width {
                for channel in 0..channels {
                    let at = (column * channels + channel) * levels;
                    let logits = executor.scratch.logits.get_mut(at..at + levels).ok_or(Corrupt)?;
                    let distribution = predicted_of_sums(packed.model.logits(), logits, source.temperature(), kernel);
                    let position = Position { row, column, channel };
                    let value = source.next(position, &distribution).map_err(StepError::Source)?;
                    if image.get((channel * height + row) * width + column) != Some(&value) {
                        return Err(StepError::Value { position, got: value, levels });
                    }
                    let batch_column = column * channels + channel;
                    *executor.frequencies.get_mut(batch_column).ok_or(Corrupt)? = distribution.frequency(value);
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
