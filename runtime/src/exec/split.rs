//! Simultaneous borrows of two disjoint ranges.

use bytemuck::Pod;
use core::ops::Range;

/// Borrows byte range `x` shared and byte range `y` mutably, cast to `T` and `U`; `None` if they overlap.
#[inline(always)]
pub(super) fn split_disjoint_mut<T: Pod, U: Pod>(
    bytes: &mut [u8],
    x: Range<usize>,
    y: Range<usize>,
) -> Option<(&[T], &mut [U])> {
    let (x, y) = if x.end <= y.start {
        let (before, after) = bytes.split_at_mut_checked(y.start)?;
        (before.get(x)?, after.get_mut(..y.end - y.start)?)
    } else {
        let (before, after) = bytes.split_at_mut_checked(x.start)?;
        (after.get(..x.end - x.start)?, before.get_mut(y)?)
    };
    Some((bytemuck::try_cast_slice(x).ok()?, bytemuck::try_cast_slice_mut(y).ok()?))
}
