//! The LSTM cell in stock operations.

use burn::prelude::*;
use burn::tensor::activation::sigmoid;

/// A layer's learned initial states, `[count, hidden]` each.
#[derive(Clone, Debug)]
pub(crate) struct Initial {
    pub h: Tensor<2>,
    pub c: Tensor<2>,
}

impl Initial {
    /// Where none are learned.
    pub(super) fn zeros(count: usize, hidden: usize, device: &Device) -> Self {
        let zeros = || Tensor::zeros([count, hidden], device);
        Self { h: zeros(), c: zeros() }
    }
}

/// New `h` and `c`, given the gates' sums along `dim` in the order o, f, i, g, and the old `c`.
pub(super) fn step<const D: usize>(z: &Tensor<D>, c: Tensor<D>, dim: usize) -> (Tensor<D>, Tensor<D>) {
    let h = c.dims()[dim];
    let gate = |n: usize| z.clone().narrow(dim, n * h, h);
    let c = sigmoid(gate(1)) * c + sigmoid(gate(2)) * gate(3).tanh();
    (sigmoid(gate(0)) * c.clone().tanh(), c)
}
