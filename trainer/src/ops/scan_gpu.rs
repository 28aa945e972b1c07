//! LSTM scan over an image on a GPU as a custom Burn operation with its own backward pass.
//!
//! The sequential part is one kernel in each direction. From its results, the weight gradient follows as a 1x1
//! convolution's, and the rest uses Burn's operations.

use super::conv_gpu::ConvGradients;
use crate::gpu::{self, Conv, Scanned, ScannedMetadata, Sizes};
use crate::plan::Plan;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::prelude::*;
use burn::tensor::Shape;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use std::sync::Arc;

/// The two kernels.
#[backend_extension(Cube, Fusion)]
pub(super) trait ScanKernels: Backend {
    /// See [`gpu::scan`].
    #[fusion(meta = made)]
    fn scan_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        initial_h: FloatTensor<Self>,
        initial_c: FloatTensor<Self>,
        tables: IntTensor<Self>,
        sizes: Sizes,
    ) -> Scanned<Self>;

    /// See [`gpu::scan_gradient`]: gradients of `x` and `dc`.
    #[fusion(meta = |_, _, gates, dh, _, _| (gates.clone(), dh.clone()))]
    fn scan_backward(
        weight: FloatTensor<Self>,
        states_c: FloatTensor<Self>,
        gates: FloatTensor<Self>,
        dh: FloatTensor<Self>,
        tables: IntTensor<Self>,
        sizes: Sizes,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

fn made(
    x: &TensorSpec,
    _: &TensorSpec,
    _: &TensorSpec,
    _: &TensorSpec,
    _: &TensorSpec,
    sizes: &Sizes,
) -> ScannedMetadata {
    let of = |count: usize| TensorSpec::new([x.shape[0], sizes.hidden, count].into(), x.dtype);
    ScannedMetadata {
        h: of(sizes.pixels),
        states_h: of(sizes.states()),
        states_c: of(sizes.states()),
        gates: x.clone(),
    }
}

impl ScanKernels for CubeBackend {
    fn scan_forward(
        x: CubeTensor,
        weight: CubeTensor,
        initial_h: CubeTensor,
        initial_c: CubeTensor,
        tables: CubeTensor,
        sizes: Sizes,
    ) -> Scanned<Self> {
        gpu::scan(x, weight, [initial_h, initial_c], tables, sizes)
    }

    fn scan_backward(
        weight: CubeTensor,
        states_c: CubeTensor,
        gates: CubeTensor,
        dh: CubeTensor,
        tables: CubeTensor,
        sizes: Sizes,
    ) -> (CubeTensor, CubeTensor) {
        gpu::scan_gradient(weight, states_c, gates, dh, tables, sizes)
    }
}

/// The operation, on supporting back ends.
#[backend_extension(Autodiff, Cube, Fusion)]
pub(super) trait ScanOps: Backend {
    /// `x` `[N, 4 · hidden, H, W]`, `weight` in the file's layout, initial states `[count, hidden]`; returns `[N,
    /// hidden, H, W]`.
    #[fusion(dtype = x, shape = output(x))]
    fn lstm_scan_gpu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        initial_h: FloatTensor<Self>,
        initial_c: FloatTensor<Self>,
        plan: Arc<Plan>,
    ) -> FloatTensor<Self>;
}

/// Shape of a scan's output.
fn output(x: &Shape) -> Shape {
    [x[0], x[1] / 4, x[2], x[3]].into()
}

/// A scan with its inputs.
#[derive(Clone, Debug)]
struct Scan<B: Backend> {
    weight: FloatTensor<B>,
    initial_h: FloatTensor<B>,
    initial_c: FloatTensor<B>,
    /// See [`gpu::tables`].
    tables: IntTensor<B>,
    plan: Arc<Plan>,
    sizes: Sizes,
    /// Shape of the gates, `[N, 4 · hidden, H, W]`.
    shape: Shape,
}

