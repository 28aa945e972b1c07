//! Masked convolution.

use super::{Context, Path};
use burn::prelude::*;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use pixelrnn::model::MaskedConv;

/// A masked convolution, and what can be known of it before it runs.
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
    /// The bias that each image gets: `[1, outputs]`, or `[N, outputs]` where it depends on the class.
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

/// Convolves `x`, or its positive part if `relu`.
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
    // The rows of the kernel below the centre are closed, but leaving them in keeps the shapes plain.
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
    use crate::test_nets::{close, conv_cases, numbers};
    use burn::tensor::Tensor;

    /// Output and the gradients for x, weight and bias of a weighted sum of the outputs.
    fn run(conv: &MaskedConv, relu: bool, path: Path, per_image: bool) -> Vec<Vec<f32>> {
        let device = Device::flex().autodiff();
        let (n, h, w) = (3, 6, 5);
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
        let image = if path == Path::Stock { image.permute([0, 3, 1, 2]) } else { image };
        let tensors = ConvTensors {
            weight: weight.clone().reshape([outputs, inputs, kh, kw]),
            bias: Some(bias.clone()),
            class: per_image.then(|| class.clone().reshape([outputs, 2])),
        };
        let y = masked_conv(&context, image, tensors, &Convolution::new(*conv), relu);
        let y = if path == Path::Stock { y.permute([0, 2, 3, 1]) } else { y };
        let factors = numbers(5, n * h * w * outputs);
        let factors = Tensor::from_data(TensorData::new(factors, [n, h, w, outputs]), &device);
        let grads = (y.clone() * factors).sum().backward();
        let mut all = vec![y.into_data().try_to_vec::<f32>().unwrap()];
        for leaf in [&x, &weight, &bias, &class] {
            all.extend(leaf.grad(&grads).map(|g| g.into_data().try_to_vec::<f32>().unwrap()));
        }
        all
    }

    #[test]
    fn fast_is_stock() {
        for conv in conv_cases() {
            for (relu, per_image) in [(false, false), (true, false), (false, true)] {
                let fast = run(&conv, relu, Path::Fast, per_image);
                let stock = run(&conv, relu, Path::Stock, per_image);
                assert_eq!(fast.len(), if per_image { 5 } else { 4 });
                for (fast, stock) in fast.iter().zip(&stock) {
                    close(fast, stock, 1e-5, &conv);
                }
            }
        }
    }
}
