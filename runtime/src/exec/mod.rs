//! The executors of a blob: [`streaming`] takes one pixel a call in static buffers, [`batched`] many columns at once with packed weights.
//!
//! Both give the same bytes. They share the prediction of a value ([`pixel`]), the arithmetic and the kernels.
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
pub mod batched;
mod error;
mod pixel;
mod split;
mod streaming;

pub use error::{SetupError, StepError};
#[cfg(feature = "std")]
pub(crate) use pixel::check_label;
pub use pixel::{Cost, Pixel};
pub use streaming::{Engine, Observer, Pixels, Registers};
