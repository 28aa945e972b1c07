//! `f(a) · sigmoid(b)` of the halves `a` and `b` of a value's features.

use super::Map;
use super::cell::sigmoid;
use super::slice;

/// `f` is the hyperbolic tangent in a `gate` and the identity in a `glu`.
pub(super) fn apply(x: &Map, f: impl Fn(f64) -> f64) -> Map {
    let half = x.channels / 2;
    let (a, b) = (slice::apply(x, 0, half), slice::apply(x, half, half));
    a.zip(&b, |a, b| f(a) * sigmoid(b))
}
