//! A value plus the label's column of a tensor.

use super::Map;

/// `weight` is `[features, classes]`.
pub(super) fn apply(weight: &[f64], x: &Map, label: Option<usize>) -> Map {
    let Some(label) = label else { return x.clone() };
    let (classes, mut y) = (weight.len() / x.channels, x.clone());
    for (plane, of_feature) in y.data.chunks_exact_mut(x.height * x.width).zip(weight.chunks_exact(classes)) {
        for number in plane {
            *number += of_feature[label];
        }
    }
    y
}
