//! Several images, advanced together.

use super::linear::NOTHING;
use super::walk::{Ops, Step, Walk};
use super::{AnyOps, Pack, Packed};
use crate::distribution::Distribution;
use crate::engine::{EngineError, check_label, predicted_of_sums, predicted_of_two};
use crate::kernels::{Host, Kernel, Task, map};
use crate::model::Image;
#[cfg(feature = "a16")]
use crate::numbers::Int8A16;
use crate::numbers::{Int8, cost_bits};
use crate::source::{Position, SymbolSource};
use core::convert::Infallible;

/// Makes several images at once, in memory that it allocates when it is made and never after.
pub struct Batch<'p, 'm> {
    packed: &'p Packed<'m>,
    images: usize,
    kernel: Host,
    walk: AnyWalk,
}

/// A walk with the numbers of its model.
pub(super) enum AnyWalk {
    I8(Walk<Int8>),
    #[cfg(feature = "a16")]
    I8A16(Walk<Int8A16>),
}

impl AnyWalk {
    pub(super) fn new(packed: &Packed<'_>, images: usize, columns: usize) -> Option<Self> {
        Some(match &packed.ops {
            AnyOps::I8(ops) => Self::I8(Walk::new(ops, &packed.model, images, columns)?),
            #[cfg(feature = "a16")]
            AnyOps::I8A16(ops) => Self::I8A16(Walk::new(ops, &packed.model, images, columns)?),
        })
    }
}

impl<'p, 'm> Batch<'p, 'm> {
    /// A batch of `images` images, with the kernel that [`Host::chosen`] gives.
    ///
    /// # Errors
    /// When the machine has no kernel of the name in [`Host::VARIABLE`].
    pub fn new(packed: &'p Packed<'m>, images: usize) -> Result<Self, EngineError<Infallible>> {
        Self::with(packed, images, Host::chosen().map_err(EngineError::Kernel)?)
    }

    /// A batch with that kernel.
    ///
    /// # Errors
    /// None that a checked model could cause.
    pub fn with(packed: &'p Packed<'m>, images: usize, kernel: Host) -> Result<Self, EngineError<Infallible>> {
        let walk = AnyWalk::new(packed, images.max(1), 1).ok_or(EngineError::Corrupt)?;
        Ok(Self { packed, images: images.max(1), kernel, walk })
    }

    /// The model, with its weights packed.
    pub const fn packed(&self) -> &'p Packed<'m> {
        self.packed
    }

    /// Images.
    pub const fn images(&self) -> usize {
        self.images
    }

    /// Makes images, `[N, C, H, W]`, each with the source of its number, and gives their costs in units of 2⁻²⁴ bit.
    ///
    /// # Errors
    /// As [`crate::Engine::run`]; `Corrupt` unless there are as many sources, costs and images as the batch has.
    pub fn run<S: SymbolSource>(
        &mut self,
        label: Option<usize>,
        sources: &mut [S],
        out: &mut [u8],
        costs: &mut [u64],
    ) -> Result<(), EngineError<S::Error>> {
        check_label(&self.packed.model, label)?;
        let values = self.packed.model.image().values();
        if sources.len() != self.images || costs.len() != self.images || out.len() != self.images * values {
            return Err(EngineError::Corrupt);
        }
        costs.fill(0);
        let job = Job { packed: self.packed, images: self.images, label, sources, out, costs };
        match (&mut self.walk, &self.packed.ops) {
            (AnyWalk::I8(walk), AnyOps::I8(ops)) => job.run(walk, ops, self.kernel),
            #[cfg(feature = "a16")]
            (AnyWalk::I8A16(walk), AnyOps::I8A16(ops)) => job.run(walk, ops, self.kernel),
            #[cfg(feature = "a16")]
            _ => Err(EngineError::Corrupt),
        }
    }
}

/// What [`Batch::run`] was asked for.
struct Job<'j, 'm, S> {
    packed: &'j Packed<'m>,
    images: usize,
    label: Option<usize>,
    sources: &'j mut [S],
    out: &'j mut [u8],
    costs: &'j mut [u64],
}

/// All ops at a step.
struct Ahead<'j, A: Pack> {
    walk: &'j mut Walk<A>,
    ops: &'j Ops<A>,
    step: &'j Step,
}

impl<A: Pack> Task for Ahead<'_, A> {
    type Output = Option<()>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Option<()> {
        self.walk.run(self.ops, self.step, kernel)
    }
}

/// As [`Ahead`], at a pixel of the only image.
struct Alone<'j, A: Pack>(Ahead<'j, A>);

