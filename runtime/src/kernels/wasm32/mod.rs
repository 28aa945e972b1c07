//! WebAssembly.
#![allow(unsafe_code, clippy::wildcard_imports)] // instructions are unsafe, and many

pub mod simd128;
