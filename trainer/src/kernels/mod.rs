//! Vector kernels of the CPU path.
//!
//! The algorithms are written once, generic over a small vector trait, and the file of each instruction set implements
//! that trait. Results for one instruction set are independent of the number of threads. Between instruction sets the
//! last bits differ, because some use fused multiply-add.
#![allow(unsafe_code)]
#![allow(clippy::inline_always)] // inlining is required for the caller's target features

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod conv;
mod gate;
mod lanes;
mod math;
mod portable;
mod scan;

use crate::error::Error;

pub(crate) use conv::{Forward, WeightGradient};
pub(crate) use gate::{Gate, GateGradient};
pub(crate) use scan::{Scan, ScanGradient, VECTORS};

/// Environment variable that selects an instruction set: `portable`, `avx2` or `avx512`.
pub(crate) const VARIABLE: &str = "PIXELRNN_TRAIN_KERNEL";

/// An instruction set supported by this CPU.
///
/// The field is private to this module, so a value proves that the instructions are available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isa(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// All instruction sets of this CPU, the fastest last.
    pub(crate) fn all() -> Vec<Self> {
        #[allow(unused_mut)] // nothing is added on other architectures
        let mut all = vec![Self(Kind::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self(Kind::Avx2));
            }
            if is_x86_feature_detected!("avx512f") {
                all.push(Self(Kind::Avx512));
            }
        }
        all
    }

    /// Instruction set selected by [`VARIABLE`], or the fastest one.
    ///
    /// # Errors
    /// Fails if the variable does not name an instruction set of this CPU.
    pub(crate) fn chosen() -> Result<Self, Error> {
        let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else {
            return Ok(Self::all().pop().unwrap_or(Self(Kind::Portable)));
        };
        Self::all().into_iter().find(|isa| name == isa.name()).ok_or_else(|| {
            let names: Vec<_> = Self::all().into_iter().map(Self::name).collect();
            Error::usage(format!("{VARIABLE} is {}, expected one of {}", name.display(), names.join(", ")))
        })
    }

    /// The selected instruction set, determined once.
    ///
    /// # Panics
    /// Panics if the selection is invalid. Back-end creation reports that error before any computation.
    pub(crate) fn get() -> Self {
        static CHOSEN: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
        *CHOSEN.get_or_init(|| Self::chosen().unwrap_or_else(|e| panic!("{e}")))
    }

    /// Name.
    pub(crate) const fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    /// Rounds `n` up to whole vectors.
    pub(crate) fn pad(self, n: usize) -> usize {
        n.next_multiple_of(match self.0 {
            Kind::Portable => portable::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => avx2::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => avx512::LANES,
        })
    }

    /// See [`Forward`].
    pub(crate) fn forward(self, job: &mut Forward) {
        match self.0 {
            Kind::Portable => portable::forward(job),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind exists only if the instructions were detected.
            Kind::Avx2 => unsafe { avx2::forward(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::forward(job) },
        }
    }

    /// See [`WeightGradient`].
    pub(crate) fn weight_gradient(self, job: &mut WeightGradient) {
        match self.0 {
            Kind::Portable => portable::weight_gradient(job),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind exists only if the instructions were detected.
            Kind::Avx2 => unsafe { avx2::weight_gradient(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::weight_gradient(job) },
        }
    }

    /// See [`Scan`].
    pub(crate) fn scan(self, job: &mut Scan) {
        match self.0 {
            Kind::Portable => portable::scan(job),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind exists only if the instructions were detected.
            Kind::Avx2 => unsafe { avx2::scan(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::scan(job) },
        }
    }

    /// See [`ScanGradient`].
    pub(crate) fn scan_gradient(self, job: &mut ScanGradient) {
        match self.0 {
            Kind::Portable => portable::scan_gradient(job),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind exists only if the instructions were detected.
            Kind::Avx2 => unsafe { avx2::scan_gradient(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::scan_gradient(job) },
        }
    }
    /// See [`Gate`].
    pub(crate) fn gate(self, job: &mut Gate) {
        match self.0 {
            Kind::Portable => portable::gate(job),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind exists only if the instructions were detected.
            Kind::Avx2 => unsafe { avx2::gate(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::gate(job) },
        }
    }

    /// See [`GateGradient`].
    pub(crate) fn gate_gradient(self, job: &mut GateGradient) {
        match self.0 {
            Kind::Portable => portable::gate_gradient(job),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of this kind exists only if the instructions were detected.
            Kind::Avx2 => unsafe { avx2::gate_gradient(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::gate_gradient(job) },
        }
    }
}
