//! Device names.

use crate::error::Error;
#[cfg(feature = "flex")]
use crate::kernels::Isa;
use crate::ops::Path;
use burn::prelude::Device;
use std::fmt;
use std::str::FromStr;

/// Kind of device, determined by the build's features.
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
    /// Kinds in this build, the default first.
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

    /// Description.
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

    /// Devices of this kind on this machine.
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

/// Device name: `cpu`, `cpu-stock`, `wgpu` or `cuda`, with an optional index as in `wgpu:1` (default 0). With the
/// feature `remote` also the address of another machine, `ws://HOST:PORT`, with an optional device index as in
/// `ws://tower:3000#1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    place: Place,
    index: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Here(Kind),
    #[cfg(feature = "remote")]
    There(String),
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number =
            |index: &str| index.parse().map_err(|_| Error::usage(format!("`{index}` is not the number of a device")));
        if text.starts_with("ws://") {
            #[cfg(feature = "remote")]
            {
                let (url, index) = text.split_once('#').unwrap_or((text, "0"));
                return Ok(Self { place: Place::There(url.to_string()), index: number(index)? });
            }
            #[cfg(not(feature = "remote"))]
            return Err(Error::usage("this program was built without the feature `remote`"));
        }
        let (name, index) = text.split_once(':').unwrap_or((text, "0"));
        let kind = Kind::ALL.iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            Error::usage(format!("no device `{name}` was built into this program, which has {}", names.join(", ")))
        })?;
        Ok(Self { place: Place::Here(*kind), index: number(index)? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Here(kind) => write!(f, "{}:{}", kind.name(), self.index),
            #[cfg(feature = "remote")]
            Place::There(url) => write!(f, "{url}#{}", self.index),
        }
    }
}

impl Name {
    /// Default device.
    pub(super) fn first() -> Self {
        Self { place: Place::Here(Kind::ALL[0]), index: 0 }
    }

    /// All devices of this machine, with descriptions.
    pub(super) fn all() -> Vec<(Self, String)> {
        let of_kind = |kind: &Kind| {
            let named = |(index, device): (usize, Device)| {
                (Self { place: Place::Here(*kind), index }, described(*kind, &device))
            };
            kind.devices().into_iter().enumerate().map(named).collect::<Vec<_>>()
        };
        Kind::ALL.iter().flat_map(of_kind).collect()
    }

    /// Path of operations.
    pub(super) fn path(&self) -> Path {
        match &self.place {
            #[cfg(feature = "flex")]
            Place::Here(Kind::Cpu) => Path::Fast,
            #[cfg(feature = "wgpu")]
            Place::Here(Kind::Wgpu) => Path::Gpu,
            #[cfg(feature = "cuda")]
            Place::Here(Kind::Cuda) => Path::Gpu,
            #[allow(unreachable_patterns)] // unreachable in CPU-only builds
            _ => Path::Stock,
        }
    }

    /// True for a GPU of this machine.
    #[cfg(feature = "remote")]
    pub(crate) fn is_gpu(&self) -> bool {
        match &self.place {
            #[cfg(feature = "flex")]
            Place::Here(Kind::Cpu | Kind::CpuStock) => false,
            #[allow(unreachable_patterns)] // unreachable in CPU-only builds
            Place::Here(_) => true,
            Place::There(_) => false,
        }
    }

    /// Opens the device.
    pub(super) fn device(&self) -> Result<Device, Error> {
        #[cfg(feature = "flex")]
        if self.place == Place::Here(Kind::Cpu) {
            Isa::chosen()?;
        }
        let mut devices = match &self.place {
            Place::Here(kind) => kind.devices(),
            #[cfg(feature = "remote")]
            Place::There(url) => super::remote::devices(url)?,
        };
        if self.index >= devices.len() {
            return Err(Error::usage(format!("there is no device {self}: there are {} of its sort", devices.len())));
        }
        Ok(devices.swap_remove(self.index))
    }
}

/// Description, with the vendor's device name if available.
fn described(kind: Kind, device: &Device) -> String {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if let Some(identity) = device.identity() {
        return format!("{}: {}", identity.name, kind.about());
    }
    let _ = device;
    #[cfg(feature = "flex")]
    if let (Kind::Cpu, Ok(isa)) = (kind, Isa::chosen()) {
        return format!("{} ({})", kind.about(), isa.name());
    }
    kind.about().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorts_with_numbers() {
        for kind in Kind::ALL {
            let named = |index| Name { place: Place::Here(*kind), index };
            assert_eq!(kind.name().parse::<Name>().unwrap(), named(0));
            assert_eq!(format!("{}:3", kind.name()).parse::<Name>().unwrap(), named(3));
            assert_eq!(named(3).to_string().parse::<Name>().unwrap(), named(3));
            assert!(format!("{}:x", kind.name()).parse::<Name>().unwrap_err().to_string().contains("`x`"));
        }
        assert!("tpu".parse::<Name>().unwrap_err().to_string().contains(Kind::ALL[0].name()));
    }

    #[test]
    fn other_machines_have_addresses() {
        let name = "ws://tower:3000#1".parse::<Name>();
        if cfg!(feature = "remote") {
            assert_eq!(name.unwrap().to_string(), "ws://tower:3000#1");
        } else {
            assert!(name.unwrap_err().to_string().contains("`remote`"));
        }
    }
}
