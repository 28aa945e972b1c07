//! The inner loops, one file an instruction set, all with the same results.

#[cfg(pixelrnn_dsp)]
#[allow(unsafe_code)] // the instructions have no other name
mod dsp;
mod portable;

#[cfg(pixelrnn_dsp)]
pub use dsp::Dsp;
pub use portable::Portable;

/// The fastest kernel of the machine that the program is compiled for.
#[cfg(pixelrnn_dsp)]
pub type Native = Dsp;

/// The fastest kernel of the machine that the program is compiled for.
#[cfg(not(pixelrnn_dsp))]
pub type Native = Portable;

/// The inner loops of an engine.
///
/// All kernels give the same bytes: sums are exact modulo 2³², whatever the order. Where the lengths do not match, the
/// missing products count as 0.
pub trait Kernel: Copy {
    /// `sums[o] += Σ weights[o, k] · x[k]`, wrapping; `weights` is `[sums.len(), x.len()]`, row-major.
    fn rows(self, sums: &mut [i32], weights: &[i8], x: &[i8]);

    /// The same for weights in [`crate::blob::Layout::Blocks`], from the first output of a block on; `x.len()` is a multiple of
    /// four.
    fn blocks(self, sums: &mut [i32], weights: &[i8], x: &[i8]);
}
