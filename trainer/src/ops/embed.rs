//! The row of a table that each pixel's value names.

use super::Context;
use burn::prelude::*;

/// Rows of `table` `[levels, features]`, for the levels of the images.
pub(crate) fn embed(context: &Context, table: Tensor<2>) -> Tensor<4> {
    let ([images, height, width, _], [_, features]) = (context.levels.dims(), table.dims());
    let rows = table.select(0, context.levels.clone().reshape([images * height * width]).int());
    let rows = rows.reshape([images, height, width, features]);
    if context.path.is_fast() { rows } else { rows.permute([0, 3, 1, 2]) }
}
