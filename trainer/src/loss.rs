//! How badly a network predicts: negative log-likelihood in nats.

use burn::prelude::*;
use burn::tensor::{FloatDType, activation};
use pixelrnn::network::{Image, Output};

/// Nats of all images of a batch together, given `logits` `[N, H, W, channels · logits]` and `levels` `[N, H, W, channels]`.
///
/// In 32 bits whatever the logits have: sums over an image are too large for fewer.
pub(crate) fn nats(image: Image, output: Output, logits: Tensor<4>, levels: Tensor<4>) -> Tensor<1> {
    let (logits, levels) = (logits.cast(FloatDType::F32), levels.cast(FloatDType::F32));
    match output {
        // Not relu(z) - z*x + log1p(exp(-|z|)): the gradient of that is wrong at exactly z = 0, where a net with zero
        // biases starts.
        Output::Bernoulli => ((-levels + 1.0) * logits.clone() - activation::log_sigmoid(logits)).sum(),
        Output::Softmax => {
            let values = levels.shape().num_elements();
            let logs = activation::log_softmax(logits.reshape([values, image.levels]), 1);
            -logs.gather(1, levels.reshape([values, 1]).int()).sum()
        }
    }
}
