//! Where a network is computed.

use crate::error::Error;
use crate::ops::Path;
use burn::prelude::Device;
use std::fmt;
use std::str::FromStr;

/// A device and the operations that run there.
#[derive(Clone, Debug)]
pub struct BackEnd {
    /// The device.
    pub device: Device,
    /// Which operations run there.
    pub path: Path,
}

/// A sort of devices. Which ones there are is settled when the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(feature = "flex")]
    Cpu,
    #[cfg(feature = "flex")]
    CpuStock,
    #[cfg(feature = "wgpu")]
    Wgpu,
    #[cfg(feature = "cuda")]
    Cuda,
}

#[cfg(not(any(feature = "flex", feature = "wgpu", feature = "cuda")))]
compile_error!("pixelrnn-trainer computes nothing without one of the features `flex`, `wgpu`, `cuda`");

impl Kind {
    /// Those that were built in, the default first.
    const ALL: &[Self] = &[
        #[cfg(feature = "flex")]
        Self::Cpu,
        #[cfg(feature = "flex")]
        Self::CpuStock,
        #[cfg(feature = "wgpu")]
        Self::Wgpu,
        #[cfg(feature = "cuda")]
        Self::Cuda,
    ];

    const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "flex")]
            Self::Cpu => "cpu",
            #[cfg(feature = "flex")]
            Self::CpuStock => "cpu-stock",
            #[cfg(feature = "wgpu")]
            Self::Wgpu => "wgpu",
            #[cfg(feature = "cuda")]
            Self::Cuda => "cuda",
        }
    }

    /// What it is, in words.
    const fn about(self) -> &'static str {
        match self {
            #[cfg(feature = "flex")]
            Self::Cpu => "the processor, with hand-written operations",
            #[cfg(feature = "flex")]
            Self::CpuStock => "the processor, with Burn's own operations: many times slower, to compare with",
            #[cfg(feature = "wgpu")]
            Self::Wgpu => "a GPU by way of Vulkan, Metal or DirectX",
            #[cfg(feature = "cuda")]
            Self::Cuda => "an NVIDIA GPU",
        }
    }

    /// The devices of this sort that the machine has.
    fn devices(self) -> Vec<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Cpu | Self::CpuStock => vec![Device::flex()],
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Device::enumerate(burn::tensor::DeviceType::Wgpu).iter().cloned().collect(),
            #[cfg(feature = "cuda")]
            Self::Cuda => Device::enumerate(burn::tensor::DeviceType::Cuda).iter().cloned().collect(),
        }
    }
}

/// The name of a device: `cpu`, `cpu-stock`, `wgpu` or `cuda`, and the device's number among those of its sort, as in `wgpu:1`, 0
/// where none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    kind: Kind,
    index: usize,
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, index) = text.split_once(':').unwrap_or((text, "0"));
        let kind = Kind::ALL.iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            Error::usage(format!("no device `{name}` was built into this program, which has {}", names.join(", ")))
        })?;
        let index = index.parse().map_err(|_| Error::usage(format!("`{index}` is not the number of a device")))?;
        Ok(Self { kind: *kind, index })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.index)
    }
}

impl BackEnd {
    /// The processor, with hand-written operations.
    #[cfg(feature = "flex")]
    pub fn cpu() -> Self {
        Self { device: Device::flex(), path: Path::Fast }
    }

    /// The device called `name`, or the first one of the first sort that was built in.
    ///
    /// # Errors
    /// When the machine does not have it.
    pub fn new(name: Option<Name>) -> Result<Self, Error> {
        let first = Kind::ALL.first().map(|kind| Name { kind: *kind, index: 0 });
        let name = name.or(first).ok_or_else(|| Error::other("no device was built into this program"))?;
        let mut devices = name.kind.devices();
        if name.index >= devices.len() {
            return Err(Error::usage(format!(
                "there is no device {name}: this machine has {} of its sort",
                devices.len()
            )));
        }
        let device = devices.swap_remove(name.index);
        let path = match name.kind {
            #[cfg(feature = "flex")]
            Kind::Cpu => Path::Fast,
            #[allow(unreachable_patterns)] // where the processor is all there is
            _ => Path::Stock,
        };
        Ok(Self { device, path })
    }

    /// The name of each device that this program can compute on here, and what it is.
    pub fn all() -> Vec<(Name, String)> {
        let of_kind = |kind: &Kind| {
            let about = |(index, device): (usize, Device)| (Name { kind: *kind, index }, described(*kind, &device));
            kind.devices().into_iter().enumerate().map(about).collect::<Vec<_>>()
        };
        Kind::ALL.iter().flat_map(of_kind).collect()
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

/// A device in words, with the maker's name for it where it has one.
fn described(kind: Kind, device: &Device) -> String {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if let Some(identity) = device.identity() {
        return format!("{}: {}", identity.name, kind.about());
    }
    let _ = device;
    kind.about().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorts_with_numbers() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse::<Name>().unwrap(), Name { kind: *kind, index: 0 });
            assert_eq!(format!("{}:3", kind.name()).parse::<Name>().unwrap(), Name { kind: *kind, index: 3 });
            assert!(format!("{}:x", kind.name()).parse::<Name>().unwrap_err().to_string().contains("`x`"));
        }
        assert!("tpu".parse::<Name>().unwrap_err().to_string().contains(Kind::ALL[0].name()));
    }

    #[cfg(feature = "flex")]
    #[test]
    fn the_processor_is_there_and_there_is_one() {
        assert!(BackEnd::all().iter().any(|(name, what)| name.to_string() == "cpu:0" && what.contains("processor")));
        assert!(BackEnd::new("cpu:0".parse().ok()).is_ok());
        assert!(BackEnd::new("cpu:1".parse().ok()).unwrap_err().to_string().contains("no device cpu:1"));
    }
}
