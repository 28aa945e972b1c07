//! Draws one image with nothing but `core` and writes its cost to standard output.
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
    /// A file that is no blob.
    mod not_a_blob = "../Cargo.toml"
);

/// Values of an image, as many as the model's `height * width * channels`.
const VALUES: usize = 36;

// What starts `main` is the C library's; nothing else of it is used but these.
#[link(name = "c")]
unsafe extern "C" {
    fn write(file: i32, bytes: *const u8, count: usize) -> isize;
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: it takes nothing and does not come back.
    unsafe { abort() }
}

/// `core` is compiled for unwinding and names this in its tables; with `panic = "abort"` nobody calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The cost of the image with seed 1 and label 1, as eight bytes.
fn draw() -> Option<[u8; 8]> {
    let mut state: golden::State = [0; golden::STATE_WORDS];
    let mut image = [0; VALUES];
    let mut engine = Engine::new(golden::model().ok()?, &mut state).ok()?;
    let cost = engine.run(Some(1), &mut Sample::seeded(1, Temperature::ONE), &mut image).ok()?;
    Some(cost.0.to_le_bytes())
}

/// Exit status 0, or 1 where anything went wrong.
#[unsafe(no_mangle)]
extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
    #[cfg(feature = "alloc")]
    core::hint::black_box(alloc::boxed::Box::new(1));

    let Some(cost) = draw() else { return 1 };
    // SAFETY: the bytes are as many as it is told.
    let written = unsafe { write(1, cost.as_ptr(), cost.len()) };
    i32::from(written != 8)
}
