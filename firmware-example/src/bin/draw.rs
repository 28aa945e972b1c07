//! Draws, completes and scores an image of each model, and prints what it drew and a line that is the same on every machine.
//! Then it tries blobs that are none, and the kernels.
#![no_std]
#![no_main]

use pixelrnn::kernels::Native;
use pixelrnn_firmware::{MODELS, STATE_WORDS, VALUES, bad_blobs, kernels, report};
use semihosting::{print, println, process};
use static_cell::ConstStaticCell;

static STATE: ConstStaticCell<[u32; STATE_WORDS]> = ConstStaticCell::new([0; STATE_WORDS]);
static IMAGE: ConstStaticCell<[u8; VALUES]> = ConstStaticCell::new([0; VALUES]);

/// The console of the machine that the probe, or the emulator, runs on.
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

/// Where the program begins.
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
    match kernels::check(Native::default()) {
        Ok(cases) => println!("kernels {cases} cases right"),
        Err(wrong) => {
            println!("kernels: {wrong:?}");
            process::exit(1);
        }
    }
    process::exit(0)
}
