//! Draws a digit one pixel a call and prints each row when it is complete.
//!
//! ```text
//! cargo run -p pixelrnn --example sample
//! ```

use pixelrnn::{Cost, Engine, Sample, Temperature};
use std::error::Error;
use std::io::{Write, stdout};

pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");

pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    // Firmware puts the state buffer into a `static`; its size is a constant of the model.
    let mut state: digits::State = [0; digits::STATE_WORDS];
    let mut engine = Engine::new(digits::model()?, &mut state)?;
    let width = engine.model().image().width;

    // Below 1, a temperature makes likely values likelier: cleaner digits, and fewer kinds of them.
    let temperature = Temperature::from_milli(900).ok_or("temperature out of range")?;
    let mut source = Sample::seeded(7, temperature);
    let mut cost = Cost::default();
    while let Some(pixel) = engine.step(&mut source)? {
        write!(out, "{}", if pixel.values[0] > 0 { "##" } else { ".." })?;
        if pixel.column + 1 == width {
            writeln!(out)?;
        }
        cost += pixel.cost;
    }
    writeln!(out, "{} bytes of state; this digit costs {:.1} bits", size_of::<digits::State>(), cost.bits())?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut stdout().lock())
}
