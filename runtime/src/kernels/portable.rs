//! Plain Rust, in a form that compilers vectorise.

use super::Kernel;
use crate::blob::Layout;

/// Reference kernel, available on every machine. All other kernels are bit-exact with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Kernel for Portable {
    #[inline(never)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        gemv_row_major(bias, weights, x, sums);
    }

    #[inline(never)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        gemv_tiled(bias, weights, x, sums, |weights| weights);
    }
}

/// [`Kernel::gemv_row_major`], generic over the input type.
#[inline(always)]
pub(super) fn gemv_row_major<X: Copy + Into<i32>>(bias: &[i32], weights: &[i8], x: &[X], sums: &mut [i32]) {
    let mut rest = weights;
    for (sum, bias) in sums.iter_mut().zip(bias) {
        let Some((row, after)) = rest.split_at_checked(x.len()) else { return };
        rest = after;
        *sum = dot(*bias, row, x);
    }
}

/// [`Kernel::gemv_tiled`], generic over the input type. `order` maps four stored weights to the order of their inputs.
#[inline(always)]
pub(super) fn gemv_tiled<X: Copy + Into<i32>>(
    bias: &[i32],
    weights: &[i8],
    x: &[X],
    sums: &mut [i32],
    order: impl Fn([i8; Layout::INPUTS]) -> [i8; Layout::INPUTS],
) {
    let mut rest = weights;
    for (sums, bias) in sums.chunks_mut(Layout::OUTPUTS).zip(bias.chunks(Layout::OUTPUTS)) {
        let outputs = sums.len().min(bias.len());
        let Some(block) = rest.split_off(..outputs * x.len()) else { return };
        let (block, _) = block.as_chunks::<{ Layout::INPUTS }>();
        for (output, (sum, bias)) in sums.iter_mut().zip(bias).enumerate() {
            *sum = *bias;
            for (n, x) in x.as_chunks::<{ Layout::INPUTS }>().0.iter().enumerate() {
                if let Some(weights) = block.get(n * outputs + output) {
                    *sum = dot(*sum, &order(*weights), x);
                }
            }
        }
    }
}

#[inline(always)]
fn dot<X: Copy + Into<i32>>(sum: i32, weights: &[i8], x: &[X]) -> i32 {
    weights.iter().zip(x).fold(sum, |sum, (w, x)| sum.wrapping_add(i32::from(*w) * (*x).into()))
}
