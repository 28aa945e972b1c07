//! What holds between the crates of this workspace, and helpers to test it.
//!
//! The tests themselves stand in `tests/`, one topic a file. They compare implementations that know nothing of each other:
//!
//! - the integer engine of the `pixelrnn` crate with [`integer_model`], which was written from `docs/blob-format.md`
//!   alone;
//! - the converter's float reference with the [`fixtures`], which an independent NumPy program made;
//! - the engine with itself: in a dirty buffer, beside another engine, without `std`, on another day.

pub mod bad_files;
#[cfg(doctest)]
mod book;
pub mod cargo;
#[cfg(unix)]
pub mod device;
pub mod fixtures;
pub mod golden;
pub mod integer_model;
pub mod late;
pub mod lossy;
pub mod machines;
pub mod models;
pub mod mutate;
pub mod nonsense;
pub mod npy;
pub mod program;
pub mod project;
pub mod random;
pub mod targets;
pub mod walk;
