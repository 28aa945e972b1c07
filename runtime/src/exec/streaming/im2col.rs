//! im2col: the input vectors under the taps of one kernel row, copied side by side.

use super::context::PixelContext;
use super::memory::{copy, fill};
use super::ring::Ring;
use crate::exec::error::Corrupt;
use bytemuck::Pod;

/// Tap columns of one kernel row.
#[derive(Clone, Copy)]
pub(super) struct Im2Col<T> {
    /// Taps to the left of the centre.
    pub(super) left: usize,
    /// Distance between taps, in columns.
    pub(super) dilation: usize,
    /// Padding outside the image.
    pub(super) zero: T,
}

impl<T: Pod> Im2Col<T> {
    /// Fills `im2col`, `[taps, length]`, from image row `row`, leftmost tap first. `row` is `None` above the image.
    pub(super) fn gather(
        &self,
        context: &PixelContext<'_>,
        row: Option<usize>,
        ring: &Ring<'_, T>,
        length: usize,
        im2col: &mut [T],
    ) -> Result<(), Corrupt> {
        let Some(row) = row else {
            fill(im2col, self.zero);
            return Ok(());
        };
        let reach = self.left * self.dilation;
        let taps = im2col.len().checked_div(length).ok_or(Corrupt)?;
        // Columns left of the image wrap to values beyond its width.
        let mut column = context.column.wrapping_sub(reach);
        let pixel = row * context.width;
        // Fast path of the loop below, with all taps inside the image: same result.
        if column < context.width && column + taps * self.dilation < context.width + self.dilation {
            return ring.copy(pixel + column, self.dilation, im2col);
        }
        let mut im2col = im2col;
        while !im2col.is_empty() {
            let features = im2col.split_off_mut(..length).ok_or(Corrupt)?;
            if column < context.width {
                copy(features, ring.get(pixel + column).ok_or(Corrupt)?)?;
            } else {
                fill(features, self.zero);
            }
            column = column.wrapping_add(self.dilation);
        }
        Ok(())
    }

    /// Image column under a tap; `None` outside the image.
    pub(super) fn column(&self, context: &PixelContext<'_>, tap: usize) -> Option<usize> {
        let column = (context.column + tap * self.dilation).checked_sub(self.left * self.dilation)?;
        (column < context.width).then_some(column)
    }
}
