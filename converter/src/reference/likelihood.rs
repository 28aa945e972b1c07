//! Likelihoods from logits.

use super::Map;
use pixelrnn::network::{Image, Output};

/// `ln Σ exp(x)` without overflow. Negative infinity for an empty slice.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + x.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

/// `ln(1 + exp(x))`, without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `-ln p(value)` in nats from the logits of one value: L logits for softmax, the logit of value 1 for bernoulli.
///
/// # Panics
/// When `value` has no logit.
pub fn value_nats(logits: &[f64], value: u8, output: Output) -> f64 {
    match output {
        Output::Softmax => log_sum_exp(logits) - logits[usize::from(value)],
        Output::Bernoulli if value == 0 => softplus(logits[0]),
        Output::Bernoulli => softplus(-logits[0]),
    }
}

/// Logits of channel `c` at row `i`, column `j`, from channel-major logits `[C·L or C, H, W]`.
///
/// # Panics
/// When the position is outside the image.
pub fn value_logits(logits: &Map, image: &Image, output: Output, [c, i, j]: [usize; 3]) -> Vec<f64> {
    let each = output.logits_per_channel(image.levels);
    (c * each..(c + 1) * each).map(|feature| logits.at(feature, i, j)).collect()
}

/// `-ln p` of each value of an image in nats, in the image's layout `[C, H, W]`.
///
/// # Panics
/// When `values` or `logits` differ in size from the image, or when a value is not below `image.levels`.
pub fn values_nats(logits: &Map, values: &[u8], image: &Image, output: Output) -> Vec<f64> {
    assert_eq!(values.len(), image.values(), "the values of one image");
    let mut nats = Vec::with_capacity(values.len());
    for c in 0..image.channels {
        for i in 0..image.height {
            for j in 0..image.width {
                let value = values[(c * image.height + i) * image.width + j];
                nats.push(value_nats(&value_logits(logits, image, output, [c, i, j]), value, output));
            }
        }
    }
    nats
}

/// Maximum cost of a value in a blob, in nats: every level has a probability of at least 2⁻²⁴.
pub const MAX_VALUE_NATS: f64 = 24.0 * std::f64::consts::LN_2;

/// `-ln p` of an image in nats, summed over its values.
///
/// # Panics
/// See [`values_nats`].
pub fn image_nats(logits: &Map, values: &[u8], image: &Image, output: Output) -> f64 {
    values_nats(logits, values, image, output).iter().sum()
}

/// Number of values that cost [`MAX_VALUE_NATS`] or more, and the total with each cost capped there. A blob's
/// likelihood is compared with this capped total.
pub fn floored(nats: &[f64]) -> (usize, f64) {
    let beyond = nats.iter().filter(|nats| **nats >= MAX_VALUE_NATS).count();
    (beyond, nats.iter().map(|nats| nats.min(MAX_VALUE_NATS)).sum())
}

/// Bits per dimension: `nats / (C·H·W·ln 2)`.
pub fn bits_per_dim(nats: f64, image: &Image) -> f64 {
    nats / (image.values() as f64 * std::f64::consts::LN_2)
}
