//! Features of one value, then those of another.

use super::Map;

pub(super) fn apply(a: &Map, b: &Map) -> Map {
    Map { channels: a.channels + b.channels, data: [a.data.as_slice(), &b.data].concat(), ..*a }
}
