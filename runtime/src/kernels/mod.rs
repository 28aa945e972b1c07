//! The inner loops, one file an instruction set, all with the same results.

#[cfg(pixelrnn_dsp)]
#[allow(unsafe_code)] // the instructions have no other name
mod dsp;
mod portable;
#[cfg(pixelrnn_thumb)]
#[allow(unsafe_code)] // as above
mod thumb;

#[cfg(doc)]
use crate::blob::Layout;
use crate::numbers::requantize;
#[cfg(pixelrnn_dsp)]
pub use dsp::Dsp;
pub use portable::Portable;
#[cfg(pixelrnn_thumb)]
pub use thumb::Thumb;

/// The fastest kernel of the machine that the program is compiled for.
#[cfg(pixelrnn_dsp)]
pub type Native = Dsp;

/// The fastest kernel of the machine that the program is compiled for.
#[cfg(pixelrnn_thumb)]
pub type Native = Thumb;

/// The fastest kernel of the machine that the program is compiled for.
#[cfg(not(any(pixelrnn_dsp, pixelrnn_thumb)))]
pub type Native = Portable;

/// The inner loops of an engine.
///
/// All kernels give the same bytes: sums are exact modulo 2³², whatever the order.
///
/// All functions but [`Kernel::scale`] compute `sums[o] = bias[o] + Σ weights[o, k] · x[k]`, for as many outputs as all three have
/// numbers of.
pub trait Kernel: Copy {
    /// For weights in [`Layout::Rows`]: `weights` is `[outputs, x.len()]`, row-major.
    fn rows(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]);

    /// For weights in [`Layout::Blocks`], from the first output of a block on; `x.len()` is a multiple of four.
    fn blocks(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]);

    /// As [`Kernel::rows`], for 16-bit activations.
    #[cfg(feature = "a16")]
    fn rows16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        portable::rows(bias, weights, x, sums);
    }

    /// As [`Kernel::blocks`], for 16-bit activations.
    #[cfg(feature = "a16")]
    fn blocks16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        portable::blocks(bias, weights, x, sums);
    }

    /// [`requantize`]s sums, each with its multiplier.
    #[inline]
    fn scale(self, sums: &mut [i32], left: u32, multipliers: &[i32]) {
        for (sum, multiplier) in sums.iter_mut().zip(multipliers) {
            *sum = requantize(*sum, left, *multiplier);
        }
    }
}
