//! x86-64: AVX2, and AVX-512 with VNNI.
#![allow(unsafe_code, clippy::wildcard_imports)] // SIMD intrinsics

mod avx2;
mod avx512vnni;
mod cell_avx2;
mod cell_avx512;

pub use avx2::Avx2;
pub use avx512vnni::Avx512Vnni;
