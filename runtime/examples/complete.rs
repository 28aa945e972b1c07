//! Completes a digit: the upper half is given, and the model draws three lower halves.
//!
//! ```text
//! cargo run -p pixelrnn --example complete
//! ```

use pixelrnn::{Complete, Engine, Sample, Temperature};
use std::error::Error;
use std::io::{Write, stdout};

pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");

const COMPLETIONS: usize = 3;

pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let model = digits::model()?;
    let shape = model.image();
    let mut state: digits::State = [0; digits::STATE_WORDS];
    let mut engine = Engine::new(model, &mut state)?;

    let mut given = [0; digits::VALUES];
    engine.run(None, &mut Sample::seeded(3, Temperature::ONE), &mut given)?;

    // Only the first `rows` rows of `given` are read. The others may hold anything.
    let rows = shape.height / 2;
    let mut completions = [[0; digits::VALUES]; COMPLETIONS];
    for (seed, image) in (0..).zip(&mut completions) {
        let draw = Sample::seeded(seed, Temperature::ONE);
        engine.run(None, &mut Complete::new(&given, shape, rows, draw), image)?;
    }

    for row in 0..shape.height {
        for image in &completions {
            for value in image.iter().skip(row * shape.width).take(shape.width) {
                write!(out, "{}", if *value > 0 { '#' } else { '.' })?;
            }
            write!(out, "  ")?;
        }
        writeln!(out, "{}", if row < rows { "given" } else { "drawn" })?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut stdout().lock())
}
