//! Cortex-M: the DSP extension, MVE, and the first Thumb instructions.
#![allow(unsafe_code)] // the instructions have no other name

#[cfg(pixelrnn_dsp)]
pub(crate) mod dsp;
#[cfg(pixelrnn_mve)]
pub(crate) mod mve;
#[cfg(pixelrnn_thumb)]
pub(crate) mod thumb;
