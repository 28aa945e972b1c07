//! One feature that is 1 at each pixel.

use super::Map;

pub(super) fn apply([height, width]: [usize; 2]) -> Map {
    Map { channels: 1, height, width, data: vec![1.0; height * width] }
}
