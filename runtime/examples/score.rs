//! Scores images: the exact likelihood tells a digit from images that only resemble one.
//!
//! ```text
//! cargo run -p pixelrnn --example score
//! ```

use pixelrnn::{Cost, Engine, FromImage, Sample, StepError, Temperature, TooShort};
use std::error::Error;
use std::io::{Write, stdout};

pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");

fn score(engine: &mut Engine<'_, '_>, image: &[u8]) -> Result<Cost, StepError<TooShort>> {
    let shape = engine.model().image();
    let mut copy = [0; digits::VALUES];
    engine.run(None, &mut FromImage::new(image, shape), &mut copy)
}

pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let mut state: digits::State = [0; digits::STATE_WORDS];
    let mut engine = Engine::new(digits::model()?, &mut state)?;

    let mut digit = [0; digits::VALUES];
    engine.run(None, &mut Sample::seeded(7, Temperature::ONE), &mut digit)?;
    let mut mirrored = digit;
    mirrored.reverse();
    let mut speckled = digit;
    for value in speckled.iter_mut().step_by(50) {
        *value = 1 - *value;
    }
    let inverted = digit.map(|value| 1 - value);

    for (name, image) in
        [("digit", digit), ("turned by 180 degrees", mirrored), ("speckled", speckled), ("inverted", inverted)]
    {
        let cost = score(&mut engine, &image)?;
        writeln!(out, "{:7.1} nats, {:.3} bits per pixel: {name}", cost.nats(), cost.bits() / digits::VALUES as f64)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut stdout().lock())
}
