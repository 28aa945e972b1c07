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
#[cfg(feature = "wgpu")]
use burn::prelude::Device;
use burn::tensor::DType;
use burn_cubecl::cubecl::prelude::{Const, Vector};
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::tensor::CubeTensor;

pub(crate) use conv::{Conv, Sums, SumsMetadata, convolve, weight_gradient};
pub(crate) use scan::{Sizes, States, StatesMetadata, scan, scan_gradient, tables};

/// Launches that are handed to a GPU together: few enough that it has some to work on while the others are prepared.
#[cfg(feature = "wgpu")]
const LAUNCHES: usize = 16;

/// Settles how launches are handed to `device`, which must not be in use yet.
#[cfg(feature = "wgpu")]
pub(crate) fn prepare(device: &Device) {
    use burn::backend::DispatchDevice;
    use burn_cubecl::CubeDevice;
    use burn_cubecl::cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, try_init_setup};
    if let DispatchDevice::Cube(CubeDevice::Wgpu(device)) = device.as_dispatch()
        && let Ok(options) = RuntimeOptions::with_tasks_max(Some(LAUNCHES))
    {
        // Where this fails, the device is in use already, or will fail with a better sentence when it is used.
        let _ = try_init_setup::<AutoGraphicsApi>(device, options);
    }
}

/// Four features, or the four gates of one.
type Quad = Vector<f32, Const<4>>;

/// A tensor that is to be filled, beside `like`.
fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_of(like, shape, like.dtype)
}

/// As above, of numbers of another sort.
fn empty_of<const D: usize>(like: &CubeTensor, shape: [usize; D], dtype: DType) -> CubeTensor {
    empty_device_dtype(like.client.clone(), like.device.clone(), shape.into(), dtype)
}

/// How many of `count` factors are read before they are used, so that reading one does not wait for another.
fn at_once(count: usize) -> usize {
    [8, 4, 2].into_iter().find(|&n| count.is_multiple_of(n)).unwrap_or(1)
}

/// How many images a tensor has.
fn images(x: &CubeTensor) -> usize {
    x.shape()[0]
}
