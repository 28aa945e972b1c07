//! Samples, completes and scores an image of each model, and prints the result.

use crate::Entry;
use core::convert::Infallible;
use core::fmt::{self, Write};
use pixelrnn::blob::CRC32;
use pixelrnn::{
    BlobError, Complete, Engine, FromImage, Model, Sample, SetupError, StepError, SymbolSource, Temperature, TooShort,
};

/// Seed for sampling.
pub const SEED: u64 = 7;

/// Reason why a report failed.
#[derive(Debug)]
pub enum Failure {
    /// The blob is not a valid model.
    Blob(BlobError),
    /// The engine does not run, or stopped while it drew.
    Engine(StepError<Infallible>),
    /// The engine stopped at values of an image.
    FromImage(StepError<TooShort>),
    /// The image is larger than the memory for it.
    Image,
    /// The output rejected the report.
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

/// Checksum of values and costs, identical on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// CRC-32 of the sampled values followed by the completed values.
    pub crc: u32,
    /// Total cost of sampling, scoring and completing, in units of 2⁻²⁴ bit.
    pub cost: u64,
}

/// Samples an image, scores it, then completes it from its upper half.
///
/// `image` must hold one image and `state` the model's state.
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
    let scored = total_cost(&mut engine, label, &mut FromImage::new(image, shape))?;
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

/// Total cost of an image with values from `source`, in units of 2⁻²⁴ bit.
///
/// # Errors
/// Returns [`Failure::Engine`] or [`Failure::FromImage`].
pub fn total_cost<S: SymbolSource<Error = TooShort>>(
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

/// Prints the sampled image and one line, `NAME crc=… cost=…`.
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

/// Prints the image as text, two characters per pixel. Colour images are shown as the mean of their channels.
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
        /// Class-conditional.
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
