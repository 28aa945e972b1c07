//! Transposed convolution with a square kernel: the adjoint of a convolution with a stride.

use super::{Map, Weights};
use pixelrnn::network::ConvTranspose as Definition;

#[derive(Clone, Debug)]
pub(super) struct ConvTranspose {
    definition: Definition,
    /// `[in, out, k, k]`.
    weight: Vec<f64>,
    bias: Option<Vec<f64>>,
}

impl ConvTranspose {
    pub(super) fn new(definition: &Definition, weights: &Weights) -> Self {
        Self { definition: *definition, weight: weights.required("weight"), bias: weights.optional("bias") }
    }

    pub(super) fn apply(&self, x: &Map) -> Map {
        let Definition { kernel, stride, outputs, .. } = self.definition;
        let padding = self.definition.padding();
        let (channels, height, width) = (outputs.count, x.height * stride, x.width * stride);
        let mut y = Map::zeros(channels, height, width);
        for (to, plane) in y.data.chunks_exact_mut(height * width).enumerate() {
            plane.fill(self.bias.as_ref().map_or(0.0, |bias| bias[to]));
        }
        // Row or column of the output that tap `k` of row or column `at` adds to.
        let target = |at: usize, k: usize, size: usize| (at * stride + k).checked_sub(padding).filter(|i| *i < size);
        for (weights, from) in self.weight.chunks_exact(channels * kernel * kernel).zip(0..) {
            for (to, weights) in weights.chunks_exact(kernel * kernel).enumerate() {
                for (r, s) in (0..x.height).flat_map(|r| (0..x.width).map(move |s| (r, s))) {
                    let value = x.at(from, r, s);
                    for (u, weights) in weights.chunks_exact(kernel).enumerate() {
                        let Some(i) = target(r, u, height) else { continue };
                        for (v, weight) in weights.iter().enumerate() {
                            let Some(j) = target(s, v, width) else { continue };
                            let index = y.index(to, i, j);
                            y.data[index] += weight * value;
                        }
                    }
                }
            }
        }
        y
    }
}
