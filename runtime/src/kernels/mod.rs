//! Inner loops: one [`Kernel`] for each instruction set, all bit-exact with [`Portable`].
//!
//! With the feature `std`, [`Native`] is an enum that selects its kernel at run time. Without it, `Native` is the kernel of
//! the compilation target.

/// [`Kernel`] methods of a SIMD kernel: the generic algorithms of [`vector`], compiled with the target features `$features`.
///
/// `$vector` is the [`vector::Vector`], `$lanes8` and `$lanes16` are the [`vector::gemm::Lanes`] of 8-bit and of 16-bit inputs; none
/// needs other features. The invoking module states why a value of its kernel proves that the CPU has them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! simd_methods {
    ($features:literal, $vector:ty, $lanes8:ty, $lanes16:ty) => {
        #[inline(always)]
        fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            #[target_feature(enable = $features)]
            fn gemv_row_major(bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
                // SAFETY: this function enables all features of the vector.
                unsafe { $crate::kernels::vector::gemv_row_major::<$vector, 8>(bias, weights, x, sums) }
            }
            // SAFETY: `self` proves that the CPU has the instructions that the callee enables.
            unsafe { gemv_row_major(bias, weights, x, sums) }
        }

        #[inline(always)]
        fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
            #[target_feature(enable = $features)]
            fn gemv_tiled(bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
                // SAFETY: this function enables all features of the vector.
                unsafe { $crate::kernels::vector::gemv_tiled::<$vector, 8>(bias, weights, x, sums) }
            }
            // SAFETY: `self` proves that the CPU has the instructions that the callee enables.
            unsafe { gemv_tiled(bias, weights, x, sums) }
        }

        #[cfg(feature = "std")]
        #[inline(always)]
        fn gemm_u8i8(
            self,
            weights: &[i8],
            inputs: &$crate::kernels::gemm::Inputs<'_, u8>,
            bias: &[i32],
            vectors: usize,
            sums: &mut [i32],
        ) {
            #[target_feature(enable = $features)]
            fn gemm_u8i8(
                weights: &[i8],
                inputs: &$crate::kernels::gemm::Inputs<'_, u8>,
                bias: &[i32],
                vectors: usize,
                sums: &mut [i32],
            ) {
                // SAFETY: this function enables all features of the lanes.
                unsafe { $crate::kernels::vector::gemm::gemm::<$lanes8, _, _>(weights, inputs, bias, vectors, sums) }
            }
            // SAFETY: `self` proves that the CPU has the instructions that the callee enables.
            unsafe { gemm_u8i8(weights, inputs, bias, vectors, sums) }
        }

        #[cfg(all(feature = "std", feature = "a16"))]
        #[inline(always)]
        fn gemm_i16i16(
            self,
            weights: &[i16],
            inputs: &$crate::kernels::gemm::Inputs<'_, i16>,
            bias: &[i32],
            vectors: usize,
            sums: &mut [i32],
        ) {
            #[target_feature(enable = $features)]
            fn gemm_i16i16(
                weights: &[i16],
                inputs: &$crate::kernels::gemm::Inputs<'_, i16>,
                bias: &[i32],
                vectors: usize,
                sums: &mut [i32],
            ) {
                // SAFETY: this function enables all features of the lanes.
                unsafe { $crate::kernels::vector::gemm::gemm::<$lanes16, _, _>(weights, inputs, bias, vectors, sums) }
            }
            // SAFETY: `self` proves that the CPU has the instructions that the callee enables.
            unsafe { gemm_i16i16(weights, inputs, bias, vectors, sums) }
        }

        #[cfg(feature = "std")]
        #[inline(always)]
        fn gemv_accumulate_u8i8<const V: usize>(
            self,
            weights: &[$crate::kernels::gemm::PanelWeights<i8, 4, V>],
            x: &[[u8; 4]],
            sums: $crate::kernels::gemm::Accumulators<V>,
        ) -> $crate::kernels::gemm::Accumulators<V> {
            // SAFETY: `self` proves that the CPU has the instructions of the lanes.
            unsafe { $crate::kernels::vector::gemm::gemv_accumulate::<$lanes8, _, _, 4, V>(weights, x, sums) }
        }

        #[cfg(all(feature = "std", feature = "a16"))]
        #[inline(always)]
        fn gemv_accumulate_i16i16<const V: usize>(
            self,
            weights: &[$crate::kernels::gemm::PanelWeights<i16, 2, V>],
            x: &[[i16; 2]],
            sums: $crate::kernels::gemm::Accumulators<V>,
        ) -> $crate::kernels::gemm::Accumulators<V> {
            // SAFETY: `self` proves that the CPU has the instructions of the lanes.
            unsafe { $crate::kernels::vector::gemm::gemv_accumulate::<$lanes16, _, _, 2, V>(weights, x, sums) }
        }

        #[inline(always)]
        fn run<R>(self, task: impl FnOnce() -> R) -> R {
            #[target_feature(enable = $features)]
            fn run<R>(task: impl FnOnce() -> R) -> R {
                task()
            }
            // SAFETY: `self` proves that the CPU has the instructions that the callee enables.
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
#[doc(hidden)]
pub mod gemm;
mod kernel;
mod map;
mod portable;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128")))]
#[allow(unsafe_code)] // SIMD intrinsics
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
pub use kernel::Kernel;
#[doc(hidden)]
pub use kernel::{Gemv, OUTPUT_TILE};
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

/// Defines [`Native`] as the kernel that the build script selected.
macro_rules! native {
    ($($name:literal: $kernel:ty,)*) => {$(
        /// Fastest kernel of the compilation target or, with the feature `std`, of the host at run time.
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
