//! The symbol source of drawn images.
#![forbid(unsafe_code)]

use pixelrnn::network::Image;
use pixelrnn::{Argmax, DefaultRng, Distribution, FromImage, Position, Sample, SymbolSource, Temperature, TooShort};

use crate::error::Failure;

/// The way an image is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seed of the first image.
    pub seed: u64,
    /// Temperature in thousandths; 0 takes the likeliest values.
    pub milli: u32,
    /// Given rows, from the top.
    pub rows: usize,
}

impl Plan {
    /// The source of image `n`, whose first rows are those of `given`.
    ///
    /// # Errors
    /// The temperature or the number of rows is out of range.
    pub fn source<G: AsRef<[u8]>>(&self, n: usize, given: G, image: Image) -> Result<Draw<G>, Failure> {
        if self.rows > image.height {
            let what = format!("{} given rows, expected at most the image's {}", self.rows, image.height);
            return Err(Failure::new("argument", what));
        }
        let draw = if self.milli == 0 {
            None
        } else {
            let temperature = Temperature::from_milli(self.milli);
            let temperature =
                temperature.ok_or_else(|| Failure::new("argument", "the temperature is not between 0.01 and 100"))?;
            Some(Sample::seeded(self.seed.wrapping_add(n as u64), temperature))
        };
        Ok(Draw { given, image, rows: self.rows, draw })
    }
}

/// Source of an image whose first rows are given.
pub struct Draw<G> {
    given: G,
    image: Image,
    rows: usize,
    /// `None` takes the likeliest values.
    draw: Option<Sample<DefaultRng>>,
}

impl<G: AsRef<[u8]>> SymbolSource for Draw<G> {
    type Error = TooShort;

    fn temperature(&self) -> Temperature {
        self.draw.as_ref().map_or(Temperature::ONE, SymbolSource::temperature)
    }

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, TooShort> {
        if at.row < self.rows {
            return FromImage::new(self.given.as_ref(), self.image).next(at, distribution);
        }
        let Ok(value) = match &mut self.draw {
            Some(draw) => draw.next(at, distribution),
            None => Argmax.next(at, distribution),
        };
        Ok(value)
    }
}
