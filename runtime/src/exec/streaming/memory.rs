//! Short copies and fills.
//!
//! The compiler's `memcpy` and `memset` are optimized for large blocks and take more than a kilobyte of code; an engine copies a
//! few dozen bytes at a time. On bare metal these loops replace them.

use crate::exec::error::Corrupt;
#[cfg(pixelrnn_dsp)]
use crate::kernels::cortex_m::dsp;
#[cfg(pixelrnn_mve)]
use crate::kernels::cortex_m::mve;
use bytemuck::Pod;
use core::hint::black_box;

/// `copy_from_slice` that returns `Corrupt` for slices of different lengths instead of panicking.
#[inline]
pub(super) fn copy<T: Pod>(to: &mut [T], from: &[T]) -> Result<(), Corrupt> {
    if cfg!(target_os = "none") {
        return bytes(bytemuck::cast_slice_mut(to), bytemuck::cast_slice(from));
    }
    if to.len() != from.len() {
        return Err(Corrupt);
    }
    to.copy_from_slice(from);
    Ok(())
}

#[cfg(pixelrnn_mve)]
#[inline(always)]
fn bytes(to: &mut [u8], from: &[u8]) -> Result<(), Corrupt> {
    if to.len() != from.len() {
        return Err(Corrupt);
    }
    mve::copy(to, from);
    Ok(())
}

#[cfg(not(pixelrnn_mve))]
#[inline(never)]
fn bytes(to: &mut [u8], from: &[u8]) -> Result<(), Corrupt> {
    /// Bytes per step: a word, if the processor supports unaligned loads.
    const WORD: usize = 4;
    if to.len() != from.len() {
        return Err(Corrupt);
    }
    #[cfg(pixelrnn_dsp)]
    let (to, from) = {
        let done = dsp::copy(to, from);
        (to.get_mut(done..).ok_or(Corrupt)?, from.get(done..).ok_or(Corrupt)?)
    };
    let (to, to_rest) = to.as_chunks_mut::<WORD>();
    let (from, from_rest) = from.as_chunks::<WORD>();
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
        // Prevents loop idiom recognition, which would call `memcpy`.
        black_box(());
    }
    for (to, from) in to_rest.iter_mut().zip(from_rest) {
        *to = *from;
        black_box(());
    }
    Ok(())
}

/// Sets each element to `value`.
#[inline]
pub(super) fn fill<T: Pod>(to: &mut [T], value: T) {
    #[cfg(pixelrnn_mve)]
    if let [byte, rest @ ..] = bytemuck::bytes_of(&value)
        && rest.iter().all(|other| other == byte)
    {
        return mve::fill(bytemuck::cast_slice_mut(to), *byte);
    }
    if cfg!(target_os = "none") {
        for to in to {
            *to = value;
            black_box(());
        }
    } else {
        to.fill(value);
    }
}
