//! Renders the display contents of `src/bin/display.rs` as a PNG: `cargo run --example display -- out.png`.
//!
//! The printed line equals the firmware's, with the same display checksum and the same cost.

use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::Size;
use embedded_graphics_simulator::{BinaryColorTheme, OutputSettingsBuilder, SimulatorDisplay};
use pixelrnn::blob::CRC32;
use pixelrnn::{Cost, Engine, Sample, Temperature};
use pixelrnn_firmware::display::Frame;
use pixelrnn_firmware::report::SEED;
use pixelrnn_firmware::{MODELS, STATE_WORDS};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: display OUT.png")?;
    let entry = MODELS.first().ok_or("no model")?;
    let model = (entry.model)()?;
    let mut state = [0; STATE_WORDS];
    let mut engine = Engine::new(model, &mut state)?;
    let mut source = Sample::seeded(SEED, Temperature::ONE);

    let mut display = SimulatorDisplay::<BinaryColor>::new(Size::new(128, 64));
    let frame = Frame::fitted(model.image(), &display);
    engine.restart((model.classes() > 0).then_some(0))?;
    let mut cost = Cost(0);
    while let Some(pixel) = frame.step(&mut engine, &mut source, &mut display)? {
        cost += pixel.cost;
    }

    let settings = OutputSettingsBuilder::new().theme(BinaryColorTheme::OledBlue).scale(4).pixel_spacing(1).build();
    display.to_rgb_output_image(&settings).save_png(path)?;
    println!("{} display={:08x} cost={}", entry.name, CRC32.checksum(&display.to_be_bytes()), cost.0);
    Ok(())
}
