//! The row of a table that each pixel's value names.

use super::Map;

/// `weight` is `[levels, features]`; `image` holds the levels of one channel.
pub(super) fn apply(weight: &[f64], levels: usize, image: &[u8], [height, width]: [usize; 2]) -> Map {
    let features = weight.len() / levels;
    let feature = |c: usize| image.iter().map(move |level| weight[usize::from(*level) * features + c]);
    Map { channels: features, height, width, data: (0..features).flat_map(feature).collect() }
}
