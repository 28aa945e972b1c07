//! LSTM cell in stock operations.

use burn::prelude::*;
use burn::tensor::activation::sigmoid;

/// Learned initial states of a layer, `[count, hidden]` each.
#[derive(Clone, Debug)]
pub(crate) struct Initial {
    pub h: Tensor<2>,
    pub c: Tensor<2>,
}

impl Initial {
    /// Zero states, for layers without learned ones.
    pub(super) fn zeros(count: usize, hidden: usize, device: &Device) -> Self {
        let zeros = || Tensor::zeros([count, hidden], device);
        Self { h: zeros(), c: zeros() }
    }
}

/// New `h` and `c` from the gate sums along `dim`, in the order o, f, i, g, and the previous `c`.
pub(super) fn step<const D: usize>(z: &Tensor<D>, c: Tensor<D>, dim: usize) -> (Tensor<D>, Tensor<D>) {
    let h = c.dims()[dim];
    let gate = |n: usize| z.clone().narrow(dim, n * h, h);
    let c = sigmoid(gate(1)) * c + sigmoid(gate(2)) * gate(3).tanh();
    (sigmoid(gate(0)) * c.clone().tanh(), c)
}
