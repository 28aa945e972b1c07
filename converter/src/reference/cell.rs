//! The step that all LSTMs share.

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `c = σ(f)·c_before + σ(i)·tanh(g)`, `h = σ(o)·tanh(c)`, of the pre-activations `[o, f, i, g]` of one unit; gives back
/// `(h, c)`.
pub(super) fn step([o, f, i, g]: [f64; 4], c_before: f64) -> (f64, f64) {
    let c = sigmoid(f) * c_before + sigmoid(i) * g.tanh();
    (sigmoid(o) * c.tanh(), c)
}
