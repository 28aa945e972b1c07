//! Training of pixelrnn's models.

pub mod error;
#[cfg(feature = "flex")]
mod kernels;
mod loss;
pub mod network;
mod ops;
mod parameters;
#[cfg(test)]
mod test_nets;
