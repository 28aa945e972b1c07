//! An image that is there already, a row at a time.

use super::batch::{AnyWalk, add_costs};
use super::walk::{Ops, Step, Walk};
use super::{AnyOps, Pack, Packed};
use crate::engine::{EngineError, check_label, predicted_of_sums};
use crate::kernels::Host;
use crate::model::Image;
use crate::source::{Given, Position, SymbolSource, TooShort};
use core::convert::Infallible;

/// Predicts all values of given images, in memory that it allocates when it is made and never after.
///
/// What a value's distribution depends on is there already, so a row's are computed at once: each op is a product of
/// matrices.
pub struct Scorer<'p, 'm> {
    packed: &'p Packed<'m>,
    kernel: Host,
    walk: AnyWalk,
    /// Of each column and channel.
    costs: Vec<u64>,
}

impl<'p, 'm> Scorer<'p, 'm> {
    /// A scorer, with the kernel that [`Host::chosen`] gives.
    ///
    /// # Errors
    /// When the machine has no kernel of the name in [`Host::VARIABLE`].
    pub fn new(packed: &'p Packed<'m>) -> Result<Self, EngineError<Infallible>> {
        Self::with(packed, Host::chosen().map_err(EngineError::Kernel)?)
    }

    /// A scorer with that kernel.
    ///
    /// # Errors
    /// None that a checked model could cause.
    pub fn with(packed: &'p Packed<'m>, kernel: Host) -> Result<Self, EngineError<Infallible>> {
        let Image { width, channels, .. } = packed.model.image();
        let walk = AnyWalk::new(packed, 1, width).ok_or(EngineError::Corrupt)?;
        Ok(Self { packed, kernel, walk, costs: vec![0; width * channels] })
    }

    /// The model, with its weights packed.
    pub const fn packed(&self) -> &'p Packed<'m> {
        self.packed
    }

    /// The cost of an image, `[C, H, W]`, in units of 2⁻²⁴ bit.
    ///
    /// # Errors
    /// When the label does not fit the model, or the image is too short or has a value that is no level.
    pub fn score(&mut self, label: Option<usize>, image: &[u8]) -> Result<u64, EngineError<TooShort>> {
        let shape = self.packed.model.image();
        self.visit(label, image, &mut Given::new(image, shape))
    }

    /// Shows `source` the distribution of each value of an image, `[C, H, W]`, in the order of the walk, and gives the cost of
    /// the image's values, in units of 2⁻²⁴ bit. An entropy coder is such a source; what it gives back must be the image's values.
    ///
    /// # Errors
    /// As [`Scorer::score`], and when the source has no value or another one.
    pub fn visit<S: SymbolSource>(
        &mut self,
        label: Option<usize>,
        image: &[u8],
        source: &mut S,
    ) -> Result<u64, EngineError<S::Error>> {
        check_label(&self.packed.model, label)?;
        let job = Job { packed: self.packed, kernel: self.kernel, label, image, costs: &mut self.costs };
        match (&mut self.walk, &self.packed.ops) {
            (AnyWalk::I8(walk), AnyOps::I8(ops)) => job.visit(walk, ops, source),
            #[cfg(feature = "a16")]
            (AnyWalk::I8A16(walk), AnyOps::I8A16(ops)) => job.visit(walk, ops, source),
            #[cfg(feature = "a16")]
            _ => Err(EngineError::Corrupt),
        }
    }
}

/// What [`Scorer::visit`] was asked for.
struct Job<'j, 'm> {
    packed: &'j Packed<'m>,
    kernel: Host,
    label: Option<usize>,
    image: &'j [u8],
    costs: &'j mut [u64],
}

impl Job<'_, '_> {
    fn visit<A: Pack, S: SymbolSource>(
        self,
        walk: &mut Walk<A>,
        ops: &Ops<A>,
        source: &mut S,
    ) -> Result<u64, EngineError<S::Error>> {
        let Self { packed, kernel, label, image, costs } = self;
        costs.fill(0);
        let Image { height, width, channels, levels } = packed.model.image();
        walk.restart(ops, width).ok_or(EngineError::Corrupt)?;
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
                    let got = *image.get((channel * height + row) * width + column).ok_or(EngineError::Corrupt)?;
                    if usize::from(got) >= levels {
                        return Err(EngineError::Value { position, got, levels });
                    }
                    walk.store(&step, column, channel, got).ok_or(EngineError::Corrupt)?;
                }
            }
            A::ahead(walk, ops, &step, kernel).ok_or(EngineError::Corrupt)?;
            for column in 0..width {
                for channel in 0..channels {
                    let at = (column * channels + channel) * levels;
                    let logits = walk.shared.logits.get_mut(at..at + levels).ok_or(EngineError::Corrupt)?;
                    let distribution = predicted_of_sums(packed.model.logits(), logits, source.temperature(), kernel);
                    let position = Position { row, column, channel };
                    let value = source.next(position, &distribution).map_err(EngineError::Source)?;
                    if image.get((channel * height + row) * width + column) != Some(&value) {
                        return Err(EngineError::Value { position, got: value, levels });
                    }
                    let place = column * channels + channel;
                    *walk.frequencies.get_mut(place).ok_or(EngineError::Corrupt)? = distribution.frequency(value);
                }
            }
            add_costs(&walk.frequencies, costs, kernel);
            if row + 1 < height {
                A::finish(walk, ops, &step, kernel).ok_or(EngineError::Corrupt)?;
            }
        }
        Ok(costs.iter().sum())
    }
}