impl<A: Pack> Task for Alone<'_, A> {
    type Output = Option<()>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Option<()> {
        self.0.walk.run_alone(self.0.ops, self.0.step, kernel)
    }
}

/// What follows a row.
struct Finish<'j, A: Pack> {
    walk: &'j mut Walk<A>,
    ops: &'j Ops<A>,
    step: &'j Step,
}

impl<A: Pack> Task for Finish<'_, A> {
    type Output = Option<()>;

    #[inline(always)]
    fn with<K: Kernel>(self, kernel: K) -> Option<()> {
        self.walk.finish(self.ops, self.step, kernel)
    }
}

/// Runs all ops at a step.
pub(super) fn ahead<A: Pack>(walk: &mut Walk<A>, ops: &Ops<A>, step: &Step, kernel: Host) -> Option<()> {
    let ahead = Ahead { walk, ops, step };
    if ahead.walk.is_alone(step) { kernel.perform(Alone(ahead)) } else { kernel.perform(ahead) }
}

/// Adds what values cost that were so probable: a vector of them costs hardly more time than one.
pub(super) fn add_costs(frequencies: &[u32], costs: &mut [u64], kernel: Host) {
    map(
        kernel,
        frequencies,
        costs,
        #[inline(always)]
        |frequency, cost| *cost += u64::from(cost_bits(frequency)),
    );
}

/// After a row.
pub(super) fn finish<A: Pack>(walk: &mut Walk<A>, ops: &Ops<A>, step: &Step, kernel: Host) -> Option<()> {
    kernel.perform(Finish { walk, ops, step })
}

impl<S: SymbolSource> Job<'_, '_, S> {
    /// Turns the logits of several images of two levels into frequencies, if all of them have one temperature.
    fn predict_at_once(&self, logits: &mut [u32], kernel: Host) -> bool {
        let Image { channels, levels, .. } = self.packed.model.image();
        let mut temperatures = self.sources.iter().map(SymbolSource::temperature);
        let Some(temperature) = temperatures.next() else { return false };
        if self.images == 1 || (channels, levels) != (1, 2) || temperatures.any(|other| other != temperature) {
            return false;
        }
        let output = self.packed.model.logits();
        map(
            kernel,
            NOTHING,
            logits.as_chunks_mut().0,
            #[inline(always)]
            |(), logits: &mut [u32; 2]| *logits = predicted_of_two(output, *logits, temperature),
        );
        true
    }

    fn run<A: Pack>(self, walk: &mut Walk<A>, ops: &Ops<A>, kernel: Host) -> Result<(), EngineError<S::Error>> {
        let Image { height, width, channels, levels } = self.packed.model.image();
        let images = self.images;
        walk.restart(ops, width).ok_or(EngineError::Corrupt)?;
        let mut step = Step {
            images,
            width,
            row: 0,
            column: 0,
            columns: 1,
            groups: 0..1,
            all_groups: channels,
            label: self.label,
        };
        for row in 0..height {
            for column in 0..width {
                (step.row, step.column) = (row, column);
                for channel in 0..channels {
                    step.groups = channel..channel + 1;
                    A::ahead(walk, ops, &step, kernel).ok_or(EngineError::Corrupt)?;
                    let position = Position { row, column, channel };
                    let at_once = self.predict_at_once(&mut walk.shared.logits, kernel);
                    for image in 0..images {
                        let at = (image * channels + channel) * levels;
                        let logits = walk.shared.logits.get_mut(at..at + levels).ok_or(EngineError::Corrupt)?;
                        let source = self.sources.get_mut(image).ok_or(EngineError::Corrupt)?;
                        let distribution = if at_once {
                            Distribution::of(logits)
                        } else {
                            predicted_of_sums(self.packed.model.logits(), logits, source.temperature(), kernel)
                        };
                        let value = source.next(position, &distribution).map_err(EngineError::Source)?;
                        if usize::from(value) >= levels {
                            return Err(EngineError::Value { position, got: value, levels });
                        }
                        let frequency = distribution.frequency(value);
                        *walk.frequencies.get_mut(image).ok_or(EngineError::Corrupt)? = frequency;
                        let at = ((image * channels + channel) * height + row) * width + column;
                        *self.out.get_mut(at).ok_or(EngineError::Corrupt)? = value;
                        walk.store(&step, image, channel, value).ok_or(EngineError::Corrupt)?;
                    }
                    add_costs(&walk.frequencies, self.costs, kernel);
                }
            }
            if row + 1 < height {
                A::finish(walk, ops, &step, kernel).ok_or(EngineError::Corrupt)?;
            }
        }
        Ok(())
    }
}
