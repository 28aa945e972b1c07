//! Draws one image using only `core` and writes its cost to standard output.
#![no_std]
#![no_main]

use core::panic::PanicInfo;
use pixelrnn::{Sample, Engine, Temperature};

#[cfg(feature = "alloc")]
extern crate alloc;

pixelrnn::include_model!(
    /// The model.
    mod golden = "../../golden/row_lstm_rgb_classes.prnn"
);

#[cfg(feature = "not-a-blob")]
pixelrnn::include_model!(
    /// An invalid blob.
    mod not_a_blob = "../Cargo.toml"
);

/// Values per image: `height * width * channels` of the model.
const VALUES: usize = 36;

// Only the C startup code and these functions are used.
#[link(name = "c")]
unsafe extern "C" {
    fn write(file: i32, bytes: *const u8, count: usize) -> isize;
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: takes no arguments and does not return.
    unsafe { abort() }
}

/// Unwind tables of `core` refer to this symbol. With `panic = "abort"` it is never called.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Cost of the image with seed 1 and label 1, as eight bytes.
fn draw() -> Option<[u8; 8]> {
    let mut state: golden::State = [0; golden::STATE_WORDS];
    let mut image = [0; VALUES];
    let mut engine = Engine::new(golden::model().ok()?, &mut state).ok()?;
    let cost = engine.run(Some(1), &mut Sample::seeded(1, Temperature::ONE), &mut image).ok()?;
    Some(cost.0.to_le_bytes())
}

/// Exit status 0 on success, otherwise 1.
#[unsafe(no_mangle)]
extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
    #[cfg(feature = "alloc")]
    core::hint::black_box(alloc::boxed::Box::new(1));

    let Some(cost) = draw() else { return 1 };
    // SAFETY: the pointer is valid for the given length.
    let written = unsafe { write(1, cost.as_ptr(), cost.len()) };
    i32::from(written != 8)
}
