//! Symbol sources, which supply the next value: the one difference between sampling, scoring and coding.

use crate::distribution::{Distribution, TOTAL_BITS, Temperature};
use crate::network::Image;
use rand_core::Rng;

/// Position of a value in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Position {
    /// Row, from the top.
    pub row: usize,
    /// Column, from the left.
    pub column: usize,
    /// Channel: 0, or 0, 1, 2 for R, G, B.
    pub channel: usize,
}

/// Supplies the next value of an image, given the model's prediction.
pub trait SymbolSource {
    /// Error of a source without a value; [`core::convert::Infallible`] if there always is one.
    type Error;

    /// Temperature of the predictions. Scoring and coding need [`Temperature::ONE`].
    fn temperature(&self) -> Temperature {
        Temperature::ONE
    }

    /// Value at `position`, below `distribution.levels()`.
    ///
    /// # Errors
    /// The source has no value for this position.
    fn next(&mut self, position: Position, distribution: &Distribution<'_>) -> Result<u8, Self::Error>;
}

impl<S: SymbolSource + ?Sized> SymbolSource for &mut S {
    type Error = S::Error;

    fn temperature(&self) -> Temperature {
        (**self).temperature()
    }

    fn next(&mut self, position: Position, distribution: &Distribution<'_>) -> Result<u8, Self::Error> {
        (**self).next(position, distribution)
    }
}

/// Draws each value at random from the predicted distribution.
///
/// A draw uses the upper 24 bits of one `next_u32`.
#[derive(Clone, Debug)]
pub struct Sample<R> {
    rng: R,
    temperature: Temperature,
}

impl<R: Rng> Sample<R> {
    /// Draws with `rng` at `temperature`.
    pub fn new(rng: R, temperature: Temperature) -> Self {
        Self { rng, temperature }
    }
}

impl Sample<crate::DefaultRng> {
    /// Draws with [`crate::DefaultRng`] seeded with `seed`.
    pub fn seeded(seed: u64, temperature: Temperature) -> Self {
        Self::new(rand_core::SeedableRng::from_seed(expand(seed)), temperature)
    }
}

/// First 128 bits of SplitMix64, bit-exact with `seed_from_u64` in less code.
fn expand(seed: u64) -> [u8; 16] {
    let word = |n: u64| {
        let z = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    bytemuck::must_cast([word(1), word(2)])
}

impl<R: Rng> SymbolSource for Sample<R> {
    type Error = core::convert::Infallible;

    fn temperature(&self) -> Temperature {
        self.temperature
    }

    fn next(&mut self, _: Position, distribution: &Distribution<'_>) -> Result<u8, Self::Error> {
        Ok(distribution.find(self.rng.next_u32() >> (32 - TOTAL_BITS)))
    }
}

/// Supplies the values of a given image.
#[derive(Clone, Copy, Debug)]
pub struct FromImage<'a> {
    values: &'a [u8],
    image: Image,
}

impl<'a> FromImage<'a> {
    /// Values of one image, `[C, H, W]`.
    pub const fn new(values: &'a [u8], image: Image) -> Self {
        Self { values, image }
    }
}

/// Completes an image: supplies its first rows as given and draws the others.
#[derive(Clone, Debug)]
pub struct Complete<'a, R> {
    given: FromImage<'a>,
    rows: usize,
    draw: Sample<R>,
}

impl<'a, R: Rng> Complete<'a, R> {
    /// Keeps the first `rows` rows of an image of the model's size, `[C, H, W]`; `draw` supplies the rows below.
    pub const fn new(values: &'a [u8], image: Image, rows: usize, draw: Sample<R>) -> Self {
        Self { given: FromImage::new(values, image), rows, draw }
    }
}

impl<R: Rng> SymbolSource for Complete<'_, R> {
    type Error = TooShort;

    fn temperature(&self) -> Temperature {
        self.draw.temperature()
    }

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, TooShort> {
        if at.row < self.rows {
            self.given.next(at, distribution)
        } else {
            self.draw.next(at, distribution).map_err(|never| match never {})
        }
    }
}

/// Supplies the most probable value at each position, the first of equals: the same image every time.
///
/// Greedy choice gives the likeliest value after those before it. The result need not be the likeliest image, and is rarely
/// a typical one: if most pixels are dark, all become dark. It shows the values that a model is certain of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Argmax;

