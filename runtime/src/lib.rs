//! x
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(target_endian = "big")]
compile_error!("blobs are read in place and are little-endian");

pub mod blob;
mod distribution;
mod engine;
pub mod kernels;
pub mod model;
pub mod numbers;
mod source;

pub use blob::{BlobError, Model};
pub use distribution::{Distribution, TOTAL, TOTAL_BITS, Temperature};
pub use engine::{Engine, EngineError, Observer, Pixel, Registers};
pub use source::{Draw, Given, Position, SymbolSource, TooShort};

/// The random numbers of [`Draw::seeded`]: small, fast, and the same on every machine.
pub type DefaultRng = rand_xoshiro::Xoshiro128PlusPlus;
