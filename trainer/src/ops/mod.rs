//! The ops of a network on tensors of Burn's, one a file.
//!
//! Each has two paths. The *fast* one keeps images as `[N, H, W, C]` and runs on the CPU back end alone; the *stock* one
//! keeps them as `[N, C, H, W]`, is made of Burn's own operations and runs on every back end.

mod cell;
#[cfg(feature = "flex")]
mod conv;
#[cfg(feature = "flex")]
mod conv_cpu;
mod diagonal_bilstm;
#[cfg(feature = "flex")]
mod geometry;
mod masked_conv;
mod row_lstm;
#[cfg(feature = "flex")]
mod scan;
#[cfg(feature = "flex")]
mod scan_cpu;

pub(crate) use cell::Initial;
pub(crate) use diagonal_bilstm::{DirectionTensors, diagonal_bilstm};
pub(crate) use masked_conv::{ConvTensors, Convolution, masked_conv};
pub(crate) use row_lstm::{RowTensors, row_lstm};

/// How the ops of a network are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Hand-written operations; the CPU back end alone.
    #[cfg(feature = "flex")]
    Fast,
    /// Burn's own operations; every back end.
    Stock,
}

/// What ops need to know of the batch.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub path: Path,
    /// The class of each image, `[N]`; in models with classes.
    pub labels: Option<burn::Tensor<1, burn::tensor::Int>>,
}
