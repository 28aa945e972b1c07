//! AArch64: NEON, and NEON with dot products.
#![allow(unsafe_code, clippy::wildcard_imports)] // SIMD intrinsics

mod dotprod;
#[cfg(feature = "std")]
mod gemm;
mod lanes;
mod neon;
mod sdot;

pub use dotprod::NeonDotprod;
pub use neon::Neon;
