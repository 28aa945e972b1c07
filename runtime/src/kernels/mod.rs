//! The inner loops, one file an instruction set, all with the same results.

mod portable;

pub use portable::Portable;

/// The inner loops of an engine.
///
/// All kernels give the same bytes: sums are exact modulo 2³², whatever the order.
pub trait Kernel: Copy {
    /// `sums[o] += Σ weights[o, k] · x[k]`, wrapping; `weights` is `[sums.len(), x.len()]`, row-major.
    ///
    /// Where the lengths do not match, the missing products count as 0.
    fn matvec(self, sums: &mut [i32], weights: &[i8], x: &[i8]);
}
