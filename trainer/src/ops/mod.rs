//! The ops of a network on tensors of Burn's, one a file.
//!
//! Each has three paths. The *fast* one keeps images as `[N, H, W, C]` and runs on the CPU back end alone; the *GPU* one keeps them as
//! `[N, C, H, W]` and runs on GPUs of this machine; the *stock* one keeps them so too, is made of Burn's own operations and runs on every
//! back end.

mod activation;
mod cell;
#[cfg(feature = "flex")]
mod conv;
#[cfg(feature = "flex")]
mod conv_cpu;
#[cfg(feature = "gpu")]
mod conv_gpu;
mod diagonal_bilstm;
#[cfg(feature = "flex")]
mod geometry;
mod masked_conv;
mod row_lstm;
#[cfg(feature = "flex")]
mod scan;
#[cfg(feature = "flex")]
mod scan_cpu;
#[cfg(feature = "gpu")]
mod scan_gpu;

use crate::plan::Plan;
use burn::prelude::Tensor;
use std::sync::Arc;

pub(crate) use activation::activation;
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
    /// Hand-written operations as well; GPUs of this machine.
    #[cfg(feature = "gpu")]
    Gpu,
    /// Burn's own operations; every back end.
    Stock,
}

impl Path {
    /// Whether it is the one of the CPU back end, whose images are `[N, H, W, C]` and not `[N, C, H, W]`.
    pub(crate) fn is_fast(self) -> bool {
        match self {
            #[cfg(feature = "flex")]
            Self::Fast => true,
            #[allow(unreachable_patterns)] // where the processor is all there is
            _ => false,
        }
    }

    /// The dimension of an image's rows; that of its columns is the next one.
    fn rows(self) -> usize {
        if self.is_fast() { 1 } else { 2 }
    }

    /// The hand-written scan of an LSTM, where there is one.
    fn lstm_scan(self) -> Option<LstmScan> {
        match self {
            #[cfg(feature = "flex")]
            Self::Fast => Some(scan::lstm_scan),
            #[cfg(feature = "gpu")]
            Self::Gpu => Some(scan_gpu::lstm_scan),
            Self::Stock => None,
        }
    }
}

/// Scans gates with the state-to-state weights, the initial `h` and `c`, and a plan.
type LstmScan = fn(Tensor<4>, Tensor<4>, Tensor<2>, Tensor<2>, Arc<Plan>) -> Tensor<4>;

/// What ops need to know of the batch.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub path: Path,
    /// The class of each image, `[N]`; in models with classes.
    pub labels: Option<Tensor<1, burn::tensor::Int>>,
}
