//! The kernel of a host, chosen when the program runs.

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

/// One of the kernels that this machine has.
///
/// The default is the fastest. [`Host::from_env`] heeds the environment variable [`Host::VARIABLE`] as well, as
/// [`crate::Engine::new`] does.
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
    /// The vectors of WebAssembly.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(Simd128),
}

/// Does the same with whichever kernel it is.
macro_rules! each {
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

/// Names of the kernels of all hosts.
const NAMES: [&str; 6] = ["portable", "avx2", "avx512vnni", "neon", "neon-dotprod", "simd128"];

impl Host {
    /// The environment variable that names the kernel to take in the place of the fastest.
    pub const VARIABLE: &str = "PIXELRNN_KERNEL";

    /// All that this machine has, the fastest last.
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

    /// The kernel `name`: `portable`, `avx2`, `avx512vnni`, `neon`, `neon-dotprod` or `simd128`.
    ///
    /// # Errors
    /// When there is no such kernel, or this machine does not have it.
    pub fn named(name: &str) -> Result<Self, KernelError> {
        let known = NAMES.into_iter().find(|known| *known == name).ok_or(KernelError::Unknown)?;
        Self::all().find(|kernel| kernel.name() == known).ok_or(KernelError::Unavailable { name: known })
    }

    /// The kernel that [`Host::VARIABLE`] names; where it is not set or empty, the fastest.
    ///
    /// The variable is read once in a program's life.
    ///
    /// # Errors
    /// As [`Host::named`].
    pub fn from_env() -> Result<Self, KernelError> {
        static CHOSEN: OnceLock<Result<Host, KernelError>> = OnceLock::new();
        *CHOSEN.get_or_init(|| match std::env::var_os(Self::VARIABLE) {
            None => Ok(Self::default()),
            Some(name) if name.is_empty() => Ok(Self::default()),
            Some(name) => Self::named(name.to_str().ok_or(KernelError::Unknown)?),
        })
    }

    /// The kernel's name; see [`Host::named`].
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

/// Something to do with a kernel whose type is known, so that it is chosen once for all of it.
pub(crate) trait Task {
    /// What comes of it.
    type Output;
    /// Does it.
    fn with<K: Kernel>(self, kernel: K) -> Self::Output;
}

impl Host {
    /// Does `task` with the kernel, and lets the compiler use the kernel's instructions for all of it.
    #[inline(always)]
    pub(crate) fn dispatch<T: Task>(self, task: T) -> T::Output {
        each!(self, kernel => kernel.run(#[inline(always)] || task.with(kernel)))
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

    #[inline(always)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        each!(self, kernel => kernel.gemv_row_major(bias, weights, x, sums));
    }

    #[inline(always)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        each!(self, kernel => kernel.gemv_tiled(bias, weights, x, sums));
    }

    #[inline(always)]
    fn input_offset(self) -> i32 {
        each!(self, kernel => kernel.input_offset())
    }

    #[inline(always)]
    fn requantize(self, sums: &[i32; LANES], left: u32, multipliers: &[i32; LANES]) -> [i32; LANES] {
        each!(self, kernel => kernel.requantize(sums, left, multipliers))
    }

    #[inline(always)]
    fn gemm_u8i8(self, weights: &[i8], inputs: &Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        each!(self, kernel => kernel.gemm_u8i8(weights, inputs, bias, vectors, sums));
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemm_i16i16(self, weights: &[i16], inputs: &Inputs<'_, i16>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        each!(self, kernel => kernel.gemm_i16i16(weights, inputs, bias, vectors, sums));
    }

    #[inline(always)]
    fn gemv_accumulate_u8i8<const V: usize>(
        self,
        weights: &[PanelWeights<i8, 4, V>],
        x: &[[u8; 4]],
        sums: Accumulators<V>,
    ) -> Accumulators<V> {
        each!(self, kernel => kernel.gemv_accumulate_u8i8(weights, x, sums))
    }

    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_accumulate_i16i16<const V: usize>(
        self,
        weights: &[PanelWeights<i16, 2, V>],
        x: &[[i16; 2]],
        sums: Accumulators<V>,
    ) -> Accumulators<V> {
        each!(self, kernel => kernel.gemv_accumulate_i16i16(weights, x, sums))
    }

    #[inline(always)]
    fn run<R>(self, task: impl FnOnce() -> R) -> R {
        each!(self, kernel => kernel.run(task))
    }

    #[inline(always)]
    fn cells(self, gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        each!(self, kernel => kernel.cells(gates, before, cell_bits, c, h));
    }
}

/// Why there is no such kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelError {
    /// The name is that of no kernel.
    Unknown,
    /// This machine does not have it, or the program was compiled for another one.
    Unavailable {
        /// The kernel.
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
