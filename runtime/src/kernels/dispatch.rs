//! Run-time kernel dispatch on hosts.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::Simd128;
use super::gemm::{Accumulators, Inputs, LANES, PanelWeights};
#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512Vnni};
use super::{Kernel, Portable};
#[cfg(target_arch = "aarch64")]
use super::{Neon, NeonDotprod};
use std::fmt;
use std::sync::OnceLock;

/// Kernel selected at run time among those available on this machine.
///
/// The default is the fastest. [`Host::from_env`], which [`crate::Engine::new`] calls, honours the environment variable
/// [`Host::VARIABLE`] as well.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Host {
    /// Plain Rust.
    Portable(Portable),
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512 with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// NEON with dot products.
    #[cfg(target_arch = "aarch64")]
    NeonDotprod(NeonDotprod),
    /// WebAssembly `simd128`.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(Simd128),
}

/// Evaluates an expression with the selected kernel bound to its concrete type.
macro_rules! with_kernel {
    ($host:expr, $kernel:ident => $result:expr) => {
        match $host {
            Host::Portable($kernel) => $result,
            #[cfg(target_arch = "x86_64")]
            Host::Avx2($kernel) => $result,
            #[cfg(target_arch = "x86_64")]
            Host::Avx512Vnni($kernel) => $result,
            #[cfg(target_arch = "aarch64")]
            Host::Neon($kernel) => $result,
            #[cfg(target_arch = "aarch64")]
            Host::NeonDotprod($kernel) => $result,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Host::Simd128($kernel) => $result,
        }
    };
}

/// Kernel names on all architectures.
const NAMES: [&str; 6] = ["portable", "avx2", "avx512vnni", "neon", "neon-dotprod", "simd128"];

impl Host {
    /// Environment variable that names the kernel to use instead of the fastest.
    pub const VARIABLE: &str = "PIXELRNN_KERNEL";

    /// Kernels available on this machine, the fastest last.
    pub fn all() -> impl Iterator<Item = Self> {
        let all = [
            Some(Self::Portable(Portable)),
            #[cfg(target_arch = "x86_64")]
            Avx2::new().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx512Vnni::new().map(Self::Avx512Vnni),
            #[cfg(target_arch = "aarch64")]
            Neon::new().map(Self::Neon),
            #[cfg(target_arch = "aarch64")]
            NeonDotprod::new().map(Self::NeonDotprod),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Some(Self::Simd128(Simd128)),
        ];
        all.into_iter().flatten()
    }

    /// Kernel by name: `portable`, `avx2`, `avx512vnni`, `neon`, `neon-dotprod` or `simd128`.
    ///
    /// # Errors
    /// [`KernelError::Unknown`] for any other name, [`KernelError::Unavailable`] if this machine lacks the kernel.
    pub fn named(name: &str) -> Result<Self, KernelError> {
        let known = NAMES.into_iter().find(|known| *known == name).ok_or(KernelError::Unknown)?;
        Self::all().find(|kernel| kernel.name() == known).ok_or(KernelError::Unavailable { name: known })
    }

    /// Kernel named by [`Host::VARIABLE`], or the fastest if the variable is unset or empty.
    ///
    /// The variable is read once per process.
    ///
    /// # Errors
    /// Same errors as [`Host::named`].
    pub fn from_env() -> Result<Self, KernelError> {
        static CHOSEN: OnceLock<Result<Host, KernelError>> = OnceLock::new();
        *CHOSEN.get_or_init(|| match std::env::var_os(Self::VARIABLE) {
            None => Ok(Self::default()),
            Some(name) if name.is_empty() => Ok(Self::default()),
            Some(name) => Self::named(name.to_str().ok_or(KernelError::Unknown)?),
        })
    }

    /// Name of the kernel, as [`Host::named`] takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(_) => "avx512vnni",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotprod(_) => "neon-dotprod",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128(_) => "simd128",
        }
    }
}

/// Task that is generic over the kernel, so that dispatch happens once for all of it.
pub(crate) trait Task {
    /// Result of the task.
    type Output;
    /// Runs the task.
    fn with<K: Kernel>(self, kernel: K) -> Self::Output;
}

impl Host {
    /// Runs `task` with the selected kernel and the kernel's target features enabled.
    #[inline(always)]
    pub(crate) fn dispatch<T: Task>(self, task: T) -> T::Output {
        with_kernel!(self, kernel => kernel.run(#[inline(always)] || task.with(kernel)))
    }
}

impl Default for Host {
    fn default() -> Self {
        static FASTEST: OnceLock<Host> = OnceLock::new();
        *FASTEST.get_or_init(|| Self::all().last().unwrap_or(Self::Portable(Portable)))
    }
}

impl Kernel for Host {
    const VECTORS: bool = true;
    const LOOKUPS: bool = cfg!(target_arch = "x86_64");

    #[inline(always)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        with_kernel!(self, kernel => kernel.gemv_row_major(bias, weights, x, sums));
    }

    #[inline(always)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        with_kernel!(self, kernel => kernel.gemv_tiled(bias, weights, x, sums));
    }

    #[inline(always)]
    fn input_offset(self) -> i32 {
        with_kernel!(self, kernel => kernel.input_offset())
    }

    #[inline(always)]
    fn requantize(self, sums: &[i32; LANES], left_shift: u32, multipliers: &[i32; LANES]) -> [i32; LANES] {
        with_kernel!(self, kernel => kernel.requantize(sums, left_shift, multipliers))
    }

    #[inline(always)]
    fn gemm_u8i8(self, weights: &[i8], inputs: &Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        with_kernel!(self, kernel => kernel.gemm_u8i8(weights, inputs, bias, vectors, sums));
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemm_i16i16(self, weights: &[i16], inputs: &Inputs<'_, i16>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        with_kernel!(self, kernel => kernel.gemm_i16i16(weights, inputs, bias, vectors, sums));
    }

    #[inline(always)]
    fn gemv_accumulate_u8i8<const V: usize>(
        self,
        weights: &[PanelWeights<i8, 4, V>],
        x: &[[u8; 4]],
        sums: Accumulators<V>,
    ) -> Accumulators<V> {
        with_kernel!(self, kernel => kernel.gemv_accumulate_u8i8(weights, x, sums))
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_accumulate_i16i16<const V: usize>(
        self,
        weights: &[PanelWeights<i16, 2, V>],
        x: &[[i16; 2]],
        sums: Accumulators<V>,
    ) -> Accumulators<V> {
        with_kernel!(self, kernel => kernel.gemv_accumulate_i16i16(weights, x, sums))
    }

    #[inline(always)]
    fn run<R>(self, task: impl FnOnce() -> R) -> R {
        with_kernel!(self, kernel => kernel.run(task))
    }

    #[inline(always)]
    fn cells(self, gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        with_kernel!(self, kernel => kernel.cells(gates, before, cell_bits, c, h));
    }

    #[inline(always)]
    fn tanhs(self, z: &mut [i16], fraction: u32) {
        with_kernel!(self, kernel => kernel.tanhs(z, fraction));
    }
}

/// Error of a kernel selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum KernelError {
    /// No kernel has this name.
    Unknown,
    /// The CPU lacks the kernel's instructions, or the program was compiled for another architecture.
    Unavailable {
        /// Name of the kernel.
        name: &'static str,
    },
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "{} names no kernel; kernels are {}", Host::VARIABLE, NAMES.join(", ")),
            Self::Unavailable { name } => {
                let here: Vec<_> = Host::all().map(Host::name).collect();
                write!(f, "this machine has no kernel {name}, it has {}", here.join(", "))
            }
        }
    }
}

impl std::error::Error for KernelError {}
