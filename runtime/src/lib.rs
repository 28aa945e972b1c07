//! Runs autoregressive image models (PixelCNN, Row LSTM, Diagonal BiLSTM) pixel by pixel, in static buffers, with integer
//! arithmetic that gives the same bytes on every machine.
//!
//! A trained model is one flat *blob*, made by the converter and read in place: [`Model`] checks it once, [`Engine`] walks
//! it. One image costs the work of one forward pass. There is no allocator, no global state, and nothing is copied out of
//! the blob. What happens to each predicted value is up to a [`SymbolSource`]: [`Sample`] samples, [`FromImage`] scores an image
//! that is there already, [`Complete`] does the one above and the other below.
//!
//! ```
//! use pixelrnn::{Sample, Engine, FromImage, Pixel, Temperature};
//!
//! // The blob is part of the program, and with it the size of the memory that it needs. Firmware has it made by `pixelrnn-build`.
//! pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = digits::model()?;
//! let shape = model.image();
//! let mut state: digits::State = [0; digits::STATE_WORDS];
//! let mut engine = Engine::new(model, &mut state)?;
//!
//! // Sample, one pixel a call.
//! let mut image = [0u8; digits::VALUES];
//! let mut source = Sample::seeded(7, Temperature::ONE);
//! engine.restart(None)?;
//! while let Some(pixel) = engine.step(&mut source)? {
//!     image[pixel.row * shape.width + pixel.column] = pixel.values[0];
//! }
//!
//! // Score: the exact likelihood of an image.
//! let mut copy = [0u8; digits::VALUES];
//! let cost = engine.run(None, &mut FromImage::new(&image, shape), &mut copy)?;
//! println!("{:.2} nats", cost.nats());
//! assert_eq!(image, copy);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `std` (default): for hosts. The fastest of [`kernels`] is chosen when the program runs, or the one that the environment
//!   variable `PIXELRNN_KERNEL` names.
//! - `lstm` (default): Row LSTM and Diagonal BiLSTM.
//! - `a16` (default): blobs of 16-bit activations.
//! - `float` (default): blobs of float weights, for parts with an FPU and for checking.
//!
//! A blob that needs a feature which is left out does not compile with [`include_model!`], and is
//! [`BlobError::Feature`] when it comes from anywhere else.
//!
//! Without them the crate is `no_std`, needs no allocator, and contains no float instruction but for [`Cost::nats`].
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(target_endian = "big")]
compile_error!("blobs are read in place and are little-endian");

pub mod arithmetic;
pub mod blob;
pub mod coder;
mod distribution;
mod exec;
pub mod fixed;
pub mod kernels;
pub mod network;
mod source;
pub mod target;

pub use blob::{BlobError, Model, Plan};
pub use distribution::{Distribution, TOTAL, TOTAL_BITS, Temperature};
#[cfg(feature = "std")]
pub use exec::batched;
pub use exec::{Cost, Engine, Observer, Pixel, Registers, SetupError, StepError};
pub use source::{Argmax, Complete, FromImage, Inspect, Position, Sample, SymbolSource, TooShort};

/// The random numbers of [`Sample::seeded`]: small, fast, and the same on every machine.
pub type DefaultRng = rand_xoshiro::Xoshiro128PlusPlus;
