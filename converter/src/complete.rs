//! Image completion: the top rows or other values are given, a model samples the rest.

use crate::error::Error;
use crate::images::{ImageSet, Range};
use crate::memory;
use crate::progress::Progress;
use crate::run::{generate, packed};
use pixelrnn::network::Image;
use pixelrnn::{Complete, Distribution, Model, Position, Sample, SymbolSource, Temperature};
use rayon::prelude::*;
use std::convert::Infallible;
use std::fmt;

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
    progress: impl Progress,
) -> Result<ImageSet, Error> {
    let image = model.image();
    let source = |number: usize, n: usize| {
        let draw = Sample::seeded(how.seed_of(number, n), how.temperature);
        Complete::new(image_of(set, number, image), image, how.rows, draw)
    };
    fill(model, set, numbers, label, how.each, source, progress)
}

/// Completes all images of a set that fits the model, where any values are given: `known` has those of one image, `[C, H, W]`,
/// for all images, or of each, `[N, C, H, W]`. `how.rows` is not read. Otherwise as [`complete`].
///
/// A value is drawn after those before it, in reading order. Given values that come later do not bear on it.
///
/// # Errors
/// When images, labels or `known` do not fit the model.
pub fn complete_known(
    model: Model<'_>,
    set: &ImageSet,
    known: &[bool],
    label: impl Fn(usize) -> Option<usize> + Sync,
    how: &Completion,
    progress: impl Progress,
) -> Result<ImageSet, Error> {
    let image = model.image();
    if known.len() != set.values() && known.len() != set.count * set.values() {
        return Err(Error::ImageLength { got: known.len(), expected: set.values() });
    }
    let source = |number: usize, n: usize| {
        let draw = Sample::seeded(how.seed_of(number, n), how.temperature);
        let own = if known.len() == set.values() { 0 } else { number * set.values() };
        Given { values: image_of(set, number, image), known: &known[own..], image, draw }
    };
    fill(model, set, &(0..set.count).collect::<Vec<_>>(), label, how.each, source, progress)
}

/// Image `number`; nothing where the set does not fit the model, which [`fill`] refuses.
fn image_of(set: &ImageSet, number: usize, image: Image) -> &[u8] {
    if set.values() == image.values() { set.image(number) } else { &[] }
}

/// Supplies the known values of an image and draws the others.
struct Given<'a, R> {
    values: &'a [u8],
    known: &'a [bool],
    image: Image,
    draw: Sample<R>,
}

impl<R> SymbolSource for Given<'_, R>
where
    Sample<R>: SymbolSource<Error = Infallible>,
{
    type Error = Infallible;

    fn temperature(&self) -> Temperature {
        self.draw.temperature()
    }

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, Infallible> {
        let index = (at.channel * self.image.height + at.row) * self.image.width + at.column;
        if self.known[index] { Ok(self.values[index]) } else { self.draw.next(at, distribution) }
    }
}

/// Makes `each` images of each of `numbers`, from the sources of an image's number and a completion's.
fn fill<S: SymbolSource<Error: fmt::Display>>(
    model: Model<'_>,
    set: &ImageSet,
    numbers: &[usize],
    label: impl Fn(usize) -> Option<usize> + Sync,
    each: usize,
    source: impl Fn(usize, usize) -> S + Sync,
    progress: impl Progress,
) -> Result<ImageSet, Error> {
    let image = model.image();
    if set.values() != image.values() {
        return Err(Error::ImageLength { got: set.values(), expected: image.values() });
    }
    let count = numbers.len().saturating_mul(each).saturating_mul(image.values());
    let mut data = memory::zeros(count, memory::IMAGES)?;
    let packed = packed(model);
    let all_of_one = (each * image.values()).max(1);
    data.par_chunks_exact_mut(all_of_one).zip(numbers).try_for_each(|(out, &number)| {
        progress.check()?;
        generate(model, packed.as_ref(), label(number), |n| source(number, n), out)?;
        progress.done();
        Ok::<(), Error>(())
    })?;
    ImageSet::new([image.channels, image.height, image.width], data, Range::Levels)
}

#[cfg(test)]
mod tests;
