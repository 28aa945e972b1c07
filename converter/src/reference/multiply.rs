//! `a · b`, feature by feature.

use super::Map;

pub(super) fn apply(a: &Map, b: &Map) -> Map {
    a.zip(b, |a, b| a * b)
}
