//! `(x - running_mean) / sqrt(running_var + eps) * weight + bias`.

use super::{Map, Weights};

#[derive(Clone, Debug)]
pub(super) struct BatchNorm {
    eps: f64,
    weight: Vec<f64>,
    bias: Vec<f64>,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl BatchNorm {
    pub(super) fn new(eps: f32, weights: &Weights) -> Self {
        Self {
            eps: f64::from(eps),
            weight: weights.required("weight"),
            bias: weights.required("bias"),
            mean: weights.required("running_mean"),
            variance: weights.required("running_var"),
        }
    }

    pub(super) fn apply(&self, x: &Map) -> Map {
        let mut y = x.clone();
        for (c, plane) in y.data.chunks_exact_mut(x.height * x.width).enumerate() {
            let deviation = (self.variance[c] + self.eps).sqrt();
            for value in plane {
                *value = (*value - self.mean[c]) / deviation * self.weight[c] + self.bias[c];
            }
        }
        y
    }
}
