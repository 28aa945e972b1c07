//! Training of pixelrnn's models.

pub mod back_end;
mod checkpoint;
pub mod cli;
pub mod data;
pub mod error;
#[cfg(feature = "flex")]
mod kernels;
mod loss;
pub mod network;
mod ops;
pub mod optimizer;
pub mod parameters;
pub mod recipe;
pub mod run;
mod sample;
pub mod schedule;
#[cfg(test)]
mod test_nets;
mod trainer;

pub use error::Error;
pub use ops::Path;
