//! Draws an image of each model onto a display while it is generated, and prints a checksum of the display contents.
//!
//! The display is a framebuffer in RAM with the size and colours of an SSD1306, since no emulated board has a display.
//! On real hardware the display driver replaces `DISPLAY.take()`; see `docs/firmware.md` for a complete program.
#![no_std]
#![no_main]

use core::convert::Infallible;
use embedded_graphics::framebuffer::{Framebuffer, buffer_size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::pixelcolor::raw::{LittleEndian, RawU1};
use embedded_graphics::prelude::DrawTarget;
use pixelrnn::blob::CRC32;
use pixelrnn::{Engine, Sample, Temperature};
use pixelrnn_firmware::display::{self, Frame};
use pixelrnn_firmware::report::{Failure, SEED};
use pixelrnn_firmware::{Entry, MODELS, STATE_WORDS};
use semihosting::{println, process};
use static_cell::ConstStaticCell;

const WIDTH: usize = 128;
const HEIGHT: usize = 64;

type Display =
    Framebuffer<BinaryColor, RawU1, LittleEndian, WIDTH, HEIGHT, { buffer_size::<BinaryColor>(WIDTH, HEIGHT) }>;

static STATE: ConstStaticCell<[u32; STATE_WORDS]> = ConstStaticCell::new([0; STATE_WORDS]);
static DISPLAY: ConstStaticCell<Display> = ConstStaticCell::new(Display::new());

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    process::exit(101)
}

/// Entry point.
#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "_start"))]
fn main() -> ! {
    let state = STATE.take();
    // Replace with a real display. The crate `ssd1306` drives 128x64 OLEDs over I2C and SPI, and `mipidsi` drives
    // colour displays with an ST7789, ILI9341 and others. Both implement `DrawTarget`, with `BinaryColor` and `Rgb565`
    // respectively.
    let display = DISPLAY.take();
    for entry in MODELS {
        match draw(entry, state, display) {
            Ok(cost) => println!("{} display={:08x} cost={cost}", entry.name, CRC32.checksum(display.data())),
            Err(failure) => {
                println!("{}: {failure}", entry.name);
                process::exit(1);
            }
        }
    }
    process::exit(0)
}

/// Draws an image and returns its cost.
fn draw(entry: &Entry, state: &mut [u32], display: &mut Display) -> Result<u64, Failure> {
    let model = (entry.model)()?;
    let frame = Frame::fitted(model.image(), display);
    let mut engine = Engine::new(model, state)?;
    let mut source = Sample::seeded(SEED, Temperature::ONE);
    let Ok(()) = display.clear(BinaryColor::Off);
    engine.restart((model.classes() > 0).then_some(0))?;
    let mut cost = 0;
    // Feed a watchdog between two pixels. Drivers with a `flush` can flush after each row.
    while let Some(pixel) = frame.step(&mut engine, &mut source, display).map_err(of_engine)? {
        cost += pixel.cost.0;
    }
    Ok(cost)
}

/// Converts the error. A framebuffer accepts every pixel.
fn of_engine(failure: display::Failure<Infallible, Infallible>) -> Failure {
    match failure {
        display::Failure::Engine(error) => Failure::Engine(error),
        display::Failure::Display { error, .. } => match error {},
    }
}