impl<B: ScanKernels + ConvGradients> Scan<B> {
    /// Weights with the four gates innermost. `by` permutes dimensions 1, 2 and 3 of `[gates, to, from, taps]` before
    /// them.
    fn by_gates(&self, by: [usize; 3]) -> FloatTensor<B> {
        let Sizes { hidden, taps, .. } = self.sizes;
        let weight = B::float_reshape(self.weight.clone(), [4, hidden, hidden, taps].into());
        B::float_permute(weight, &[by[0], by[1], by[2], 0])
    }

    fn run(&self, x: FloatTensor<B>) -> Scanned<B> {
        let (weight, h, c) = (self.by_gates([1, 3, 2]), self.initial_h.clone(), self.initial_c.clone());
        let x = B::float_reshape(x, [self.shape[0], self.shape[1], self.sizes.pixels].into());
        B::scan_forward(x, weight, h, c, self.tables.clone(), self.sizes)
    }

    /// Uploads `numbers` to the device of `like`.
    fn put(numbers: Vec<f32>, shape: [usize; 2], like: &FloatTensor<B>) -> FloatTensor<B> {
        B::float_from_data(TensorData::new(numbers, shape).convert_dtype(like.dtype()), &like.device())
    }

    /// Gradient of the weights, given the gradient of `x` `[N, 4 · hidden, pixels]`.
    fn of_weight(&self, states_h: FloatTensor<B>, dx: FloatTensor<B>) -> FloatTensor<B> {
        let Sizes { hidden, pixels, taps, .. } = self.sizes;
        let reads = (0..taps).flat_map(|tap| (0..pixels).map(move |at| (at, tap)));
        let reads = reads.map(|(at, tap)| self.plan.ranks[self.plan.output(at, tap)] as i32).collect();
        let reads = B::int_from_data(TensorData::new(reads, [taps * pixels]), &dx.device());
        let read = B::float_select(states_h, 2, reads);
        let [images, outputs, height, width] = [0, 1, 2, 3].map(|dim| self.shape[dim]);
        let read = B::float_reshape(read, [images, hidden * taps, height, width].into());
        let dx = B::float_reshape(dx, self.shape.clone());
        let conv = Conv::of_pixels([hidden * taps, outputs], [height, width]);
        B::float_reshape(B::of_weight(read, dx, conv).weight, self.weight.shape())
    }

    /// Gradient of the initial `h`, given the gradient of `x`.
    fn of_initial_h(&self, dx: FloatTensor<B>) -> FloatTensor<B> {
        let Sizes { hidden, pixels, taps, initials, .. } = self.sizes;
        let reads = |at: usize, tap: usize, initial: usize| self.plan.output(at, tap) == pixels + 1 + initial;
        let columns = (0..taps).flat_map(|tap| (0..initials).map(move |initial| (tap, initial)));
        let numbers = (0..pixels).flat_map(|at| columns.clone().map(move |(tap, initial)| (at, tap, initial)));
        let numbers = numbers.map(|(at, tap, initial)| if reads(at, tap, initial) { 1.0 } else { 0.0 }).collect();
        let reads = Self::put(numbers, [pixels, taps * initials], &dx);
        let sum = B::float_reshape(B::float_sum_dim(dx, 0), [4 * hidden, pixels].into());
        let sum = B::float_reshape(B::float_matmul(sum, reads), [4 * hidden * taps, initials].into());
        let weight = B::float_reshape(self.weight.clone(), [4 * hidden, hidden, taps].into());
        let weight = B::float_reshape(B::float_permute(weight, &[1, 0, 2]), [hidden, 4 * hidden * taps].into());
        B::float_swap_dims(B::float_matmul(weight, sum), 0, 1)
    }

    /// Gradient of the initial `c`, given the cell gradients that pixels pass on, in wave order.
    fn of_initial_c(&self, dc: FloatTensor<B>) -> FloatTensor<B> {
        let Sizes { hidden, pixels, initials, .. } = self.sizes;
        let continues = |at: usize, initial: usize| self.plan.cells[at] == pixels + 1 + initial;
        let numbers = self.plan.order.iter().flat_map(|&at| (0..initials).map(move |initial| (at, initial)));
        let numbers = numbers.map(|(at, initial)| if continues(at, initial) { 1.0 } else { 0.0 }).collect();
        let continues = Self::put(numbers, [pixels, initials], &dc);
        let sum = B::float_reshape(B::float_sum_dim(dc, 0), [hidden, pixels].into());
        B::float_swap_dims(B::float_matmul(sum, continues), 0, 1)
    }
}

