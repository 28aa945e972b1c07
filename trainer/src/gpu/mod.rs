//! Kernels of the GPU path, which Burn's compiler makes into programs for the GPU at hand.
//!
//! These networks have few features: with stock operations a step of training is a thousand launches or, with LSTMs, many thousands, which
//! take longer than what they compute. So a masked convolution is one launch here and its backward pass three, and an LSTM's scan over an
//! image is one launch and one backwards.
//!
//! Images lie as `[N, features, pixels]`. Sums are made in 32 bits, whatever the tensors have.

// `cube` makes kernels of functions: all of a kernel is one, what is settled when it is compiled has an `if` of its own, and the sort of its
// numbers is a parameter.
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

/// Launches that are handed to a GPU together: few enough that it has some to work on while the others are prepared.
#[cfg(feature = "wgpu")]
const LAUNCHES: usize = 16;

/// Settles how launches are handed to `device`, which changes nothing once it is in use. `CUBECL_WGPU_MAX_TASKS` takes precedence.
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
        // A device that fails here fails again, with a better sentence, when it is used.
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
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape.into(), dtype)
}

/// Groups in a row: a GPU takes fewer than 65,536.
const ACROSS: usize = 1 << 15;

/// `count` groups, in rows, for each of `layers`.
fn in_rows(count: usize, layers: usize) -> CubeCount {
    let across = count.clamp(1, ACROSS);
    CubeCount::Static(across as u32, layers as u32, count.div_ceil(across) as u32)
}

/// The number of this group among those that [`in_rows`] has laid out.
#[cube]
fn group() -> usize {
    CUBE_POS_Z as usize * CUBE_COUNT_X as usize + CUBE_POS_X as usize
}

/// How many of `count` factors are read before they are used, so that reading one does not wait for another.
fn at_once(count: usize) -> usize {
    [8, 4, 2].into_iter().find(|&n| count.is_multiple_of(n)).unwrap_or(1)
}

/// How many images a tensor has.
fn images(x: &CubeTensor) -> usize {
    x.shape()[0]
}
