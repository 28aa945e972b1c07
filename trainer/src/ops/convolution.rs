//! Convolution, masked or not.

use super::{Context, Path};
use burn::prelude::*;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use pixelrnn::network::Conv;
use std::ops::Range;

/// A convolution with data precomputed for its path.
#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    conv: Conv,
    #[cfg(feature = "flex")]
    geometry: std::sync::Arc<super::geometry::Geometry>,
}

impl Convolution {
    /// `conv` over images of at most the `size` (height, width).
    #[cfg_attr(not(feature = "flex"), allow(unused_variables))]
    pub(crate) fn new(conv: &Conv, size: [usize; 2]) -> Self {
        Self {
            conv: *conv,
            #[cfg(feature = "flex")]
            geometry: super::geometry::Geometry::new(conv, size).into(),
        }
    }
}

/// Tensors of a convolution, as in the trained-model file.
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
pub(crate) fn convolve(
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
        Path::Fast => super::conv::convolve(x, tensors.weight, bias, convolution.geometry.clone(), relu),
        #[cfg(feature = "gpu")]
        Path::Gpu => match crate::gpu::Conv::new(conv, [x.dims()[2], x.dims()[3]], relu) {
            Some(conv) => super::conv_gpu::convolve(x, tensors.weight, bias, conv),
            None => stock(x, tensors.weight, bias, conv, relu),
        },
        Path::Stock => stock(x, tensors.weight, bias, conv, relu),
    }
}

/// Kernel indices along one direction that read inside an image of `side` pixels, from the pixel at `anchor` taps.
fn inside(kernel: usize, anchor: usize, dilation: usize, side: usize) -> Range<usize> {
    let reach = (side - 1) / dilation;
    let start = anchor.saturating_sub(reach).min(kernel);
    start..(anchor + reach + 1).min(kernel)
}

fn stock(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, conv: &Conv, relu: bool) -> Tensor<4> {
    let ([batch, _, height, width], [n, outputs]) = (x.dims(), bias.dims());
    let bias = bias.reshape([n, outputs, 1, 1]);
    let Conv { kernel: [kh, kw], anchor: [row, column], dilation, .. } = *conv;
    // Only the taps that read inside the image: an anchor may lie far outside the kernel.
    let (rows, columns) = (inside(kh, row, dilation, height), inside(kw, column, dilation, width));
    if rows.is_empty() || columns.is_empty() {
        return bias.expand([batch, outputs, height, width]);
    }
    let inputs = conv.inputs.count;
    let mut mask = Vec::with_capacity(outputs * inputs * rows.len() * columns.len());
    for o in 0..outputs {
        for c in 0..inputs {
            for u in rows.clone() {
                for v in columns.clone() {
                    mask.push(if conv.open(u, v, c, o) { 1.0_f32 } else { 0.0 });
                }
            }
        }
    }
    let mask = TensorData::new(mask, [outputs, inputs, rows.len(), columns.len()]);
    let mask = Tensor::from_data(mask, &weight.device());
    let weight = weight.narrow(2, rows.start, rows.len()).narrow(3, columns.start, columns.len());
    let x = if relu { burn::tensor::activation::relu(x) } else { x };
    // Farthest taps before and after the pixel, in pixels. Kernel rows below the pixel may be closed; keeping them
    // simplifies the shapes.
    let reach = |taps: &Range<usize>, anchor: usize| {
        (anchor.saturating_sub(taps.start) * dilation, (taps.end - 1).saturating_sub(anchor) * dilation)
    };
    let (across, along) = (reach(&rows, row), reach(&columns, column));
    let x = if across == (0, 0) && along == (0, 0) { x } else { x.pad([across, along], 0.0) };
    let y = conv2d(x, weight * mask, None, ConvOptions::new([1, 1], [0, 0], [dilation, dilation], 1));
    // An anchor outside the kernel leaves rows below and columns to the right of the image.
    let [_, _, made_rows, made_columns] = y.dims();
    let y = if made_rows > height { y.narrow(2, 0, height) } else { y };
    let y = if made_columns > width { y.narrow(3, 0, width) } else { y };
    y + bias
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
        conv: &Conv,
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
        let image = x.clone().reshape([n, h, w, inputs]);
        let context = Context { path, labels, levels: image.clone() };
        let image = if path.is_fast() { image } else { image.permute([0, 3, 1, 2]) };
        let tensors = ConvTensors {
            weight: weight.clone().reshape([outputs, inputs, kh, kw]),
            bias: Some(bias.clone()),
            class: per_image.then(|| class.clone().reshape([outputs, 2])),
        };
        let y = convolve(&context, image, tensors, &Convolution::new(conv, [h, w]), relu);
        let y = if path.is_fast() { y } else { y.permute([0, 2, 3, 1]) };
        let factors = numbers(5, n * h * w * outputs);
        let factors = Tensor::from_data(TensorData::new(factors, [n, h, w, outputs]), &device);
        let grads = (y.clone() * factors).sum().backward();
        let mut all = vec![y.into_data().try_to_vec::<f32>().unwrap()];
        for leaf in [&x, &weight, &bias].into_iter().chain(per_image.then_some(&class)) {
            // Nothing depends on the input if no tap reads inside the image.
            let gradient = leaf.grad(&grads).unwrap_or_else(|| leaf.clone().inner().zeros_like());
            all.push(gradient.into_data().try_to_vec::<f32>().unwrap());
        }
        all
    }

    /// Compares `path` on `device` with stock operations on the CPU.
    fn is_stock(conv: &Conv, size: [usize; 2], path: Path, device: &Device) {
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
        use crate::test_nets::conv_of;
        use pixelrnn::network::{ColourGroups, Features, Mask};
        let gpu = BackEnd::gpu();
        let plain = |count| Features::dealt(count, 1, 1, ColourGroups::Cyclic).unwrap();
        let wide = |mask, [inputs, outputs]: [usize; 2], side| {
            conv_of(Some(mask), [side, side], Conv::centre([side, side]), 1, &plain(inputs), &plain(outputs))
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
