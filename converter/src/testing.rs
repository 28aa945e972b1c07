//! Test helpers: a random generator and models with random weights.

use crate::description::Description;
use crate::trained::{Tensor, TrainedModel};
use pixelrnn::network::{Architecture, ColourGroups, Image, Output, Preset};
use std::collections::BTreeMap;

/// `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in -1 to 1.
    pub(crate) fn weight(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn image(&mut self, image: &Image) -> Vec<u8> {
        (0..image.values()).map(|_| self.below(image.levels) as u8).collect()
    }
}

pub(crate) const GRAY: Image = Image { height: 4, width: 5, channels: 1, levels: 2 };
pub(crate) const RGB: Image = Image { height: 3, width: 4, channels: 3, levels: 4 };

/// A small preset without options.
pub(crate) fn preset(architecture: Architecture, image: Image) -> Preset {
    Preset {
        architecture,
        image,
        hidden: 4 * image.channels,
        layers: 2,
        input_kernel: 5,
        kernel: 3,
        head: 8 * image.channels,
        output: if image.levels == 2 { Output::Bernoulli } else { Output::Softmax },
        residual: true,
        skip: false,
        depth_gate: false,
        initial_state: false,
        classes: 0,
        colour_groups: ColourGroups::Cyclic,
    }
}

/// All tensors of `description`, required and optional, with random values. Variances are positive.
pub(crate) fn random_tensors(description: &Description, seed: u64) -> BTreeMap<String, Tensor> {
    let mut random = Random(seed);
    let mut tensors = BTreeMap::new();
    for node in description.nodes().unwrap() {
        node.tensors(description.classes, |spec| {
            let count = spec.shape.iter().product();
            // Weights scale with 1 / √fan-in, so that no gate saturates. Biases are small, so that no ReLU stays
            // closed.
            let fan_in: usize = spec.shape.iter().skip(1).product();
            let scale = if spec.shape.len() == 1 { 0.25 } else { 2.5 / (fan_in as f32).sqrt() };
            let variance = spec.name.ends_with("running_var");
            let number = |random: &mut Random| {
                let x = random.weight() * scale;
                if variance { x.abs() + 0.1 } else { x }
            };
            let data = (0..count).map(|_| number(&mut random)).collect();
            tensors.insert(spec.name.to_string(), Tensor { shape: spec.shape.to_vec(), data });
        });
    }
    tensors
}

/// A model with random weights.
pub(crate) fn random_model(description: &Description, seed: u64) -> TrainedModel {
    TrainedModel::new(description.clone(), random_tensors(description, seed)).unwrap()
}
