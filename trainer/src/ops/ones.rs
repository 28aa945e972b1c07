//! One feature that is 1 at each pixel.

use super::Context;
use burn::prelude::*;

/// Ones in the layout of the path.
pub(crate) fn ones(context: &Context) -> Tensor<4> {
    let [images, height, width, _] = context.levels.dims();
    let shape = if context.path.is_fast() { [images, height, width, 1] } else { [images, 1, height, width] };
    Tensor::ones(shape, &context.levels.device())
}
