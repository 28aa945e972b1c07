//! WebAssembly.
#![allow(unsafe_code, clippy::wildcard_imports)] // SIMD intrinsics

#[cfg(feature = "std")]
mod gemm;
pub mod simd128;
