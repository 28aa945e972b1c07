//! The inner loops, one file an instruction set, all with the same results.
//!
//! With the feature `std` a program finds out when it runs which of them its machine has: [`Native`] is an enum then.
//! Without, `Native` is the kernel of the machine that the program is compiled for.

/// The methods of a kernel that hand on to the functions of the same names in its file, which need instructions.
///
/// The types are those whose [`panel_lanes::Lanes`] are the kernel's. The kernel's file says why a value of it is proof that the processor has them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! handed_on {
    ($lanes8:ty, $lanes16:ty) => {
        #[inline(always)]
        fn rows(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            // SAFETY: the instructions are there.
            unsafe { rows(bias, weights, x, sums) }
        }

        #[inline(always)]
        fn blocks(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            // SAFETY: as above.
            unsafe { blocks(bias, weights, x, sums) }
        }

        #[cfg(feature = "std")]
        #[inline(always)]
        fn panel8(self, weights: &[i8], inputs: &Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
            // SAFETY: as above.
            unsafe { panel8(weights, inputs, bias, vectors, sums) }
        }

        #[cfg(all(feature = "std", feature = "a16"))]
        #[inline(always)]
        fn panel16(self, weights: &[i16], inputs: &Inputs<'_, i16>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
            // SAFETY: as above.
            unsafe { panel16(weights, inputs, bias, vectors, sums) }
        }

        #[cfg(feature = "std")]
        #[inline(always)]
        fn place8<const V: usize>(self, weights: &[Weights<i8, 4, V>], x: &[[u8; 4]], sums: Sums<V>) -> Sums<V> {
            // SAFETY: as above.
            unsafe { panel_lanes::place::<$lanes8, _, _, 4, V>(weights, x, sums) }
        }

        #[cfg(all(feature = "std", feature = "a16"))]
        #[inline(always)]
        fn place16<const V: usize>(self, weights: &[Weights<i16, 2, V>], x: &[[i16; 2]], sums: Sums<V>) -> Sums<V> {
            // SAFETY: as above.
            unsafe { panel_lanes::place::<$lanes16, _, _, 2, V>(weights, x, sums) }
        }

        #[inline(always)]
        fn run<R>(self, task: impl FnOnce() -> R) -> R {
            // SAFETY: as above.
            unsafe { run(task) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::wildcard_imports)] // instructions are unsafe, and many
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::wildcard_imports)] // as above
mod avx512vnni;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::wildcard_imports)] // as above
mod cell_avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::wildcard_imports)] // as above
mod cell_avx512;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, clippy::wildcard_imports)] // as above
mod dotprod;
#[cfg(pixelrnn_dsp)]
#[allow(unsafe_code)] // the instructions have no other name
pub(crate) mod dsp;
#[cfg(feature = "std")]
mod host;
mod kernel;
mod map;
#[cfg(pixelrnn_mve)]
#[allow(unsafe_code)] // as above
pub(crate) mod mve;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, clippy::wildcard_imports)] // as above
mod neon;
#[cfg(feature = "std")]
pub mod panel;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), feature = "std"))]
#[allow(unsafe_code)] // as above
mod panel_lanes;
#[cfg(all(target_arch = "aarch64", feature = "std"))]
#[allow(unsafe_code, clippy::wildcard_imports)] // as above
mod panel_neon;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
#[allow(unsafe_code, clippy::wildcard_imports)] // as above
mod panel_x86;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code, clippy::wildcard_imports)] // as above
mod simd128;
#[cfg(pixelrnn_thumb)]
#[allow(unsafe_code)] // as above
mod thumb;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128")))]
#[allow(unsafe_code)] // as above
mod vector;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512vnni::Avx512Vnni;
#[cfg(target_arch = "aarch64")]
pub use dotprod::NeonDotprod;
#[cfg(pixelrnn_dsp)]
pub use dsp::Dsp;
#[cfg(feature = "std")]
pub(crate) use host::Task;
#[cfg(feature = "std")]
pub use host::{Host, KernelError};
pub use kernel::{Kernel, Rows};
pub(crate) use map::map;
pub(crate) use map::map_two;
#[cfg(feature = "std")]
pub(crate) use map::map_within;
#[cfg(pixelrnn_mve)]
pub use mve::Mve;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use simd128::Simd128;
#[cfg(pixelrnn_thumb)]
pub use thumb::Thumb;

/// Names the kernel that the build script has found.
macro_rules! native {
    ($($name:literal: $kernel:ty,)*) => {$(
        /// The fastest kernel of the machine that the program is compiled for or, where that can be found out, runs on.
        #[cfg(pixelrnn_native = $name)]
        pub type Native = $kernel;
    )*};
}
native! {
    "host": Host,
    "dsp": Dsp,
    "mve": Mve,
    "thumb": Thumb,
    "avx512vnni": Avx512Vnni,
    "avx2": Avx2,
    "neon-dotprod": NeonDotprod,
    "neon": Neon,
    "simd128": Simd128,
    "portable": Portable,
}
