//! Samples, completes and scores an image of each model. Prints the image and a line that is identical on every
//! machine. Then checks that damaged blobs are rejected, and verifies the kernels.
#![no_std]
#![no_main]

use pixelrnn::kernels::Native;
use pixelrnn_firmware::kernels::{self, Size};
use pixelrnn_firmware::{MODELS, STATE_WORDS, VALUES, bad_blobs, report};
use semihosting::{print, println, process};
use static_cell::ConstStaticCell;

static STATE: ConstStaticCell<[u32; STATE_WORDS]> = ConstStaticCell::new([0; STATE_WORDS]);
static IMAGE: ConstStaticCell<[u8; VALUES]> = ConstStaticCell::new([0; VALUES]);

/// Semihosting console of the debug probe's or emulator's host.
struct Console;

impl core::fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        print!("{text}");
        Ok(())
    }
}

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
    let (state, image) = (STATE.take(), IMAGE.take());
    for entry in MODELS {
        if let Err(failure) = report::print(entry, state, image, &mut Console) {
            println!("{}: {failure}", entry.name);
            process::exit(1);
        }
    }
    if bad_blobs::print(&mut Console).is_err() {
        process::exit(1);
    }
    match kernels::check(Native::default(), Size::TARGET) {
        Ok(cases) => println!("kernels {cases} cases right"),
        Err(wrong) => {
            println!("kernels: {wrong:?}");
            process::exit(1);
        }
    }
    process::exit(0)
}
