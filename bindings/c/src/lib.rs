//! C interface of the engine in [`runtime`]. `include/pixelrnn.h` is made from these sources by cbindgen.
//!
//! Every function checks the pointers that it is given: null, misaligned and too short are errors with a code. Nothing is
//! allocated, there is no global state, and no panic is reachable; `release` proves it of each archive that it builds.
#![no_std]

mod bytes;
mod container;
mod detail;
mod engine;
mod memory;
mod model;
mod source;
mod status;
mod stream;

pub use bytes::{pixelrnn_get, pixelrnn_put};
pub use container::{pixelrnn_compress, pixelrnn_decompress};
pub use detail::pixelrnn_detail;
pub use engine::*;
pub use model::{pixelrnn_model, pixelrnn_model_check};
pub use source::*;
pub use status::*;
pub use stream::*;

/// No panic is reachable: `release` links every function of an archive and fails if this one is among what remains.
#[cfg(feature = "archive")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
