//! Completes images: their upper rows are given, a model draws the rest.

use crate::error::Error;
use crate::images::{ImageSet, Range};
use crate::memory;
use crate::run::{make, packed};
use pixelrnn::{Complete, Model, Sample, Temperature};
use rayon::prelude::*;

/// How images are to be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Rows that are kept; all others are drawn.
    pub rows: usize,
    /// Completions of each image.
    pub each: usize,
    /// Seed of the first completion of the first image.
    pub seed: u64,
    /// Below 1: bolder, above 1: wilder.
    pub temperature: Temperature,
}

impl Completion {
    /// The seed of completion `n` of image `image`: `seed + image · 2³² + n`, modulo 2⁶⁴.
    ///
    /// It depends on neither how many images there are nor how many completions, so that more of them leave those that
    /// there were.
    pub const fn seed_of(&self, image: usize, n: usize) -> u64 {
        self.seed.wrapping_add((image as u64) << 32).wrapping_add(n as u64)
    }
}

/// Completes the images of the given numbers in a set that fits the model: `each` images for one, in the order of `numbers`.
///
/// `label` gives that of an image, by its number, where the model has classes. `progress` is called once a number.
///
/// # Errors
/// When images or labels do not fit the model.
///
/// # Panics
/// When there is no image of one of the numbers.
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
        make(model, packed.as_ref(), label(number), source, out)?;
        progress();
        Ok::<(), Error>(())
    })?;
    ImageSet::new([image.channels, image.height, image.width], data, Range::Levels)
}

#[cfg(test)]
mod tests;
