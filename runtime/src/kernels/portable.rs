//! Plain Rust, in a shape that compilers vectorise.

use super::Kernel;
use crate::blob::Layout;

/// The kernel that every machine has, and that all others must equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Kernel for Portable {
    #[inline(never)]
    fn rows(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        let mut rest = weights;
        for (sum, bias) in sums.iter_mut().zip(bias) {
            let Some((row, after)) = rest.split_at_checked(x.len()) else { return };
            rest = after;
            *sum = dot(*bias, row, x);
        }
    }

    #[inline(never)]
    fn blocks(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        let mut rest = weights;
        for (sums, bias) in sums.chunks_mut(Layout::OUTPUTS).zip(bias.chunks(Layout::OUTPUTS)) {
            let outputs = sums.len().min(bias.len());
            let Some(mut block) = rest.split_off(..outputs * x.len()) else { return };
            if outputs == 0 {
                return;
            }
            for (sum, bias) in sums.iter_mut().zip(bias) {
                // From an output's weights for four inputs to its next ones are those of all outputs.
                let own = block.chunks(Layout::INPUTS * outputs).zip(x.chunks_exact(Layout::INPUTS));
                *sum = own.fold(*bias, |sum, (weights, x)| dot(sum, weights, x));
                block = block.get(Layout::INPUTS..).unwrap_or_default();
            }
        }
    }
}

#[inline(always)]
fn dot(sum: i32, weights: &[i8], x: &[i8]) -> i32 {
    weights.iter().zip(x).fold(sum, |sum, (w, x)| sum.wrapping_add(i32::from(*w) * i32::from(*x)))
}
