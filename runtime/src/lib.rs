//! Autoregressive image models on microcontrollers and edge CPUs: PixelCNN, Row LSTM and Diagonal BiLSTM (arXiv 1601.06759).
//!
//! A trained model is one flat *blob*, written by the converter and read in place. [`Model`] checks it once, [`Engine`] computes one
//! pixel a call in a static buffer, and one image costs one forward pass. There is no allocator and no global state. All arithmetic
//! is integer, so the same blob, seed and input give the same bytes on every machine. A [`SymbolSource`] decides the use:
//!
//! | use | source | result |
//! |---|---|---|
//! | sample | [`Sample`], [`Argmax`] | an image |
//! | complete | [`Complete`] | an image whose first rows are given |
//! | score | [`FromImage`] | the exact likelihood, a [`Cost`] |
//! | compress, decompress | [`coder::Encode`], [`coder::Decode`] | a byte stream, the image |
//!
//! ```
//! use pixelrnn::{Engine, FromImage, Sample, Temperature};
//!
//! // The blob is part of the program; its state buffer is sized at compile time. Firmware gets the blob from `pixelrnn-build`.
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
//! for pixel in engine.pixels(&mut Sample::seeded(7, Temperature::ONE)) {
//!     let pixel = pixel?;
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
//! # Layers
//!
//! Each layer imports only those below it.
//!
//! ```text
//!        coder             entropy coder, compressed files
//!          |
//!        exec              streaming: Engine, one pixel a call      batched: PackedModel, Batch, Scorer (hosts)
//!          |
//!   source, distribution   where the next value comes from; softmax in integers
//!          |
//!      arithmetic          int8, int8 with 16-bit activations, float behind one trait
//!          |
//!       kernels            inner loops: portable, AVX2, AVX-512 VNNI, NEON, SIMD128, Cortex-M DSP and MVE
//!          |
//!         blob             header, records, check, Model
//!          |
//!   network, fixed         ops, masks, tap geometry, presets; requantization, exp2, log2, LSTM cell
//! ```
//!
//! # Features
//!
//! - `std` (default): run-time detection of the processor's instructions (or the kernel named by the environment variable
//!   `PIXELRNN_KERNEL`, see [`kernels`]), the module [`batched`], and `coder::StdIo`.
//! - `lstm` (default): Row LSTM and Diagonal BiLSTM.
//! - `graph` (default): networks as graphs, such as the gated PixelCNN.
//! - `a16` (default): blobs with 16-bit activations.
//! - `float` (default): blobs with float weights, for parts with an FPU and for checks.
//! - `embedded-io`: `coder::EmbeddedIo`, byte streams as sinks and sources of compressed data.
//! - `defmt`: `defmt::Format` for errors, pixels, positions and costs.
//!
//! Without its default features the crate is `no_std` and contains no float instruction but for [`Cost::bits`] and [`Cost::nats`]. A
//! blob that needs a missing feature does not compile with [`include_model!`]; at run time it gives [`BlobError::Feature`].
//!
//! The minimum supported Rust version is 1.90. Items hidden from this documentation serve the converter and the tests, and may
//! change in any release.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(target_endian = "big")]
compile_error!("blobs are read in place and are little-endian");

#[doc(hidden)]
pub mod arithmetic;
pub mod blob;
pub mod coder;
mod distribution;
mod exec;
#[doc(hidden)]
pub mod fixed;
pub mod kernels;
pub mod network;
mod source;
pub mod target;

pub use blob::{BlobError, Model, Plan, SizeError};
pub use distribution::{Distribution, TOTAL, TOTAL_BITS, Temperature};
#[cfg(feature = "std")]
pub use exec::batched;
pub use exec::{Cost, Engine, Observer, Pixel, Pixels, Registers, SetupError, StepError};
pub use source::{Argmax, Complete, FromImage, Inspect, Position, Sample, SymbolSource, TooShort};

/// The random numbers of [`Sample::seeded`]: small, fast, and the same on every machine.
pub type DefaultRng = rand_xoshiro::Xoshiro128PlusPlus;

/// Public dependencies, re-exported so that a program can name the same versions: buffers of [`coder::container`], and random number
/// generators for [`Sample::new`].
pub use {heapless, rand_core};
