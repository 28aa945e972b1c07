//! Convolution of a batch on the CPU, forward and backward, on slices.

use super::geometry::{Geometry, Matrix};
use crate::kernels::{Forward, Isa, WeightGradient};
use rayon::prelude::*;

/// Images per partial sum of weight gradients. A fixed number, so that the result is independent of the number of
/// threads.
const IMAGES_A_SUM: usize = 4;

/// A batch `[images, height, width, features]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    pub images: usize,
    pub height: usize,
    pub width: usize,
}

impl Batch {
    fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// Inputs of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs<'a> {
    /// `[images, height, width, inputs]`.
    pub x: &'a [f32],
    /// True if a ReLU is applied to `x` first.
    pub relu: bool,
    /// `[outputs, inputs, kernel rows, kernel columns]`.
    pub weight: &'a [f32],
}

/// Gradients of a convolution.
pub(super) struct Gradients {
    /// For the input. Empty if not requested.
    pub x: Vec<f32>,
    /// For the weights, in their layout. Zero for closed taps.
    pub weight: Vec<f32>,
    /// For each image's bias, `[images, outputs]`.
    pub bias: Vec<f32>,
}

/// A matrix prepared for images of a fixed width.
struct Ready<'a> {
    matrix: &'a Matrix,
    offsets: Vec<usize>,
    batch: Batch,
}

impl<'a> Ready<'a> {
    fn new(matrix: &'a Matrix, batch: Batch) -> Self {
        Self { matrix, offsets: matrix.offsets(batch.width), batch }
    }

    /// Prepares the kernel's input for one image: padding, and a ReLU if requested.
    fn prepare<'b>(&self, image: &'b [f32], relu: bool, buffer: &'b mut Vec<f32>) -> &'b [f32] {
        let (padding, width, features) = (self.matrix.padding, self.batch.width, self.matrix.inputs());
        if relu {
            padding.apply(image, width, features, buffer, |x| x.max(0.0));
            buffer
        } else if padding.is_zero() {
            image
        } else {
            padding.apply(image, width, features, buffer, |x| x);
            buffer
        }
    }

    /// Stride between pixel rows of the kernel's input, in floats.
    fn row_step(&self) -> usize {
        self.matrix.padding.padded(self.batch.width) * self.matrix.inputs()
    }

    /// Convolves one prepared image with packed weights.
    fn convolve(&self, isa: Isa, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [f32]) {
        isa.forward(&mut Forward {
            x,
            offsets: &self.offsets,
            step: self.matrix.inputs(),
            row_step: self.row_step(),
            weights,
            stride: bias.len(),
            bias,
            rows: self.batch.height,
            columns: self.batch.width,
            outputs: self.matrix.outputs(),
            y,
        });
    }
}

/// Convolves `inputs` with `bias` `[1, outputs]` or `[images, outputs]`.
pub(super) fn forward(isa: Isa, geometry: &Geometry, batch: Batch, inputs: Inputs, bias: &[f32]) -> Vec<f32> {
    let ready = Ready::new(&geometry.forward, batch);
    let outputs = ready.matrix.outputs();
    let stride = isa.pad(outputs);
    let weights = ready.matrix.pack(inputs.weight, stride);
    let mut y = vec![0.0; batch.images * batch.pixels() * outputs];
    y.par_chunks_mut(batch.pixels() * outputs)
        .zip(inputs.x.par_chunks(batch.pixels() * ready.matrix.inputs()))
        .enumerate()
        .for_each_init(Vec::new, |buffer, (n, (y, x))| {
            let mut padded_bias = vec![0.0; stride];
            let n = if bias.len() == outputs { 0 } else { n };
            padded_bias[..outputs].copy_from_slice(&bias[n * outputs..(n + 1) * outputs]);
            ready.convolve(isa, ready.prepare(x, inputs.relu, buffer), &weights, &padded_bias, y);
        });
    y
}

