//! A value plus the label's column of a tensor.

use super::Context;
use burn::prelude::*;

/// Adds the columns of `class` `[features, classes]` that the labels name to `x`.
pub(crate) fn class_bias(context: &Context, x: Tensor<4>, class: Tensor<2>) -> Tensor<4> {
    let Some(labels) = context.labels.clone() else { return x };
    let mut shape = [1; 4];
    (shape[0], shape[context.path.features()]) = (labels.dims()[0], class.dims()[0]);
    x + class.transpose().select(0, labels).reshape(shape)
}
