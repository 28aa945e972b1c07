//! Gated activations on the CPU as a custom Burn operation with its own backward pass.

use super::gate::Gated;
use crate::kernels::{Gate, GateGradient, Isa};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::prelude::*;
use burn::tensor::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// The operations, on supporting back ends.
#[backend_extension(Autodiff, Flex)]
pub(super) trait GateOps: Backend {
    /// `x` `[N, H, W, 2 · features]`; returns `[N, H, W, features]`.
    fn gate(x: FloatTensor<Self>, gated: Gated) -> FloatTensor<Self>;

    /// The gate of `x + also`.
    fn gate_of_sum(x: FloatTensor<Self>, also: FloatTensor<Self>, gated: Gated) -> FloatTensor<Self>;
}

/// Output of the gates, and their two factors if `keep`.
fn forward(x: &FlexTensor, also: Option<&FlexTensor>, gated: Gated, keep: bool) -> (FlexTensor, Vec<f32>) {
    let shape = x.shape();
    let [images, height, width, features] = [shape[0], shape[1], shape[2], shape[3] / 2];
    let (x, also) = (x.to_contiguous(), also.map(FlexTensor::to_contiguous));
    let x: &[f32] = x.storage();
    let also: &[f32] = also.as_ref().map_or(&[], |also| also.storage());
    let of_image = height * width * features;
    let mut y = vec![0.0; images * of_image];
    let mut gates = vec![0.0; if keep { x.len() } else { 0 }];
    let mut parts: Vec<&mut [f32]> = gates.chunks_mut(2 * of_image).collect();
    parts.resize_with(images, Default::default);
    let isa = Isa::get();
    y.par_chunks_mut(of_image).zip(parts).enumerate().for_each(|(n, (y, gates))| {
        let of = |all: &'_ [f32]| if all.is_empty() { 0..0 } else { 2 * n * of_image..2 * (n + 1) * of_image };
        let (x, also, tanh) = (&x[of(x)], &also[of(also)], gated == Gated::Tanh);
        isa.gate(&mut Gate { x, also, features, tanh, y, gates });
    });
    (FlexTensor::from_data(TensorData::new(y, [images, height, width, features])), gates)
}

/// Gradient of the input, of `shape`.
fn backward(gates: &[f32], shape: &Shape, gated: Gated, dy: &FlexTensor) -> FlexTensor {
    let of_image = shape[1] * shape[2] * shape[3];
    let dy = dy.to_contiguous();
    let dy: &[f32] = dy.storage();
    let mut dx = vec![0.0; gates.len()];
    let isa = Isa::get();
    dx.par_chunks_mut(of_image).zip(gates.par_chunks(of_image)).zip(dy.par_chunks(of_image / 2)).for_each(
        |((dx, gates), dy)| {
            isa.gate_gradient(&mut GateGradient { gates, features: shape[3] / 2, tanh: gated == Gated::Tanh, dy, dx });
        },
    );
    FlexTensor::from_data(TensorData::new(dx, shape.clone()))
}

impl GateOps for Flex {
    fn gate(x: FlexTensor, gated: Gated) -> FlexTensor {
        forward(&x, None, gated, false).0
    }

    fn gate_of_sum(x: FlexTensor, also: FlexTensor, gated: Gated) -> FlexTensor {
        forward(&x, Some(&also), gated, false).0
    }
}

#[derive(Debug)]
struct GateBackward;

#[derive(Clone, Debug)]
struct Saved {
    gates: Vec<f32>,
    shape: Shape,
    gated: Gated,
}

impl Saved {
    fn register(self, ids: impl Iterator<Item = NodeId>, dy: &FlexTensor, grads: &mut Gradients) {
        let dx = backward(&self.gates, &self.shape, self.gated, dy);
        for id in ids {
            grads.register::<Flex>(id, dx.clone());
        }
    }
}

impl Backward<Flex, 1> for GateBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        ops.state.register(ops.parents.into_iter().flatten().map(|node| node.id), &dy, grads);
    }
}

impl Backward<Flex, 2> for GateBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        ops.state.register(ops.parents.into_iter().flatten().map(|node| node.id), &dy, grads);
    }
}

impl<C: CheckpointStrategy> GateOps for Autodiff<Flex, C> {
    fn gate(x: FloatTensor<Self>, gated: Gated) -> FloatTensor<Self> {
        let data = x.primitive();
        match Backward::<Flex, 1>::prepare::<C>(GateBackward, [x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (y, gates) = forward(data, None, gated, true);
                prepared.finish(Saved { gates, shape: data.shape(), gated }, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(forward(data, None, gated, false).0),
        }
    }

    fn gate_of_sum(x: FloatTensor<Self>, also: FloatTensor<Self>, gated: Gated) -> FloatTensor<Self> {
        let (data, more) = (x.primitive(), also.primitive());
        match Backward::<Flex, 2>::prepare::<C>(GateBackward, [x.node(), also.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (y, gates) = forward(data, Some(more), gated, true);
                prepared.finish(Saved { gates, shape: data.shape(), gated }, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(forward(data, Some(more), gated, false).0),
        }
    }
}

/// Gates `x` `[N, H, W, 2 · features]`, or its sum with `also`.
pub(super) fn gate(x: Tensor<4>, also: Option<Tensor<4>>, gated: Gated) -> Tensor<4> {
    let x = x.into_dispatch();
    Tensor::from_dispatch(match also {
        Some(also) => Dispatch::gate_of_sum(x, also.into_dispatch(), gated),
        None => Dispatch::gate(x, gated),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_nets::{close, numbers};

    #[test]
    fn every_instruction_set_gives_the_same() {
        for features in [1, 7, 8, 9, 16, 17, 33] {
            for tanh in [true, false] {
                let pixels = 5;
                let x: Vec<f32> = numbers(1, 2 * pixels * features).iter().map(|x| 5.0 * x).collect();
                let (more, dy) = (numbers(2, 2 * pixels * features), numbers(3, pixels * features));
                for also in [&[][..], &more] {
                    let run = |isa: Isa| {
                        let (mut y, mut alone) = (vec![0.0; pixels * features], vec![0.0; pixels * features]);
                        let (mut gates, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
                        isa.gate(&mut Gate { x: &x, also, features, tanh, y: &mut y, gates: &mut gates });
                        isa.gate(&mut Gate { x: &x, also, features, tanh, y: &mut alone, gates: &mut [] });
                        assert_eq!(y, alone);
                        isa.gate_gradient(&mut GateGradient { gates: &gates, features, tanh, dy: &dy, dx: &mut dx });
                        [y, gates, dx]
                    };
                    let mut results = Isa::all().into_iter().map(|isa| (isa, run(isa)));
                    let (_, portable) = results.next().unwrap();
                    for (isa, result) in results {
                        for (got, expected) in result.iter().zip(&portable) {
                            close(got, expected, 1e-5, &(isa, features, tanh));
                        }
                    }
                }
            }
        }
    }
}
