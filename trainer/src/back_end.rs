//! Where a network is computed.

use crate::error::Error;
use crate::ops::Path;
use burn::prelude::Device;

/// A device and the operations that run there.
#[derive(Clone, Debug)]
pub struct BackEnd {
    /// The device.
    pub device: Device,
    /// Which operations run there.
    pub path: Path,
}

/// The name of a back end on the command line. Which ones there are is settled when the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// The processor, with hand-written operations
    #[cfg(feature = "flex")]
    Cpu,
    /// The processor, with Burn's own operations: many times slower, to compare with
    #[cfg(feature = "flex")]
    CpuStock,
    /// A GPU by way of Vulkan, Metal or DirectX
    #[cfg(feature = "wgpu")]
    Wgpu,
    /// An NVIDIA GPU
    #[cfg(feature = "cuda")]
    Cuda,
}

#[cfg(not(any(feature = "flex", feature = "wgpu", feature = "cuda")))]
compile_error!("pixelrnn-trainer computes nothing without one of the features `flex`, `wgpu`, `cuda`");

impl BackEnd {
    /// The processor, with hand-written operations.
    #[cfg(feature = "flex")]
    pub fn cpu() -> Self {
        Self { device: Device::flex(), path: Path::Fast }
    }

    /// The back end called `name`, or the first of those built in.
    ///
    /// # Errors
    /// When none is built in.
    pub fn new(name: Option<Name>) -> Result<Self, Error> {
        use clap::ValueEnum;
        let name = name.or(Name::value_variants().first().copied());
        let name = name.ok_or_else(|| Error::other("no back end was built into this program"))?;
        Ok(match name {
            #[cfg(feature = "flex")]
            Name::Cpu => Self::cpu(),
            #[cfg(feature = "flex")]
            Name::CpuStock => Self { device: Device::flex(), path: Path::Stock },
            #[cfg(feature = "wgpu")]
            Name::Wgpu => Self { device: Device::wgpu(burn::tensor::DeviceKind::DefaultDevice), path: Path::Stock },
            #[cfg(feature = "cuda")]
            Name::Cuda => Self { device: Device::cuda(0_usize), path: Path::Stock },
        })
    }

    /// Whether parts of a batch are worked through side by side, each by one thread.
    pub(crate) fn is_parallel(&self) -> bool {
        match self.path {
            #[cfg(feature = "flex")]
            Path::Fast => true,
            Path::Stock => false,
        }
    }
}
