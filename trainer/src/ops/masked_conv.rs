//! Masked convolution.

use super::{Context, Path};
use burn::prelude::*;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use pixelrnn::network::MaskedConv;

/// A masked convolution with data precomputed for its path.
#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    conv: MaskedConv,
    #[cfg(feature = "flex")]
    geometry: std::sync::Arc<super::geometry::Geometry>,
}

impl Convolution {
    pub(crate) fn new(conv: MaskedConv) -> Self {
        Self {
            conv,
            #[cfg(feature = "flex")]
            geometry: super::geometry::Geometry::new(conv).into(),
        }
    }
}

/// Tensors of a masked convolution, as in the trained-model file.
pub(crate) struct ConvTensors {
    pub weight: Tensor<4>,
    pub bias: Option<Tensor<1>>,
    /// `[outputs, classes]`.
    pub class: Option<Tensor<2>>,
}

impl ConvTensors {
    /// Bias per image: `[1, outputs]`, or `[N, outputs]` if class-conditional.
    fn bias(&self, context: &Context, outputs: usize) -> Tensor<2> {
        let bias = match &self.bias {
            Some(bias) => bias.clone().reshape([1, outputs]),
            None => Tensor::zeros([1, outputs], &self.weight.device()),
        };
        match (&self.class, &context.labels) {
            (Some(class), Some(labels)) => bias + class.clone().transpose().select(0, labels.clone()),
            _ => bias,
        }
    }
}

/// Convolves `x`, after a ReLU if `relu`.
pub(crate) fn masked_conv(
    context: &Context,
    x: Tensor<4>,
    tensors: ConvTensors,
    convolution: &Convolution,
    relu: bool,
) -> Tensor<4> {
    let conv = &convolution.conv;
    let bias = tensors.bias(context, conv.outputs.count);
    match context.path {
        #[cfg(feature = "flex")]
        Path::Fast => super::conv::masked_conv(x, tensors.weight, bias, convolution.geometry.clone(), relu),
        #[cfg(feature = "gpu")]
        Path::Gpu => super::conv_gpu::masked_conv(x, tensors.weight, bias, conv, relu),
        Path::Stock => stock(x, tensors.weight, bias, conv, relu),
    }
}

