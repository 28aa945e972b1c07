//! `scale · a + b`.

use super::Map;

pub(super) fn apply(scale: f64, a: &Map, b: &Map) -> Map {
    a.zip(b, |a, b| scale * a + b)
}
