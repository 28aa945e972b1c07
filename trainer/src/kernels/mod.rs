//! Vector kernels of the CPU path.
//!
//! The algorithms stand once, over a small trait of vectors; a file an instruction set brings that trait and little
//! else. Results of one instruction set are the same on any number of threads; between instruction sets the last
//! bits differ, since some add and multiply in one step.
#![allow(unsafe_code)]
#![allow(clippy::inline_always)] // a helper that is not inlined would lose its caller's instruction set

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod conv;
mod lanes;
mod math;
mod portable;
mod scan;

use crate::error::Error;

pub(crate) use conv::{Forward, WeightGradient};
pub(crate) use scan::{Scan, ScanGradient, VECTORS};

/// The environment variable that names an instruction set: `portable`, `avx2` or `avx512`.
pub(crate) const VARIABLE: &str = "PIXELRNN_TRAIN_KERNEL";

/// An instruction set that this machine has.
///
/// The field can be named in this module alone, so that holding a value proves that the instructions are there.
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
    /// All that this machine has, the fastest last.
    pub(crate) fn all() -> Vec<Self> {
        #[allow(unused_mut)] // nothing is added on other machines
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

    /// The one that the environment variable [`VARIABLE`] names, or the fastest that this machine has.
    ///
    /// # Errors
    /// When the variable names none that this machine has.
    pub(crate) fn chosen() -> Result<Self, Error> {
        let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else {
            return Ok(Self::all().pop().unwrap_or(Self(Kind::Portable)));
        };
        Self::all().into_iter().find(|isa| name == isa.name()).ok_or_else(|| {
            let names: Vec<_> = Self::all().into_iter().map(Self::name).collect();
            Error::usage(format!("{VARIABLE} is {}, expected one of {}", name.display(), names.join(", ")))
        })
    }

    /// The chosen one, looked up once.
    ///
    /// # Panics
    /// When there is none, which is found when a back end is made, before anything is computed.
    pub(crate) fn get() -> Self {
        static CHOSEN: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
        *CHOSEN.get_or_init(|| Self::chosen().unwrap_or_else(|e| panic!("{e}")))
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    /// `n` rounded up to whole vectors.
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
            // SAFETY: a value of this kind is made only where the instructions were found.
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
            // SAFETY: a value of this kind is made only where the instructions were found.
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
            // SAFETY: a value of this kind is made only where the instructions were found.
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
            // SAFETY: a value of this kind is made only where the instructions were found.
            Kind::Avx2 => unsafe { avx2::scan_gradient(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx512 => unsafe { avx512::scan_gradient(job) },
        }
    }
}
