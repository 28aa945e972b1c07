//! Image completion: the top rows are given, a model samples the rest.

use crate::error::Error;
use crate::images::{ImageSet, Range};
use crate::memory;
use crate::run::{generate, packed};
use pixelrnn::{Complete, Model, Sample, Temperature};
use rayon::prelude::*;

/// Parameters of a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Number of given rows, from the top. All others are sampled.
    pub rows: usize,
    /// Completions per image.
    pub each: usize,
    /// Seed of the first completion of the first image.
    pub seed: u64,
    /// Sampling temperature: below 1 the likelier values gain, above 1 the less likely ones.
    pub temperature: Temperature,
}

impl Completion {
    /// Seed of completion `n` of image `image`: `seed + image · 2³² + n`, modulo 2⁶⁴.
    ///
    /// Independent of both counts, so that a larger run extends a smaller one.
    pub const fn seed_of(&self, image: usize, n: usize) -> u64 {
        self.seed.wrapping_add((image as u64) << 32).wrapping_add(n as u64)
    }
}

/// Completes the images `numbers` of a set that fits the model. Returns `each` completions per image, in the order of
/// `numbers`.
///
/// `label` maps an image number to its class, for a model with classes. `progress` is called once per image.
///
/// # Errors
/// When images or labels do not fit the model.
///
/// # Panics
/// When an image number is out of range.
pub fn complete(
    model: Model<'_>,
    set: &ImageSet,
    numbers: &[usize],
    label: impl Fn(usize) -> Option<usize> + Sync,
    how: &Completion,
    progress: impl Fn() + Sync,
) -> Result<ImageSet, Error> {
    let image = model.image();
    if set.values() != image.values() {
        return Err(Error::ImageLength { got: set.values(), expected: image.values() });
    }
    let count = numbers.len().saturating_mul(how.each).saturating_mul(image.values());
    let mut data = memory::zeros(count, memory::IMAGES)?;
    let packed = packed(model);
    let all_of_one = (how.each * image.values()).max(1);
    data.par_chunks_exact_mut(all_of_one).zip(numbers).try_for_each(|(out, &number)| {
        let source = |n: usize| {
            let draw = Sample::seeded(how.seed_of(number, n), how.temperature);
            Complete::new(set.image(number), image, how.rows, draw)
        };
        generate(model, packed.as_ref(), label(number), source, out)?;
        progress();
        Ok::<(), Error>(())
    })?;
    ImageSet::new([image.channels, image.height, image.width], data, Range::Levels)
}

#[cfg(test)]
mod tests;
