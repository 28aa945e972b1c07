//! Draws an image of each model onto a display while it is made, and prints the checksum of what the display shows.
//!
//! The display is a framebuffer in RAM, of the size and colours of an SSD1306: no emulated board has one. On a real
//! board its driver takes the place of `DISPLAY.take()`; `docs/firmware.md` has a program.
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

/// Where the program begins.
#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "_start"))]
fn main() -> ! {
    let state = STATE.take();
    // A real display goes here. The crate `ssd1306` drives OLEDs of 128x64, with I2C and SPI, and `mipidsi` drives
    // colour displays with an ST7789, ILI9341 and others. They too are a `DrawTarget`, of `BinaryColor` and `Rgb565`.
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

/// Draws an image, and gives what it cost.
fn draw(entry: &Entry, state: &mut [u32], display: &mut Display) -> Result<u64, Failure> {
    let model = (entry.model)()?;
    let frame = Frame::fitted(model.image(), display);
    let mut engine = Engine::new(model, state)?;
    let mut source = Sample::seeded(SEED, Temperature::ONE);
    let Ok(()) = display.clear(BinaryColor::Off);
    engine.restart((model.classes() > 0).then_some(0))?;
    let mut cost = 0;
    // Between two pixels is the time for a watchdog, and after a row for a driver that wants a `flush`.
    while let Some(pixel) = frame.step(&mut engine, &mut source, display).map_err(of_engine)? {
        cost += pixel.cost.0;
    }
    Ok(cost)
}

/// A framebuffer takes every pixel.
fn of_engine(failure: display::Failure<Infallible, Infallible>) -> Failure {
    match failure {
        display::Failure::Engine(error) => Failure::Engine(error),
        display::Failure::Display { error, .. } => match error {},
    }
}
