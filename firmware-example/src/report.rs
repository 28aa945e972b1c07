//! Samples, completes and scores an image of each model, and says what came out.

use crate::Entry;
use core::convert::Infallible;
use core::fmt::{self, Write};
use pixelrnn::blob::CRC32;
use pixelrnn::{
    BlobError, Complete, Engine, FromImage, Model, Sample, SetupError, StepError, SymbolSource, Temperature, TooShort,
};

/// The seed of what the report draws.
pub const SEED: u64 = 7;

/// What did not go well.
#[derive(Debug)]
pub enum Failure {
    /// The blob is no model.
    Blob(BlobError),
    /// The engine does not run, or stopped while it drew.
    Engine(StepError<Infallible>),
    /// The engine stopped at values of an image.
    FromImage(StepError<TooShort>),
    /// The image is larger than the memory for it.
    Image,
    /// The report could not be written.
    Write,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::FromImage(error) => error.fmt(f),
            Self::Image => f.write_str("the image is larger than the memory for it"),
            Self::Write => f.write_str("the report could not be written"),
        }
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        Self::Blob(error)
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<StepError<Infallible>> for Failure {
    fn from(error: StepError<Infallible>) -> Self {
        Self::Engine(error)
    }
}

impl From<StepError<TooShort>> for Failure {
    fn from(error: StepError<TooShort>) -> Self {
        Self::FromImage(error)
    }
}

impl From<fmt::Error> for Failure {
    fn from(_: fmt::Error) -> Self {
        Self::Write
    }
}

/// A checksum of values and costs, the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// CRC-32 of the values that were drawn, then of those that were completed.
    pub crc: u32,
    /// Sum of the costs of drawing, scoring and completing, in units of 2⁻²⁴ bit.
    pub cost: u64,
}

/// Draws an image, scores it, keeps its upper half and completes that anew.
///
/// `image` has room for one image, `state` for the model's.
///
/// # Errors
/// See [`Failure`].
pub fn outcome(model: Model<'_>, state: &mut [u32], image: &mut [u8]) -> Result<Outcome, Failure> {
    let shape = model.image();
    let image = image.get_mut(..shape.values()).ok_or(Failure::Image)?;
    let label = (model.classes() > 0).then_some(0);
    let mut engine = Engine::new(model, state)?;
    let mut digest = CRC32.digest();
    let drawn = engine.run(label, &mut Sample::seeded(SEED, Temperature::ONE), image)?;
    digest.update(image);
    let scored = walk(&mut engine, label, &mut FromImage::new(image, shape))?;
    let draw = Sample::seeded(SEED + 1, Temperature::ONE);
    engine.restart(label)?;
    let mut completed = 0;
    let mut source = Complete::new(image, shape, shape.height / 2, draw);
    while let Some(pixel) = engine.step(&mut source)? {
        digest.update(pixel.values.get(..shape.channels).unwrap_or_default());
        completed += pixel.cost.0;
    }
    Ok(Outcome { crc: digest.finalize(), cost: drawn.0 + scored + completed })
}

/// The cost of an image whose values come from `source`, in units of 2⁻²⁴ bit.
///
/// # Errors
/// [`Failure::Engine`] and [`Failure::FromImage`].
pub fn walk<S: SymbolSource<Error = TooShort>>(
    engine: &mut Engine<'_, '_>,
    label: Option<usize>,
    source: &mut S,
) -> Result<u64, Failure> {
    engine.restart(label)?;
    let mut cost = 0;
    while let Some(pixel) = engine.step(source)? {
        cost += pixel.cost.0;
    }
    Ok(cost)
}

/// One line on a model, `NAME crc=… cost=…`, and the image that it drew.
///
/// # Errors
/// See [`Failure`].
pub fn print(entry: &Entry, state: &mut [u32], image: &mut [u8], out: &mut impl Write) -> Result<(), Failure> {
    let model = (entry.model)()?;
    let outcome = outcome(model, state, image)?;
    picture(model, image, out)?;
    let Outcome { crc, cost } = outcome;
    writeln!(out, "{} crc={crc:08x} cost={cost}", entry.name)?;
    Ok(())
}

/// The image as text, two columns a pixel; of a colour image, the mean of its channels.
fn picture(model: Model<'_>, image: &[u8], out: &mut impl Write) -> fmt::Result {
    const SHADES: &[u8] = b" .:-=+*#%@";
    let shape = model.image();
    let plane = shape.height * shape.width;
    for row in 0..shape.height {
        for column in 0..shape.width {
            let at = row * shape.width + column;
            let sum: usize = image.iter().skip(at).step_by(plane).take(shape.channels).map(|&v| usize::from(v)).sum();
            let shade = sum * (SHADES.len() - 1) / (shape.channels * (shape.levels - 1));
            let shade = char::from(SHADES.get(shade).copied().unwrap_or(b'@'));
            out.write_char(shade)?;
            out.write_char(shade)?;
        }
        out.write_char('\n')?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Failure, outcome};

    pixelrnn::include_model!(
        /// With classes.
        mod classes = "../../tests/golden/row_lstm_rgb_classes.prnn"
    );

    #[test]
    fn a_failure_says_what_the_engine_said() {
        let model = classes::model().unwrap();
        let mut image = [0; classes::VALUES];
        let failure = outcome(model, &mut [0; 2], &mut image).unwrap_err();
        let expected = format!("the buffer has 2 words, the model needs {}", classes::STATE_WORDS);
        assert!(matches!(failure, Failure::Engine(_)) && failure.to_string() == expected, "{failure}");
    }
}
