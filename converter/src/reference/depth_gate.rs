//! `a + sigmoid(t) · b`.

use super::Map;
use super::cell::sigmoid;

pub(super) fn apply(a: &Map, b: &Map, t: &Map) -> Map {
    let gated = t.zip(b, |t, b| sigmoid(t) * b);
    a.zip(&gated, |a, gated| a + gated)
}