impl SymbolSource for Argmax {
    type Error = core::convert::Infallible;

    fn next(&mut self, _: Position, distribution: &Distribution<'_>) -> Result<u8, Self::Error> {
        Ok(distribution.most_probable())
    }
}

/// Wraps a source and passes each prediction to a function before the source answers.
///
/// ```
/// use pixelrnn::{Engine, Argmax, Inspect};
///
/// # pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut state: digits::State = [0; digits::STATE_WORDS];
/// let mut engine = Engine::new(digits::model()?, &mut state)?;
/// let mut likeliest = 0;
/// let mut source = Inspect::new(Argmax, |_at, predicted| {
///     likeliest = predicted.frequency(predicted.most_probable());
/// });
/// engine.step(&mut source)?;
/// // The corner of a digit is black, nearly for certain.
/// assert!(likeliest > pixelrnn::TOTAL / 10 * 9);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Inspect<S, F> {
    source: S,
    watch: F,
}

impl<S: SymbolSource, F: FnMut(Position, &Distribution<'_>)> Inspect<S, F> {
    /// Takes values from `source` and passes each prediction to `watch`.
    pub const fn new(source: S, watch: F) -> Self {
        Self { source, watch }
    }
}

impl<S: SymbolSource, F: FnMut(Position, &Distribution<'_>)> SymbolSource for Inspect<S, F> {
    type Error = S::Error;

    fn temperature(&self) -> Temperature {
        self.source.temperature()
    }

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, S::Error> {
        (self.watch)(at, distribution);
        self.source.next(at, distribution)
    }
}

/// Error of an image with fewer values than the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooShort;

impl core::fmt::Display for TooShort {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the given image has fewer values than the model's")
    }
}

impl core::error::Error for TooShort {}

impl SymbolSource for FromImage<'_> {
    type Error = TooShort;

    fn next(&mut self, at: Position, _: &Distribution<'_>) -> Result<u8, TooShort> {
        let Image { height, width, .. } = self.image;
        self.values.get((at.channel * height + at.row) * width + at.column).copied().ok_or(TooShort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Portable;
    use rand_core::SeedableRng;

    const AT: Position = Position { row: 1, column: 2, channel: 0 };

    #[test]
    fn the_most_probable_value_is_the_first_of_the_largest() {
        for (logits, expected) in [([1, 5, 3], 1), ([7, -7, 7], 0), ([0, 0, 9 << 16], 2)] {
            let mut memory = logits.map(|logit: i32| logit as u32);
            let predicted = Distribution::softmax(&mut memory, Temperature::ONE, Portable);
            assert_eq!(Argmax.next(AT, &predicted), Ok(expected), "{logits:?}");
        }
    }

    #[test]
    fn a_watched_source_gives_what_the_source_gives() {
        let warm = Temperature::from_milli(1500).unwrap();
        let mut memory = [1 << 16, 3, 1 << 17];
        let predicted = Distribution::softmax(&mut memory, warm, Portable);
        let mut seen = 0;
        let (mut alone, mut calls) = (Sample::seeded(3, warm), 0);
        let mut watched = Inspect::new(alone.clone(), |at, distribution| {
            assert_eq!((at, distribution.levels()), (AT, 3));
            (seen, calls) = (distribution.frequency(2), calls + 1);
        });
        assert_eq!(watched.temperature(), warm);
        for _ in 0..20 {
            assert_eq!(watched.next(AT, &predicted), alone.next(AT, &predicted));
        }
        assert_eq!((seen, calls), (predicted.frequency(2), 20));
        let image = Image { height: 1, width: 1, channels: 1, levels: 3 };
        let mut short = Inspect::new(FromImage::new(&[], image), |_, _| ());
        assert_eq!(short.next(AT, &predicted), Err(TooShort), "errors are the source's");
    }

    #[test]
    fn seeds_are_expanded_as_the_generator_does_it() {
        for seed in [0, 1, 7, u64::MAX, 0x0123_4567_89ab_cdef] {
            let [mut own, mut theirs] =
                [crate::DefaultRng::from_seed(expand(seed)), crate::DefaultRng::seed_from_u64(seed)];
            assert_eq!([0; 4].map(|_| own.next_u32()), [0; 4].map(|_| theirs.next_u32()), "{seed}");
        }
    }
}
