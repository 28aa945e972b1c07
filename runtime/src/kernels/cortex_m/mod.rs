//! Cortex-M: the DSP extension, MVE, and the ARMv6-M Thumb subset.
#![allow(unsafe_code)] // inline assembly: stable Rust has no intrinsics for these

#[cfg(pixelrnn_dsp)]
pub(crate) mod dsp;
#[cfg(pixelrnn_mve)]
pub(crate) mod mve;
#[cfg(pixelrnn_thumb)]
pub(crate) mod thumb;
