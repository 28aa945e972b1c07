//! GPU kernels, written in CubeCL and compiled for the GPU at run time.
//!
//! These networks have few features. With stock operations a training step needs a thousand launches, or many thousands
//! with LSTMs, and launch overhead exceeds the computing time. Here a convolution takes one launch forward and
//! three backward, and an LSTM's scan over an image one launch in each direction.
//!
//! Images are stored as `[N, features, pixels]`. Accumulation uses 32 bits for every tensor type.

// `cube` requires this style: a whole kernel in one function, separate `if`s for compile-time conditions, and the
// number type as a parameter.
#![allow(clippy::collapsible_if, clippy::too_many_arguments, clippy::too_many_lines, clippy::used_underscore_binding)]

mod conv;
mod scan;

use burn::backend::TensorMetadata;
#[cfg(feature = "wgpu")]
use burn::prelude::Device;
use burn::tensor::DType;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

pub(crate) use conv::{Conv, Sums, SumsMetadata, convolve, weight_gradient};
pub(crate) use scan::{Scanned, ScannedMetadata, Sizes, scan, scan_gradient, tables};

/// Launches submitted together. Small enough that the GPU works on some while others are prepared.
#[cfg(feature = "wgpu")]
const LAUNCHES: usize = 16;

/// Configures the submission of launches to `device`. Has no effect once the device is in use. `CUBECL_WGPU_MAX_TASKS`
/// takes precedence.
#[cfg(feature = "wgpu")]
pub(crate) fn prepare(device: &Device) {
    use burn::backend::DispatchDevice;
    use burn_cubecl::CubeDevice;
    use burn_cubecl::cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, WgpuDevice, try_init_setup};
    use std::sync::Mutex;
    static PREPARED: Mutex<Vec<WgpuDevice>> = Mutex::new(Vec::new());
    let DispatchDevice::Cube(CubeDevice::Wgpu(device)) = device.as_dispatch() else { return };
    let mut prepared = PREPARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if prepared.contains(device) || std::env::var_os("CUBECL_WGPU_MAX_TASKS").is_some() {
        return;
    }
    prepared.push(device.clone());
    if let Ok(options) = RuntimeOptions::with_tasks_max(Some(LAUNCHES)) {
        // A failure is reported again, with a better message, when the device is used.
        let _ = try_init_setup::<AutoGraphicsApi>(device, options);
    }
}

/// Four features, or the four gates of a feature.
type Quad = Vector<f32, Const<4>>;

/// Uninitialized tensor on the device of `like`.
fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_of(like, shape, like.dtype)
}

/// [`empty`] with another element type.
fn empty_of<const D: usize>(like: &CubeTensor, shape: [usize; D], dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape.into(), dtype)
}

/// Workgroups along the first axis. GPUs support fewer than 65,536.
const ACROSS: usize = 1 << 15;

/// `count` workgroups, wrapped into rows, for each of `layers`.
fn in_rows(count: usize, layers: usize) -> CubeCount {
    let across = count.clamp(1, ACROSS);
    CubeCount::Static(across as u32, layers as u32, count.div_ceil(across) as u32)
}

/// Linear index of this workgroup in the layout of [`in_rows`].
#[cube]
fn group() -> usize {
    CUBE_POS_Z as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize
}

/// Factors loaded before use, to hide load latency.
fn at_once(count: usize) -> usize {
    [8, 4, 2].into_iter().find(|&n| count.is_multiple_of(n)).unwrap_or(1)
}

/// Number of images in a tensor.
fn images(x: &CubeTensor) -> usize {
    x.shape()[0]
}
