//! 1x1 convolution of a conditioning map, added to the gates of an LSTM.

use super::masked_conv::add_scaled;
use super::{Map, Weights};
use pixelrnn::network::Features;

#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// `[4h, features]`.
    weight: Vec<f64>,
    features: usize,
}

impl Condition {
    /// Loads the tensor `condition.weight` with the prefix `part`, if the op has a condition.
    pub(super) fn new(features: Option<Features>, weights: &Weights, part: &str) -> Option<Self> {
        let features = features?.count;
        Some(Self { weight: weights.required(&format!("{part}condition.weight")), features })
    }

    pub(super) fn add_to(&self, gates: &mut Map, condition: &Map) {
        let size = gates.height * gates.width;
        for (out, weights) in gates.data.chunks_exact_mut(size).zip(self.weight.chunks_exact(self.features)) {
            for (feature, weight) in weights.iter().enumerate() {
                add_scaled(out, condition.plane(feature), *weight);
            }
        }
    }
}
