//! Consecutive features of a value.

use super::Map;

pub(super) fn apply(x: &Map, from: usize, count: usize) -> Map {
    let plane = x.height * x.width;
    Map { channels: count, data: x.data[from * plane..(from + count) * plane].to_vec(), ..*x }
}
