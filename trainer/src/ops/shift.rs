//! `y[i, j] = x[i - rows, j - columns]`, 0 outside the image.

use super::Path;
use burn::prelude::*;

/// Moves `x` down and to the right.
pub(crate) fn shift(path: Path, x: Tensor<4>, rows: usize, columns: usize) -> Tensor<4> {
    let dim = path.rows();
    moved(moved(x, dim, rows), dim + 1, columns)
}

/// Moves `x` along a dimension.
fn moved(x: Tensor<4>, dim: usize, by: usize) -> Tensor<4> {
    let mut shape = x.dims();
    let side = shape[dim];
    if by == 0 {
        return x;
    }
    shape[dim] = by.min(side);
    let zeros = Tensor::zeros(shape, &x.device());
    if by >= side { zeros } else { Tensor::cat(vec![zeros, x.narrow(dim, 0, side - by)], dim) }
}
