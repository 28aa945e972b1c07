//! Compute devices.

mod name;
#[cfg(feature = "remote")]
pub mod remote;

pub use name::Name;

use crate::error::Error;
use crate::ops::Path;
use burn::prelude::Device;
use burn::tensor::FloatDType;
use rayon::prelude::*;

/// Images per CPU work item. A fixed number, so that the result is independent of the number of threads.
const IMAGES_A_PART: usize = 4;

/// Devices that share each batch, and the path of operations they use.
#[derive(Clone, Debug)]
pub struct BackEnd {
    devices: Vec<Device>,
    path: Path,
}

/// Number format of activations. Weights, updates and the loss always use 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    /// 32 bits
    #[default]
    F32,
    /// 16 bits with the range of 32
    Bf16,
    /// 16 bits with more digits and a smaller range
    F16,
}

impl Precision {
    const fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::Bf16 => FloatDType::BF16,
            Self::F16 => FloatDType::F16,
        }
    }
}

impl BackEnd {
    /// Opens the devices `names`, or the default device. Several devices share each batch. A device's precision is
    /// fixed for the life of the process.
    ///
    /// # Errors
    /// Fails if a device is missing or does not support `precision`. The CPU's hand-written operations use all cores
    /// and 32 bits, so they can neither share a batch nor use another precision.
    pub fn new(names: &[Name], precision: Precision) -> Result<Self, Error> {
        let first = Name::first();
        let names = if names.is_empty() { std::slice::from_ref(&first) } else { names };
        let fast = names.iter().find(|name| name.path().is_fast());
        if let Some(name) = fast.filter(|_| names.len() > 1) {
            return Err(Error::usage(format!("{name} takes all cores by itself: it cannot share with other devices")));
        }
        if let Some(name) = fast.filter(|_| precision != Precision::F32) {
            return Err(Error::usage(format!("{name} computes in 32 bits alone")));
        }
        let mut devices = Vec::with_capacity(names.len());
        for name in names {
            let mut device = name.device()?;
            #[cfg(feature = "wgpu")]
            crate::gpu::prepare(&device);
            if precision != Precision::F32 {
                if !device.supports_dtype(precision.dtype()) {
                    return Err(Error::usage(format!("{name} cannot compute in {:?}", precision.dtype())));
                }
                // Already configured, if the device was named twice.
                if let Err(e) = device.configure(precision.dtype())
                    && device.settings().float_dtype != precision.dtype()
                {
                    return Err(Error::other(format!("{name}: {e}")));
                }
            }
            devices.push(device);
        }
        // Common path of all devices.
        let path = names.iter().map(Name::path).find(|&path| path == Path::Stock).unwrap_or(names[0].path());
        Ok(Self { devices, path })
    }

    /// CPU.
    #[cfg(all(test, feature = "flex"))]
    pub(crate) fn processor(path: Path) -> Self {
        Self { devices: vec![Device::flex()], path }
    }

    /// First GPU.
    #[cfg(all(test, feature = "wgpu"))]
    pub(crate) fn gpu() -> Self {
        let name = "wgpu".parse().expect("a name");
        Self::new(&[name], Precision::F32).expect("a GPU, or Vulkan without one")
    }

    /// All devices of this machine that this program supports, with descriptions.
    pub fn all() -> Vec<(Name, String)> {
        Name::all()
    }

    /// Path of operations.
    pub(crate) fn path(&self) -> Path {
        self.path
    }

    /// The devices, at least one.
    pub(crate) fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Device for work that is not shared.
    pub(crate) fn first(&self) -> &Device {
        &self.devices[0]
    }

    /// Splits the images `which` into parts and runs `work` on each with a device index. Returns the results in order.
    /// The CPU processes one small part per thread; other devices process one part of `each` images at a time.
    pub(crate) fn in_parts<R: Send>(
        &self,
        which: &[usize],
        each: usize,
        work: impl Fn(usize, &[usize]) -> Result<R, Error> + Sync,
    ) -> Result<Vec<R>, Error> {
        if self.path.is_fast() {
            return which.par_chunks(IMAGES_A_PART).map(|part| work(0, part)).collect();
        }
        let count = self.devices.len();
        let of_device = |device| {
            let parts = which.chunks(each).skip(device).step_by(count);
            parts.map(|part| work(device, part)).collect::<Result<Vec<_>, _>>()
        };
        let of_devices = (0..count).into_par_iter().map(of_device).collect::<Result<Vec<_>, _>>()?;
        let mut of_devices: Vec<_> = of_devices.into_iter().map(Vec::into_iter).collect();
        let turns = (0..which.len().div_ceil(each)).map(|part| part % count);
        Ok(turns.filter_map(|device| of_devices[device].next()).collect())
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    fn named(names: &[&str], precision: Precision) -> Result<BackEnd, Error> {
        BackEnd::new(&names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>(), precision)
    }

    #[test]
    fn the_processor_is_there_and_there_is_one() {
        assert!(BackEnd::all().iter().any(|(name, what)| name.to_string() == "cpu:0" && what.contains("processor")));
        assert!(named(&["cpu:0"], Precision::F32).is_ok());
        assert!(named(&["cpu:1"], Precision::F32).unwrap_err().to_string().contains("no device cpu:1"));
    }

    #[test]
    fn hand_written_operations_take_all_cores_and_32_bits() {
        for (names, precision) in [(&["cpu-stock", "cpu"][..], Precision::F32), (&["cpu"], Precision::Bf16)] {
            let error = named(names, precision).unwrap_err();
            assert!(error.exit_status() == 2 && error.to_string().contains("cpu:0"), "{error}");
        }
    }

    #[test]
    fn parts_come_back_in_their_order_whoever_did_them() {
        let which: Vec<usize> = (0..23).collect();
        for names in [&["cpu"][..], &["cpu-stock"], &["cpu-stock"; 2], &["cpu-stock"; 5]] {
            for each in [1, 4, 30] {
                let back_end = named(names, Precision::F32).unwrap();
                let parts = back_end.in_parts(&which, each, |device, part| Ok((device, part.to_vec()))).unwrap();
                assert_eq!(parts.iter().flat_map(|(_, part)| part.clone()).collect::<Vec<_>>(), which);
                assert!(parts.iter().enumerate().all(|(n, (device, _))| *device == n % names.len()));
            }
        }
    }
}
