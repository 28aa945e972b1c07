//! Masked convolution of a batch on the CPU, forward and backward, on plain slices.

use super::geometry::{Geometry, Rows};
use crate::kernels::{Forward, Isa, WeightGradient};
use rayon::prelude::*;

/// Images whose weight gradients are summed before those sums are added up: a fixed number, so that the result does
/// not depend on how many threads there are.
const IMAGES_A_SUM: usize = 2;

/// A batch `[images, height, width, features]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub images: usize,
    pub height: usize,
    pub width: usize,
}

impl Batch {
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// Gradients of a convolution.
pub(super) struct Gradients {
    /// For the input; empty where it was not asked for.
    pub x: Vec<f32>,
    /// `[outputs, inputs, kernel rows, kernel columns]`, 0 where the mask is closed.
    pub weight: Vec<f32>,
    /// Of each image on its own, `[images, outputs]`.
    pub bias: Vec<f32>,
}

fn positive(x: f32) -> f32 {
    x.max(0.0)
}

/// The input of one image as the kernel reads it: padded, and through a ReLU if there is one.
fn prepare<'a>(
    image: &'a [f32],
    width: usize,
    features: usize,
    rows: &Rows,
    relu: bool,
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    if relu {
        rows.padding.apply(image, width, features, buffer, positive);
        buffer
    } else if rows.padding.none() {
        image
    } else {
        rows.padding.apply(image, width, features, buffer, |x| x);
        buffer
    }
}

/// Convolves `x`, or its positive part if `relu`, with `weight` `[outputs, inputs, kernel rows, kernel columns]`; `bias` is
/// `[1, outputs]` or `[images, outputs]`.
pub(super) fn forward(
    isa: Isa,
    geometry: &Geometry,
    batch: Batch,
    relu: bool,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let conv = geometry.conv();
    let (inputs, outputs, [kh, kw]) = (conv.inputs.count, conv.outputs.count, conv.kernel);
    let stride = isa.pad(outputs);
    let rows = geometry.forward(batch.width);
    let mut weights = vec![0.0; rows.sources.len() * stride];
    for (row, &(u, v, c)) in weights.chunks_exact_mut(stride).zip(&rows.sources) {
        for o in (0..outputs).filter(|&o| conv.open(u, v, c, o)) {
            row[o] = weight[((o * inputs + c) * kh + u) * kw + v];
        }
    }
    let mut y = vec![0.0; batch.images * batch.pixels() * outputs];
    y.par_chunks_mut(batch.pixels() * outputs).zip(x.par_chunks(batch.pixels() * inputs)).enumerate().for_each_init(
        Vec::new,
        |buffer, (n, (y, x))| {
            let x = prepare(x, batch.width, inputs, &rows, relu, buffer);
            let mut padded_bias = vec![0.0; stride];
            padded_bias[..outputs].copy_from_slice(if bias.len() == outputs {
                bias
            } else {
                &bias[n * outputs..(n + 1) * outputs]
            });
            isa.forward(&mut Forward {
                x,
                offsets: &rows.offsets,
                step: inputs,
                row_step: rows.padding.padded(batch.width) * inputs,
                weights: &weights,
                stride,
                bias: &padded_bias,
                rows: batch.height,
                columns: batch.width,
                outputs,
                y,
            });
        },
    );
    y
}

/// Gradients of [`forward`], given that of its output.
pub(super) fn backward(
    isa: Isa,
    geometry: &Geometry,
    batch: Batch,
    relu: bool,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    need_x: bool,
) -> Gradients {
    let conv = geometry.conv();
    let (inputs, outputs, [kh, kw]) = (conv.inputs.count, conv.outputs.count, conv.kernel);
    let at = |o: usize, c: usize, u: usize, v: usize| ((o * inputs + c) * kh + u) * kw + v;
    let stride = isa.pad(outputs);
    let rows = geometry.forward(batch.width);
    let pixels = batch.pixels();

    let transposed = geometry.transposed(batch.width);
    let x_stride = isa.pad(inputs);
    let mut weights = Vec::new();
    if need_x {
        weights.resize(transposed.sources.len() * x_stride, 0.0);
        for (row, &(u, v, o)) in weights.chunks_exact_mut(x_stride).zip(&transposed.sources) {
            for c in (0..inputs).filter(|&c| conv.open(u, v, c, o)) {
                row[c] = weight[at(o, c, u, v)];
            }
        }
    }
    let no_bias = vec![0.0; x_stride];

    let mut dx = vec![0.0; if need_x { x.len() } else { 0 }];
    let mut dx_parts: Vec<&mut [f32]> = dx.chunks_mut(IMAGES_A_SUM * pixels * inputs).collect();
    dx_parts.resize_with(batch.images.div_ceil(IMAGES_A_SUM), Default::default);
    let mut bias = vec![0.0; batch.images * outputs];
    let sums: Vec<Vec<f32>> = dx_parts
        .into_par_iter()
        .zip(bias.par_chunks_mut(IMAGES_A_SUM * outputs))
        .enumerate()
        .map_init(
            || (Vec::new(), Vec::new()),
            |(buffer, dy_buffer), (part, (mut dx, bias))| {
                let mut gradient = vec![0.0; rows.sources.len() * stride];
                for (n, bias) in (part * IMAGES_A_SUM..).zip(bias.chunks_exact_mut(outputs)) {
                    let x = &x[n * pixels * inputs..(n + 1) * pixels * inputs];
                    let dy = &dy[n * pixels * outputs..(n + 1) * pixels * outputs];
                    let mut bias_sum = vec![0.0; stride];
                    isa.weight_gradient(&mut WeightGradient {
                        x: prepare(x, batch.width, inputs, &rows, relu, buffer),
                        offsets: &rows.offsets,
                        step: inputs,
                        row_step: rows.padding.padded(batch.width) * inputs,
                        dy,
                        rows: batch.height,
                        columns: batch.width,
                        outputs,
                        stride,
                        gradient: &mut gradient,
                        bias: &mut bias_sum,
                    });
                    bias.copy_from_slice(&bias_sum[..outputs]);
                    if need_x {
                        let (to, rest) = dx.split_at_mut(pixels * inputs);
                        isa.forward(&mut Forward {
                            x: prepare(dy, batch.width, outputs, &transposed, false, dy_buffer),
                            offsets: &transposed.offsets,
                            step: outputs,
                            row_step: transposed.padding.padded(batch.width) * outputs,
                            weights: &weights,
                            stride: x_stride,
                            bias: &no_bias,
                            rows: batch.height,
                            columns: batch.width,
                            outputs: inputs,
                            y: to,
                        });
                        if relu {
                            for (dx, &x) in to.iter_mut().zip(x) {
                                *dx = if x > 0.0 { *dx } else { 0.0 };
                            }
                        }
                        dx = rest;
                    }
                }
                gradient
            },
        )
        .collect();

    let mut total = vec![0.0; rows.sources.len() * stride];
    for sum in sums {
        for (total, part) in total.iter_mut().zip(sum) {
            *total += part;
        }
    }
    let mut gradient = vec![0.0; weight.len()];
    for (row, &(u, v, c)) in total.chunks_exact(stride).zip(&rows.sources) {
        for o in (0..outputs).filter(|&o| conv.open(u, v, c, o)) {
            gradient[at(o, c, u, v)] = row[o];
        }
    }
    Gradients { x: dx, weight: gradient, bias }
}