fn scan<B: ScanKernels + ConvGradients>(
    x: &FloatTensor<B>,
    weight: FloatTensor<B>,
    initial_h: FloatTensor<B>,
    initial_c: FloatTensor<B>,
    plan: Arc<Plan>,
) -> Scan<B> {
    let shape = x.shape();
    let tables = gpu::tables(&plan);
    let count = tables.len();
    let tables = B::int_from_data(TensorData::new(tables, [count]), &x.device());
    let sizes = Sizes::new(&plan, shape[1] / 4);
    Scan { weight, initial_h, initial_c, tables, plan, sizes, shape }
}

impl ScanOps for CubeBackend {
    fn lstm_scan_gpu(
        x: CubeTensor,
        weight: CubeTensor,
        initial_h: CubeTensor,
        initial_c: CubeTensor,
        plan: Arc<Plan>,
    ) -> CubeTensor {
        let scan = scan::<Self>(&x, weight, initial_h, initial_c, plan);
        Self::float_reshape(scan.run(x).h, output(&scan.shape))
    }
}

#[derive(Debug)]
struct ScanBackward;

#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    scan: Scan<B>,
    states_h: FloatTensor<B>,
    states_c: FloatTensor<B>,
    gates: FloatTensor<B>,
}

impl<B: ScanKernels + ConvGradients> Backward<B, 4> for ScanBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Saved<B>, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Saved { scan, states_h, states_c, gates } = ops.state;
        let Sizes { hidden, pixels, .. } = scan.sizes;
        let dh = grads.consume::<B>(&ops.node);
        let dh = B::float_reshape(dh, [scan.shape[0], hidden, pixels].into());
        let (dx, dc) = B::scan_backward(scan.by_gates([2, 3, 1]), states_c, gates, dh, scan.tables.clone(), scan.sizes);
        let [x, weight, initial_h, initial_c] = ops.parents;
        if let Some(node) = weight {
            grads.register::<B>(node.id, scan.of_weight(states_h, dx.clone()));
        }
        if let Some(node) = initial_h {
            grads.register::<B>(node.id, scan.of_initial_h(dx.clone()));
        }
        if let Some(node) = initial_c {
            grads.register::<B>(node.id, scan.of_initial_c(dc));
        }
        if let Some(node) = x {
            grads.register::<B>(node.id, B::float_reshape(dx, scan.shape));
        }
    }
}

impl<B: ScanKernels + ConvGradients, C: CheckpointStrategy> ScanOps for Autodiff<B, C> {
    fn lstm_scan_gpu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        initial_h: FloatTensor<Self>,
        initial_c: FloatTensor<Self>,
        plan: Arc<Plan>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), initial_h.node(), initial_c.node()];
        let [x, weight, initial_h, initial_c] = [&x, &weight, &initial_h, &initial_c].map(|t| t.primitive().clone());
        let scan = scan::<B>(&x, weight, initial_h, initial_c, plan);
        let Scanned { h, states_h, states_c, gates } = scan.run(x);
        let h = B::float_reshape(h, output(&scan.shape));
        match ScanBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { scan, states_h, states_c, gates }, h),
            OpsKind::UnTracked(prepared) => prepared.finish(h),
        }
    }
}

/// Scans gates `x` `[N, 4 · hidden, H, W]`.
pub(super) fn lstm_scan(
    x: Tensor<4>,
    weight: Tensor<4>,
    initial_h: Tensor<2>,
    initial_c: Tensor<2>,
    plan: Arc<Plan>,
) -> Tensor<4> {
    let h = Dispatch::lstm_scan_gpu(
        x.into_dispatch(),
        weight.into_dispatch(),
        initial_h.into_dispatch(),
        initial_c.into_dispatch(),
        plan,
    );
    Tensor::from_dispatch(h)
}
