//! Convolution as a custom Burn operation with its own backward pass.

use super::conv_cpu::{self, Batch, Inputs};
use super::geometry::Geometry;
use crate::kernels::Isa;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::prelude::*;
use burn_flex::FlexTensor;
use std::sync::Arc;

/// The operation, on supporting back ends.
#[backend_extension(Autodiff, Flex)]
pub(super) trait ConvOps: Backend {
    /// `x` `[N, H, W, inputs]`, `weight` in the file's layout, `bias` `[1 or N, outputs]`.
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Arc<Geometry>,
        relu: bool,
    ) -> FloatTensor<Self>;
}

fn batch(x: &FlexTensor) -> Batch {
    let shape = x.shape();
    Batch { images: shape[0], height: shape[1], width: shape[2] }
}

impl ConvOps for Flex {
    fn convolve(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        geometry: Arc<Geometry>,
        relu: bool,
    ) -> FlexTensor {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let b = batch(&x);
        let inputs = Inputs { x: x.storage(), relu, weight: weight.storage() };
        let y = conv_cpu::forward(Isa::get(), &geometry, b, inputs, bias.storage());
        FlexTensor::from_data(TensorData::new(y, [b.images, b.height, b.width, geometry.conv().outputs.count]))
    }
}

#[derive(Debug)]
struct ConvBackward;

#[derive(Clone, Debug)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    shared_bias: bool,
    geometry: Arc<Geometry>,
    relu: bool,
}

impl Backward<Flex, 3> for ConvBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Saved { x, weight, shared_bias, geometry, relu } = ops.state;
        let b = batch(&x);
        let conv = geometry.conv();
        let outputs = conv.outputs.count;
        let inputs = Inputs { x: x.storage(), relu, weight: weight.storage() };
        let made = conv_cpu::backward(Isa::get(), &geometry, b, inputs, dy.storage(), x_node.is_some());
        if let Some(node) = x_node {
            let shape = [b.images, b.height, b.width, conv.inputs.count];
            grads.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(made.x, shape)));
        }
        if let Some(node) = weight_node {
            let data = TensorData::new(made.weight, [outputs, conv.inputs.count, conv.kernel[0], conv.kernel[1]]);
            grads.register::<Flex>(node.id, FlexTensor::from_data(data));
        }
        if let Some(node) = bias_node {
            let data = if shared_bias {
                let mut sum = vec![0.0_f32; outputs];
                for image in made.bias.chunks_exact(outputs) {
                    for (sum, part) in sum.iter_mut().zip(image) {
                        *sum += part;
                    }
                }
                TensorData::new(sum, [1, outputs])
            } else {
                TensorData::new(made.bias, [b.images, outputs])
            };
            grads.register::<Flex>(node.id, FlexTensor::from_data(data));
        }
    }
}

impl<C: CheckpointStrategy> ConvOps for Autodiff<Flex, C> {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Arc<Geometry>,
        relu: bool,
    ) -> FloatTensor<Self> {
        let (x_data, weight_data) = (x.primitive().to_contiguous(), weight.primitive().to_contiguous());
        let bias_data = bias.primitive().clone();
        let shared_bias = bias_data.shape()[0] == 1;
        let y = Flex::convolve(x_data.clone(), weight_data.clone(), bias_data, geometry.clone(), relu);
        match ConvBackward.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                prepared.finish(Saved { x: x_data, weight: weight_data, shared_bias, geometry, relu }, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}

/// Convolves `x` `[N, H, W, inputs]`, after a ReLU if `relu`.
pub(super) fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<2>,
    geometry: Arc<Geometry>,
    relu: bool,
) -> Tensor<4> {
    let y = Dispatch::convolve(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch(), geometry, relu);
    Tensor::from_dispatch(y)
}
