//! Compresses a digit without loss and decompresses it.
//!
//! ```text
//! cargo run -p pixelrnn --example compress
//! ```

use pixelrnn::coder::{Decode, Decoder, Encode, Encoder, StdIo};
use pixelrnn::{Engine, Sample, Temperature};
use std::error::Error;
use std::io::{Read, Write, stdout};

pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");

/// Writes `image` to any stream, such as a file in a `BufWriter`. Returns the stream.
fn compress<W: Write>(engine: &mut Engine<'_, '_>, image: &[u8], to: W) -> Result<W, Box<dyn Error>> {
    let shape = engine.model().image();
    let mut encoder = Encoder::new(StdIo(to));
    let mut copy = [0; digits::VALUES];
    engine.run(None, &mut Encode::new(image, shape, &mut encoder), &mut copy)?;
    Ok(encoder.finish()?.0)
}

/// Reads an image back. The stream has no checksum: another model or a damaged stream can give another image.
fn decompress(engine: &mut Engine<'_, '_>, from: impl Read) -> Result<[u8; digits::VALUES], Box<dyn Error>> {
    let mut image = [0; digits::VALUES];
    let mut decoder = Decoder::new(StdIo(from))?;
    engine.run(None, &mut Decode::new(&mut decoder), &mut image)?;
    Ok(image)
}

pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let mut state: digits::State = [0; digits::STATE_WORDS];
    let mut engine = Engine::new(digits::model()?, &mut state)?;

    for seed in 0..4 {
        let mut image = [0; digits::VALUES];
        let cost = engine.run(None, &mut Sample::seeded(seed, Temperature::ONE), &mut image)?;
        let stream = compress(&mut engine, &image, Vec::new())?;
        if decompress(&mut engine, &stream[..])? != image {
            return Err("the image changed".into());
        }
        let (got, least) = (stream.len(), cost.bits() / 8.0);
        writeln!(out, "digit {seed}: {} pixels, {got} bytes; its likelihood is worth {least:.2}", image.len())?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut stdout().lock())
}
