//! LSTM scan over an image as a custom Burn operation with its own backward pass.

use super::scan_cpu::{self, Inputs, Outputs, Sizes};
use crate::kernels::Isa;
use crate::plan::Plan;
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
pub(super) trait ScanOps: Backend {
    /// `x` `[N, H, W, 4 · hidden]`, `weight` in the file's layout, initial states `[count, hidden]`.
    fn lstm_scan(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        initial_h: FloatTensor<Self>,
        initial_c: FloatTensor<Self>,
        plan: Arc<Plan>,
    ) -> FloatTensor<Self>;
}

/// Contiguous tensors of a scan.
#[derive(Clone, Debug)]
struct Tensors {
    x: FlexTensor,
    weight: FlexTensor,
    initial_h: FlexTensor,
    initial_c: FlexTensor,
}

impl Tensors {
    fn new(x: &FlexTensor, weight: &FlexTensor, initial_h: &FlexTensor, initial_c: &FlexTensor) -> Self {
        Self {
            x: x.to_contiguous(),
            weight: weight.to_contiguous(),
            initial_h: initial_h.to_contiguous(),
            initial_c: initial_c.to_contiguous(),
        }
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            x: self.x.storage(),
            weight: self.weight.storage(),
            initial_h: self.initial_h.storage(),
            initial_c: self.initial_c.storage(),
        }
    }

    fn sizes(&self) -> Sizes {
        let shape = self.x.shape();
        Sizes { images: shape[0], hidden: shape[3] / 4 }
    }

    fn scan(&self, plan: &Plan) -> Outputs {
        scan_cpu::forward(Isa::get(), plan, self.sizes(), self.inputs())
    }

    /// Output tensor.
    fn output(&self, h: Vec<f32>) -> FlexTensor {
        let shape = self.x.shape();
        FlexTensor::from_data(TensorData::new(h, [shape[0], shape[1], shape[2], shape[3] / 4]))
    }
}

impl ScanOps for Flex {
    fn lstm_scan(
        x: FlexTensor,
        weight: FlexTensor,
        initial_h: FlexTensor,
        initial_c: FlexTensor,
        plan: Arc<Plan>,
    ) -> FlexTensor {
        let tensors = Tensors::new(&x, &weight, &initial_h, &initial_c);
        tensors.output(tensors.scan(&plan).h)
    }
}

#[derive(Debug)]
struct ScanBackward;

#[derive(Clone, Debug)]
struct Saved {
    tensors: Tensors,
    made: Arc<Outputs>,
    plan: Arc<Plan>,
}

impl Backward<Flex, 4> for ScanBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dh = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Saved { tensors, made, plan } = ops.state;
        let g = scan_cpu::backward(Isa::get(), &plan, tensors.sizes(), tensors.inputs(), &made, dh.storage());
        let parts = [g.x, g.weight, g.initial_h, g.initial_c];
        let likes = [&tensors.x, &tensors.weight, &tensors.initial_h, &tensors.initial_c];
        for ((node, data), like) in ops.parents.into_iter().zip(parts).zip(likes) {
            if let Some(node) = node {
                let data = TensorData::new(data, like.shape());
                grads.register::<Flex>(node.id, FlexTensor::from_data(data));
            }
        }
    }
}

impl<C: CheckpointStrategy> ScanOps for Autodiff<Flex, C> {
    fn lstm_scan(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        initial_h: FloatTensor<Self>,
        initial_c: FloatTensor<Self>,
        plan: Arc<Plan>,
    ) -> FloatTensor<Self> {
        let tensors = Tensors::new(x.primitive(), weight.primitive(), initial_h.primitive(), initial_c.primitive());
        let made = tensors.scan(&plan);
        let h = tensors.output(made.h.clone());
        let nodes = [x.node(), weight.node(), initial_h.node(), initial_c.node()];
        match ScanBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { tensors, made: Arc::new(made), plan }, h),
            OpsKind::UnTracked(prepared) => prepared.finish(h),
        }
    }
}

/// Scans gates `x` `[N, H, W, 4 · hidden]`.
pub(super) fn lstm_scan(
    x: Tensor<4>,
    weight: Tensor<4>,
    initial_h: Tensor<2>,
    initial_c: Tensor<2>,
    plan: Arc<Plan>,
) -> Tensor<4> {
    let h = Dispatch::lstm_scan(
        x.into_dispatch(),
        weight.into_dispatch(),
        initial_h.into_dispatch(),
        initial_c.into_dispatch(),
        plan,
    );
    Tensor::from_dispatch(h)
}
