//! Saves an unfinished image between two pixels and finishes it in another engine.
//!
//! ```text
//! cargo run -p pixelrnn --example save_resume
//! ```

use pixelrnn::kernels::Portable;
use pixelrnn::{DefaultRng, Engine, Plan, Sample, Temperature};
use std::error::Error;
use std::io::{Write, stdout};

pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");

/// All that an unfinished image needs, to be kept over a reset or sent to another machine.
struct Saved {
    state: digits::State,
    position: usize,
    source: Sample<DefaultRng>,
    image: [u8; digits::VALUES],
}

fn begin(pixels: usize) -> Result<Saved, Box<dyn Error>> {
    let mut state: digits::State = [0; digits::STATE_WORDS];
    let mut engine = Engine::new(digits::model()?, &mut state)?;
    let mut source = Sample::seeded(7, Temperature::ONE);
    let mut image = [0; digits::VALUES];
    for (value, pixel) in image.iter_mut().zip(engine.pixels(&mut source).take(pixels)) {
        *value = pixel?.values[0];
    }
    // The first pixels of a gray image in raster order are its first values.
    let (position, mut saved) = (engine.position(), [0; digits::STATE_WORDS]);
    saved.copy_from_slice(engine.state());
    Ok(Saved { state: saved, position, source, image })
}

fn finish(saved: Saved) -> Result<[u8; digits::VALUES], Box<dyn Error>> {
    let Saved { state, position, mut source, mut image } = saved;
    let mut other: digits::State = [0; digits::STATE_WORDS];
    // Any kernel continues the state of any other: all give the same bytes.
    let mut engine = Engine::with(digits::model()?, &mut other, Portable, Plan::Pixel)?;
    engine.state_mut().copy_from_slice(&state);
    engine.resume(None, position)?;
    for (value, pixel) in image.iter_mut().skip(position).zip(engine.pixels(&mut source)) {
        *value = pixel?.values[0];
    }
    Ok(image)
}

pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let whole = finish(begin(0)?)?;
    for pixels in [100, 300, digits::VALUES - 1] {
        let same = finish(begin(pixels)?)? == whole;
        writeln!(out, "saved after {pixels} pixels: {}", if same { "the same image" } else { "another image" })?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut stdout().lock())
}