fn stock(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, conv: &MaskedConv, relu: bool) -> Tensor<4> {
    let (inputs, outputs, [kh, kw]) = (conv.inputs.count, conv.outputs.count, conv.kernel);
    let mut mask = Vec::with_capacity(outputs * inputs * kh * kw);
    for o in 0..outputs {
        for c in 0..inputs {
            for u in 0..kh {
                for v in 0..kw {
                    mask.push(if conv.open(u, v, c, o) { 1.0_f32 } else { 0.0 });
                }
            }
        }
    }
    let mask = Tensor::from_data(TensorData::new(mask, [outputs, inputs, kh, kw]), &weight.device());
    let x = if relu { burn::tensor::activation::relu(x) } else { x };
    // Kernel rows below the centre are closed. Keeping them simplifies the shapes.
    let (up, left) = (kh / 2 * conv.dilation, kw / 2 * conv.dilation);
    let (down, right) = ((kh - 1 - kh / 2) * conv.dilation, (kw - 1 - kw / 2) * conv.dilation);
    let x = if kh * kw > 1 { x.pad([(up, down), (left, right)], 0.0) } else { x };
    let options = ConvOptions::new([1, 1], [0, 0], [conv.dilation, conv.dilation], 1);
    let [n, _] = bias.dims();
    conv2d(x, weight * mask, None, options) + bias.reshape([n, outputs, 1, 1])
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    #[cfg(feature = "wgpu")]
    use crate::back_end::BackEnd;
    use crate::test_nets::{close, conv_cases, numbers};
    use burn::tensor::Tensor;

    /// Output, and gradients of a weighted output sum for x, weight and bias.
    fn run(
        conv: &MaskedConv,
        [h, w]: [usize; 2],
        relu: bool,
        per_image: bool,
        (path, device): (Path, &Device),
    ) -> Vec<Vec<f32>> {
        let (device, n) = (device.clone().autodiff(), 3);
        let (inputs, outputs, [kh, kw]) = (conv.inputs.count, conv.outputs.count, conv.kernel);
        let put = |seed: u64, count: usize| {
            Tensor::<1>::from_data(TensorData::new(numbers(seed, count), [count]), &device).require_grad()
        };
        let x = put(1, n * h * w * inputs);
        let weight = put(2, outputs * inputs * kh * kw);
        let bias = put(3, outputs);
        let class = put(4, outputs * 2);
        let labels = per_image.then(|| Tensor::from_data(TensorData::new(vec![1_i32, 0, 1], [3]), &device));
        let context = Context { path, labels };
        let image = x.clone().reshape([n, h, w, inputs]);
        let image = if path.is_fast() { image } else { image.permute([0, 3, 1, 2]) };
        let tensors = ConvTensors {
            weight: weight.clone().reshape([outputs, inputs, kh, kw]),
            bias: Some(bias.clone()),
            class: per_image.then(|| class.clone().reshape([outputs, 2])),
        };
        let y = masked_conv(&context, image, tensors, &Convolution::new(*conv), relu);
        let y = if path.is_fast() { y } else { y.permute([0, 2, 3, 1]) };
        let factors = numbers(5, n * h * w * outputs);
        let factors = Tensor::from_data(TensorData::new(factors, [n, h, w, outputs]), &device);
        let grads = (y.clone() * factors).sum().backward();
        let mut all = vec![y.into_data().try_to_vec::<f32>().unwrap()];
        for leaf in [&x, &weight, &bias, &class] {
            all.extend(leaf.grad(&grads).map(|g| g.into_data().try_to_vec::<f32>().unwrap()));
        }
        all
    }

    /// Compares `path` on `device` with stock operations on the CPU.
    fn is_stock(conv: &MaskedConv, size: [usize; 2], path: Path, device: &Device) {
        for (relu, per_image) in [(false, false), (true, false), (false, true)] {
            let got = run(conv, size, relu, per_image, (path, device));
            let stock = run(conv, size, relu, per_image, (Path::Stock, &Device::flex()));
            assert_eq!(got.len(), if per_image { 5 } else { 4 });
            for (got, stock) in got.iter().zip(&stock) {
                close(got, stock, 1e-5, conv);
            }
        }
    }

    #[test]
    fn fast_is_stock() {
        for conv in conv_cases() {
            is_stock(&conv, [6, 5], Path::Fast, &Device::flex());
        }
    }

    /// Wide enough to exercise every way in which GPU threads share outputs, inputs and pixels.
    #[test]
    #[cfg(feature = "wgpu")]
    fn a_gpu_is_stock() {
        use pixelrnn::network::{ColourGroups, Features, Mask, Presence};
        let gpu = BackEnd::gpu();
        let plain = |count| Features { count, groups: 1, parts: 1, order: ColourGroups::Cyclic };
        let wide = |mask, [inputs, outputs]: [usize; 2], side| MaskedConv {
            mask,
            kernel: [side, side],
            dilation: 1,
            inputs: plain(inputs),
            outputs: plain(outputs),
            bias: Presence::Required,
            class: Presence::Absent,
        };
        let wide = [
            wide(Mask::A, [1, 72], 7),
            wide(Mask::A, [2, 3], 1),
            wide(Mask::B, [260, 130], 3),
            wide(Mask::B, [131, 3], 1),
            wide(Mask::B, [20, 40], 1),
        ];
        for conv in conv_cases().into_iter().chain(wide) {
            is_stock(&conv, [13, 11], Path::Gpu, gpu.first());
        }
        is_stock(&conv_cases()[0], [1, 1], Path::Gpu, gpu.first());
    }
}
