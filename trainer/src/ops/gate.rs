//! Gated activations: `f(a) · sigmoid(b)` of the halves `a` and `b` of a value's features.

use super::Path;
use crate::network::Value;
use burn::prelude::*;
use burn::tensor::activation::sigmoid;

/// The function `f` of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gated {
    /// Hyperbolic tangent: the op `gate`.
    Tanh,
    /// Identity: the op `glu`.
    Linear,
}

/// Gates `x`.
pub(crate) fn gate(path: Path, x: Value, gated: Gated) -> Tensor<4> {
    match path {
        #[cfg(feature = "flex")]
        Path::Fast => match x {
            Value::Sum(both) => {
                let [a, b] = *both;
                super::gate_cpu::gate(a, Some(b), gated)
            }
            x => super::gate_cpu::gate(x.made(), None, gated),
        },
        // Burn fuses these into few launches.
        #[cfg(feature = "gpu")]
        Path::Gpu => stock(path, x.made(), gated),
        Path::Stock => stock(path, x.made(), gated),
    }
}

fn stock(path: Path, x: Tensor<4>, gated: Gated) -> Tensor<4> {
    let dim = path.features();
    let half = x.dims()[dim] / 2;
    let (a, b) = (x.clone().narrow(dim, 0, half), x.narrow(dim, half, half));
    let a = match gated {
        Gated::Tanh => a.tanh(),
        Gated::Linear => a,
    };
    a * sigmoid(b)
}
