//! Ops of a network on Burn tensors, one per file.
//!
//! Each op has three paths. The *fast* path stores images as `[N, H, W, C]` and runs only on the CPU back end. The
//! *GPU* path stores them as `[N, C, H, W]` and runs on local GPUs. The *stock* path uses the same layout, consists of
//! Burn's own operations, and runs on every back end.

mod activation;
mod cell;
mod class_bias;
#[cfg(feature = "flex")]
mod conv;
#[cfg(feature = "flex")]
mod conv_cpu;
#[cfg(feature = "gpu")]
mod conv_gpu;
mod convolution;
mod diagonal_bilstm;
mod embed;
mod gate;
#[cfg(feature = "flex")]
mod gate_cpu;
#[cfg(feature = "flex")]
mod geometry;
mod ones;
mod row_lstm;
#[cfg(feature = "flex")]
mod scan;
#[cfg(feature = "flex")]
mod scan_cpu;
#[cfg(feature = "gpu")]
mod scan_gpu;
mod shift;

use crate::plan::Plan;
use burn::prelude::*;
use std::sync::Arc;

pub(crate) use activation::activation;
pub(crate) use cell::Initial;
pub(crate) use class_bias::class_bias;
pub(crate) use convolution::{ConvTensors, Convolution, convolve};
pub(crate) use diagonal_bilstm::{DirectionTensors, diagonal_bilstm};
pub(crate) use embed::embed;
pub(crate) use gate::{Gated, gate};
pub(crate) use ones::ones;
pub(crate) use row_lstm::{RowTensors, row_lstm};
pub(crate) use shift::shift;

/// Implementation of the ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Custom operations, only on the CPU back end.
    #[cfg(feature = "flex")]
    Fast,
    /// Custom operations on local GPUs.
    #[cfg(feature = "gpu")]
    Gpu,
    /// Burn's own operations, on every back end.
    Stock,
}

impl Path {
    /// True for the CPU path, whose images are `[N, H, W, C]` instead of `[N, C, H, W]`.
    pub(crate) fn is_fast(self) -> bool {
        match self {
            #[cfg(feature = "flex")]
            Self::Fast => true,
            #[allow(unreachable_patterns)] // unreachable in CPU-only builds
            _ => false,
        }
    }

    /// Dimension of the features.
    pub(crate) fn features(self) -> usize {
        if self.is_fast() { 3 } else { 1 }
    }

    /// Dimension of the image rows. Columns are the next dimension.
    fn rows(self) -> usize {
        if self.is_fast() { 1 } else { 2 }
    }

    /// Custom LSTM scan, if this path has one.
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

/// Scans gates, given the state-to-state weights, the initial `h` and `c`, and a plan.
type LstmScan = fn(Tensor<4>, Tensor<4>, Tensor<2>, Tensor<2>, Arc<Plan>) -> Tensor<4>;

/// Properties of the batch needed by ops.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub path: Path,
    /// Class of each image, `[N]`, for class-conditional models.
    pub labels: Option<Tensor<1, Int>>,
    /// Levels of the images, `[N, H, W, channels]`.
    pub levels: Tensor<4>,
}
