//! Sampling during training: simple and slow, for a visual check of progress.

use crate::error::Error;
use crate::network::Leaves;
use crate::trainer::{Trainer, numbers};
use burn::prelude::*;
use pixelrnn::network::Output;
use pixelrnn_converter::ImageSet;
use pixelrnn_converter::images::Range;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Samples `count` images with the averaged weights. In class-conditional models, image `n` has class `n` modulo the
/// number of classes.
pub(crate) fn sample(trainer: &Trainer, count: usize, seed: u64) -> Result<ImageSet, Error> {
    let image = trainer.network.image();
    let leaves = Leaves::new(&trainer.network, &trainer.optimizer.average, trainer.back_end.first(), false);
    let numbers: Vec<usize> = (0..count).collect();
    let drawn = trainer.back_end.in_parts(&numbers, count, |_, which| draw(trainer, &leaves, which, seed))?;
    let pixels = image.height * image.width;
    let mut data = Vec::with_capacity(count * image.values());
    for levels in drawn.iter().flatten() {
        data.extend((0..image.channels).flat_map(|c| (0..pixels).map(move |p| levels[p * image.channels + c])));
    }
    ImageSet::new([image.channels, image.height, image.width], data, Range::Levels)
        .map_err(|e| Error::other(e.to_string()))
}

/// Levels `[H, W, C]` of the images `which`.
fn draw(trainer: &Trainer, leaves: &Leaves, which: &[usize], seed: u64) -> Result<Vec<Vec<u8>>, Error> {
    let (network, device) = (&trainer.network, trainer.back_end.first());
    let image = network.image();
    let mut rngs: Vec<_> =
        which.iter().map(|&n| Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add((n as u64) << 32))).collect();
    let mut images = vec![vec![0_u8; image.values()]; which.len()];
    let row = image.width * image.channels;
    let logits_a_value = network.output().logits_per_channel(image.levels);
    for value in 0..image.values() {
        // Computes only the rows down to the current value, unless it matters where the image ends.
        let rows = if network.reads_below() { image.height } else { value / row + 1 };
        let levels = images.iter().flat_map(|image| image[..rows * row].iter().map(|&l| f32::from(l))).collect();
        let shape = [which.len(), rows, image.width, image.channels];
        let levels = Tensor::from_data(TensorData::new::<f32, _>(levels, shape), device);
        let labels = (network.classes() > 0).then(|| {
            let labels = which.iter().map(|n| (n % network.classes()) as i32).collect();
            Tensor::from_data(TensorData::new::<i32, _>(labels, [which.len()]), device)
        });
        let logits = numbers(network.logits(leaves, levels, labels, trainer.back_end.path()))?;
        let of_image = logits.len() / which.len();
        for ((logits, image), rng) in logits.chunks_exact(of_image).zip(&mut images).zip(&mut rngs) {
            let at = value * logits_a_value;
            let uniform = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            image[value] = choose(network.output(), &logits[at..at + logits_a_value], uniform);
        }
    }
    Ok(images)
}

/// Level selected by a uniform number in [0, 1).
fn choose(output: Output, logits: &[f32], uniform: f64) -> u8 {
    match output {
        Output::Bernoulli => u8::from(uniform < 1.0 / (1.0 + f64::from(-logits[0]).exp())),
        Output::Softmax => {
            let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let shares: Vec<f64> = logits.iter().map(|&z| f64::from(z - highest).exp()).collect();
            let mut left = uniform * shares.iter().sum::<f64>();
            let chosen = shares.iter().position(|share| {
                left -= share;
                left < 0.0
            });
            chosen.unwrap_or(logits.len() - 1) as u8
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows above a row are 1, and the last one is 0: the op `ones` under a tap that reads the row below.
    #[test]
    #[cfg(feature = "flex")]
    fn a_network_that_reads_below_sees_where_the_image_ends() {
        let description = pixelrnn_converter::Description::from_json(
            r#"{"image": {"height": 3, "width": 2, "channels": 1, "levels": 2}, "output": "bernoulli",
                "ops": [{"op": "ones"}, {"op": "conv", "name": "edge", "kernel": [3, 1], "out": 1}]}"#,
        );
        let network = crate::network::Network::new(&description.unwrap()).unwrap();
        let back_end = crate::back_end::BackEnd::processor(crate::ops::Path::Fast);
        let weights = vec![vec![0.0, 0.0, 200.0], vec![-100.0]];
        let optimizer = |w: &[Vec<f32>]| crate::optimizer::Optimizer::new(crate::optimizer::Rule::Adam, 0.0, 0.0, w);
        let drawn = sample(&Trainer::new(network, back_end, weights, optimizer), 2, 0).unwrap();
        assert_eq!(drawn.data, [1, 1, 1, 1, 0, 0].repeat(2));
    }

    #[test]
    fn uniform_numbers_cut_the_distribution_into_its_levels() {
        let logits = [0.0, 3.0_f32.ln(), f32::NEG_INFINITY];
        let count = |level: u8| {
            (0..100).filter(|n| choose(Output::Softmax, &logits, f64::from(*n) / 100.0 + 0.005) == level).count()
        };
        assert_eq!([count(0), count(1), count(2)], [25, 75, 0]);
        assert_eq!(choose(Output::Softmax, &[0.0; 4], 1.0), 3);
        assert_eq!(choose(Output::Bernoulli, &[2.0], 0.87), 1);
        assert_eq!(choose(Output::Bernoulli, &[2.0], 0.89), 0);
    }
}
