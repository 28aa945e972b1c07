//! The inner loops, one file an instruction set, all with the same results.
//!
//! With the feature `std` a program finds out when it runs which of them its machine has: [`Native`] is an enum then.
//! Without, `Native` is the kernel of the machine that the program is compiled for.

/// The methods of a kernel that hand on to the functions of the same names in its file, which need instructions.
///
/// The types are those whose [`vector::gemm::Lanes`] are the kernel's. The kernel's file says why a value of it is proof that the processor has them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! delegate {
    ($lanes8:ty, $lanes16:ty) => {
        #[inline(always)]
        fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            // SAFETY: the instructions are there.
            unsafe { gemv_row_major(bias, weights, x, sums) }
        }

        #[inline(always)]
        fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            // SAFETY: as above.
            unsafe { gemv_tiled(bias, weights, x, sums) }
        }

        #[cfg(feature = "std")]
        #[inline(always)]
        fn gemm_u8i8(self, weights: &[i8], inputs: &Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
            // SAFETY: as above.
            unsafe { gemm_u8i8(weights, inputs, bias, vectors, sums) }
        }

        #[cfg(all(feature = "std", feature = "a16"))]
        #[inline(always)]
        fn gemm_i16i16(
            self,
            weights: &[i16],
            inputs: &Inputs<'_, i16>,
            bias: &[i32],
            vectors: usize,
            sums: &mut [i32],
        ) {
            // SAFETY: as above.
            unsafe { gemm_i16i16(weights, inputs, bias, vectors, sums) }
        }

        #[cfg(feature = "std")]
        #[inline(always)]
        fn gemv_accumulate_u8i8<const V: usize>(
            self,
            weights: &[PanelWeights<i8, 4, V>],
            x: &[[u8; 4]],
            sums: Accumulators<V>,
        ) -> Accumulators<V> {
            // SAFETY: as above.
            unsafe { vector::gemm::gemv_accumulate::<$lanes8, _, _, 4, V>(weights, x, sums) }
        }

        #[cfg(all(feature = "std", feature = "a16"))]
        #[inline(always)]
        fn gemv_accumulate_i16i16<const V: usize>(
            self,
            weights: &[PanelWeights<i16, 2, V>],
            x: &[[i16; 2]],
            sums: Accumulators<V>,
        ) -> Accumulators<V> {
            // SAFETY: as above.
            unsafe { vector::gemm::gemv_accumulate::<$lanes16, _, _, 2, V>(weights, x, sums) }
        }

        #[inline(always)]
        fn run<R>(self, task: impl FnOnce() -> R) -> R {
            // SAFETY: as above.
            unsafe { run(task) }
        }
    };
}

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(pixelrnn_dsp, pixelrnn_mve, pixelrnn_thumb))]
pub(crate) mod cortex_m;
#[cfg(feature = "std")]
mod dispatch;
#[cfg(feature = "std")]
pub mod gemm;
mod kernel;
mod map;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128")))]
#[allow(unsafe_code)] // instructions are unsafe
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm32;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::Neon;
#[cfg(target_arch = "aarch64")]
pub use aarch64::NeonDotprod;
#[cfg(pixelrnn_dsp)]
pub use cortex_m::dsp::Dsp;
#[cfg(pixelrnn_mve)]
pub use cortex_m::mve::Mve;
#[cfg(pixelrnn_thumb)]
pub use cortex_m::thumb::Thumb;
#[cfg(feature = "std")]
pub(crate) use dispatch::Task;
#[cfg(feature = "std")]
pub use dispatch::{Host, KernelError};
pub use kernel::{Gemv, Kernel, OUTPUT_TILE};
pub(crate) use map::map;
pub(crate) use map::map_two;
#[cfg(feature = "std")]
pub(crate) use map::map_within;
pub use portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm32::simd128::Simd128;
#[cfg(target_arch = "x86_64")]
pub use x86_64::Avx2;
#[cfg(target_arch = "x86_64")]
pub use x86_64::Avx512Vnni;

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
