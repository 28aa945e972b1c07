//! Convolution on a GPU as a custom Burn operation with its own backward pass.

use crate::gpu::{self, Conv, Sums, SumsMetadata};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::prelude::*;
use burn::tensor::Shape;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

/// The operation, on supporting back ends.
#[backend_extension(Autodiff, Cube, Fusion)]
pub(super) trait ConvOps: Backend {
    /// `x` `[N, inputs, H, W]`, `weight` in the file's layout, `bias` `[1 or N, outputs]`; returns `[N, outputs, H,
    /// W]`.
    #[fusion(dtype = x, shape = with_features(x, conv.weight()[0]))]
    fn convolve_gpu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        conv: Conv,
    ) -> FloatTensor<Self>;
}

/// Kernels of the backward pass.
#[backend_extension(Cube, Fusion)]
pub(super) trait ConvGradients: Backend {
    /// Gradient for `x`, given the output gradient.
    #[fusion(dtype = x, shape = x)]
    fn of_input(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        conv: Conv,
    ) -> FloatTensor<Self>;

    /// Gradients of the weights and of a bias shared by all images.
    #[fusion(meta = sums)]
    fn of_weight(x: FloatTensor<Self>, dy: FloatTensor<Self>, conv: Conv) -> Sums<Self>;
}

/// Shape of `x` with another number of features.
fn with_features(x: &Shape, features: usize) -> Shape {
    [x[0], features, x[2], x[3]].into()
}

fn sums(x: &TensorSpec, _: &TensorSpec, conv: &Conv) -> SumsMetadata {
    let of = |shape: Shape| TensorSpec::new(shape, x.dtype);
    SumsMetadata { weight: of(conv.weight().into()), bias: of([1, conv.weight()[0]].into()) }
}

impl ConvOps for CubeBackend {
    fn convolve_gpu(x: CubeTensor, weight: CubeTensor, bias: CubeTensor, conv: Conv) -> CubeTensor {
        gpu::convolve(x.clone(), weight, Some(bias), x, conv)
    }
}

impl ConvGradients for CubeBackend {
    fn of_input(x: CubeTensor, weight: CubeTensor, dy: CubeTensor, conv: Conv) -> CubeTensor {
        gpu::convolve(dy, weight, None, x, conv)
    }

    fn of_weight(x: CubeTensor, dy: CubeTensor, conv: Conv) -> Sums<Self> {
        gpu::weight_gradient(x, dy, conv)
    }
}

#[derive(Debug)]
struct ConvBackward;

#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    shared_bias: bool,
    conv: Conv,
}

/// Sums over the pixels of each image, `[N, features]`.
fn over_pixels<B: Backend>(dy: FloatTensor<B>) -> FloatTensor<B> {
    let shape = dy.shape();
    let all = B::float_reshape(dy, [shape[0], shape[1], shape[2] * shape[3]].into());
    B::float_reshape(B::float_sum_dim(all, 2), [shape[0], shape[1]].into())
}

impl<B: ConvGradients> Backward<B, 3> for ConvBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Saved<B>, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let dy = grads.consume::<B>(&ops.node);
        let Saved { x, weight, shared_bias, conv } = ops.state;
        if weight_node.is_some() || bias_node.is_some() {
            let sums = B::of_weight(x.clone(), dy.clone(), conv);
            if let Some(node) = weight_node {
                grads.register::<B>(node.id, sums.weight);
            }
            if let Some(node) = bias_node {
                grads.register::<B>(node.id, if shared_bias { sums.bias } else { over_pixels::<B>(dy.clone()) });
            }
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::of_input(x, weight, dy, conv));
        }
    }
}

impl<B: ConvOps + ConvGradients, C: CheckpointStrategy> ConvOps for Autodiff<B, C> {
    fn convolve_gpu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        conv: Conv,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let [x, weight, bias] = [&x, &weight, &bias].map(|tensor| tensor.primitive().clone());
        let shared_bias = bias.shape()[0] == 1;
        let y = B::convolve_gpu(x.clone(), weight.clone(), bias, conv);
        match ConvBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { x, weight, shared_bias, conv }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}

/// Convolves `x` `[N, inputs, H, W]`.
pub(super) fn convolve(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, conv: Conv) -> Tensor<4> {
    let y = Dispatch::convolve_gpu(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch(), conv);
    Tensor::from_dispatch(y)
}
