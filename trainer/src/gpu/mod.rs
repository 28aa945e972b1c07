//! Kernels of the GPU path, which Burn's compiler makes into programs for the GPU at hand.
//!
//! These networks have few features: with stock operations a step of training is a thousand launches or, with LSTMs, many thousands, which
//! take longer than what they compute. So a masked convolution is one launch here and its backward pass two, and an LSTM's scan over an
//! image is one launch and one backwards.
//!
//! Images lie as `[N, features, pixels]`. Sums are made in 32 bits, whatever the tensors have.

mod conv;
mod scan;

use burn::backend::TensorMetadata;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;

pub(crate) use conv::{Conv, convolve, weight_gradient};
pub(crate) use scan::{Sizes, States, StatesMetadata, scan, scan_gradient, tables};

/// A tensor that is to be filled, beside `like`.
fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_device_dtype(like.client.clone(), like.device.clone(), shape.into(), like.dtype)
}

/// How many of `count` factors are read before they are used, so that reading one does not wait for another.
fn at_once(count: usize) -> usize {
    [8, 4, 2].into_iter().find(|&n| count.is_multiple_of(n)).unwrap_or(1)
}

/// How many images a tensor has.
fn images(x: &CubeTensor) -> usize {
    x.shape()[0]
}
