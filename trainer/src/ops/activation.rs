//! Functions of one number, on tensors.

use burn::prelude::Tensor;
use burn::tensor::activation;
use pixelrnn::network::Activation;

/// `activation(x)` of each number.
pub(crate) fn activation(activation: Activation, x: Tensor<4>) -> Tensor<4> {
    match activation {
        Activation::Relu => activation::relu(x),
        Activation::Elu => activation::elu(x, 1.0),
        Activation::LeakyRelu { slope } => activation::leaky_relu(x, f64::from(slope)),
        Activation::Tanh => activation::tanh(x),
        Activation::Sigmoid => activation::sigmoid(x),
    }
}
