//! Plain Rust, in a shape that compilers vectorise.

use super::Kernel;

/// The kernel that every machine has, and that all others must equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Kernel for Portable {
    #[inline]
    fn matvec(self, sums: &mut [i32], weights: &[i8], x: &[i8]) {
        if x.is_empty() {
            return;
        }
        for (sum, row) in sums.iter_mut().zip(weights.chunks_exact(x.len())) {
            let mut s = 0i32;
            for (w, x) in row.iter().zip(x) {
                s = s.wrapping_add(i32::from(*w) * i32::from(*x));
            }
            *sum = sum.wrapping_add(s);
        }
    }
}
