//! Training of pixelrnn's models.

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
pub mod schedule;
#[cfg(test)]
mod test_nets;
pub mod trainer;

pub use error::Error;
pub use ops::Path;
