//! `max(x, 0)`.

use super::Map;

pub(super) fn apply(x: &Map) -> Map {
    x.map(|x| x.max(0.0))
}
