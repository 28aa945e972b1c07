//! Plain Rust, in a shape that compilers vectorise.

use super::Kernel;
use crate::blob::Layout;

/// The kernel that every machine has, and that all others must equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Kernel for Portable {
    #[inline]
    fn rows(self, sums: &mut [i32], weights: &[i8], x: &[i8]) {
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

    #[inline]
    fn blocks(self, sums: &mut [i32], weights: &[i8], x: &[i8]) {
        if x.is_empty() {
            return;
        }
        for (sums, block) in sums.chunks_mut(Layout::OUTPUTS).zip(weights.chunks(Layout::OUTPUTS * x.len())) {
            let inputs = x.chunks_exact(Layout::INPUTS);
            for (weights, x) in block.chunks_exact(Layout::INPUTS * sums.len()).zip(inputs) {
                for (sum, row) in sums.iter_mut().zip(weights.chunks_exact(Layout::INPUTS)) {
                    for (w, x) in row.iter().zip(x) {
                        *sum = sum.wrapping_add(i32::from(*w) * i32::from(*x));
                    }
                }
            }
        }
    }
}
