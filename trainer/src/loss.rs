//! Loss: negative log-likelihood in nats.

use burn::prelude::*;
use burn::tensor::{FloatDType, activation};
use pixelrnn::network::{Image, Output};

/// Total nats of a batch, given `logits` `[N, H, W, channels · logits]` and `levels` `[N, H, W, channels]`.
///
/// Computed in 32 bits for every logit type, since sums over an image exceed the range of smaller ones.
pub(crate) fn nats(image: Image, output: Output, logits: Tensor<4>, levels: Tensor<4>) -> Tensor<1> {
    let (logits, levels) = (logits.cast(FloatDType::F32), levels.cast(FloatDType::F32));
    match output {
        // Avoids relu(z) - z*x + log1p(exp(-|z|)): its gradient is wrong at exactly z = 0, the initial logit of a
        // network with zero biases.
        Output::Bernoulli => ((-levels + 1.0) * logits.clone() - activation::log_sigmoid(logits)).sum(),
        Output::Softmax => {
            let values = levels.shape().num_elements();
            let logs = activation::log_softmax(logits.reshape([values, image.levels]), 1);
            -logs.gather(1, levels.reshape([values, 1]).int()).sum()
        }
    }
}
