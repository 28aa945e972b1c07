//! WebAssembly.
#![allow(unsafe_code, clippy::wildcard_imports)] // SIMD intrinsics

pub mod simd128;