/// Gradients of [`forward`], given the output gradient.
pub(super) fn backward(
    isa: Isa,
    geometry: &Geometry,
    batch: Batch,
    inputs: Inputs,
    dy: &[f32],
    need_x: bool,
) -> Gradients {
    let ready = Ready::new(&geometry.forward, batch);
    let (x_size, y_size) = (batch.pixels() * ready.matrix.inputs(), batch.pixels() * ready.matrix.outputs());
    let (stride, outputs) = (isa.pad(ready.matrix.outputs()), ready.matrix.outputs());

    let turned = Ready::new(&geometry.transposed, batch);
    let turned_stride = isa.pad(turned.matrix.outputs());
    let turned_weights = if need_x { turned.matrix.pack(inputs.weight, turned_stride) } else { Vec::new() };
    let no_bias = vec![0.0; turned_stride];

    let mut dx = vec![0.0; if need_x { inputs.x.len() } else { 0 }];
    let mut dx_parts: Vec<&mut [f32]> = dx.chunks_mut(IMAGES_A_SUM * x_size).collect();
    dx_parts.resize_with(batch.images.div_ceil(IMAGES_A_SUM), Default::default);
    let mut bias = vec![0.0; batch.images * outputs];
    let sums: Vec<Vec<f32>> = dx_parts
        .into_par_iter()
        .zip(bias.par_chunks_mut(IMAGES_A_SUM * outputs))
        .enumerate()
        .map(|(part, (dx, bias))| {
            let mut gradient = vec![0.0; ready.matrix.len() * stride];
            let (mut buffer, mut turned_buffer) = (Vec::new(), Vec::new());
            let mut dx = dx.chunks_exact_mut(x_size);
            for (n, bias) in (part * IMAGES_A_SUM..).zip(bias.chunks_exact_mut(outputs)) {
                let x = &inputs.x[n * x_size..(n + 1) * x_size];
                let dy = &dy[n * y_size..(n + 1) * y_size];
                let mut bias_sum = vec![0.0; stride];
                isa.weight_gradient(&mut WeightGradient {
                    x: ready.prepare(x, inputs.relu, &mut buffer),
                    offsets: &ready.offsets,
                    step: ready.matrix.inputs(),
                    row_step: ready.row_step(),
                    dy,
                    rows: batch.height,
                    columns: batch.width,
                    outputs,
                    stride,
                    gradient: &mut gradient,
                    bias: &mut bias_sum,
                });
                bias.copy_from_slice(&bias_sum[..outputs]);
                if let Some(dx) = dx.next() {
                    let dy = turned.prepare(dy, false, &mut turned_buffer);
                    turned.convolve(isa, dy, &turned_weights, &no_bias, dx);
                    if inputs.relu {
                        dx.iter_mut().zip(x).for_each(|(dx, &x)| *dx = if x > 0.0 { *dx } else { 0.0 });
                    }
                }
            }
            gradient
        })
        .collect();

    let mut sums = sums.into_iter();
    let mut total = sums.next().unwrap_or_default();
    for sum in sums {
        total.iter_mut().zip(sum).for_each(|(total, part)| *total += part);
    }
    Gradients { x: dx, weight: ready.matrix.unpack(&total, stride, inputs.weight.len()), bias }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_nets::{close, conv_cases, numbers};

    #[test]
    fn every_instruction_set_gives_the_same() {
        for conv in conv_cases() {
            let (inputs, outputs) = (conv.inputs.count, conv.outputs.count);
            // Row lengths below and above the kernels' block sizes, and not multiples of them.
            for (height, width) in [(5, 3), (4, 17), (2, 31)] {
                let geometry = Geometry::new(&conv, [height, width]);
                let batch = Batch { images: 5, height, width };
                let x = numbers(1, 5 * height * width * inputs);
                let weight = numbers(2, outputs * inputs * conv.kernel[0] * conv.kernel[1]);
                let bias = numbers(3, outputs);
                let dy = numbers(4, 5 * height * width * outputs);
                let inputs = Inputs { x: &x, relu: width == 17, weight: &weight };
                let all = |isa| {
                    let y = forward(isa, &geometry, batch, inputs, &bias);
                    let d = backward(isa, &geometry, batch, inputs, &dy, true);
                    [y, d.x, d.weight, d.bias]
                };
                let mut results = Isa::all().into_iter().map(|isa| (isa, all(isa)));
                let (_, portable) = results.next().unwrap();
                for (isa, result) in results {
                    for (got, expected) in result.iter().zip(&portable) {
                        close(got, expected, 1e-5, &(isa, conv, width));
                    }
                }
            }
        }
    }
}
