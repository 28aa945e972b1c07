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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Plan;

    crate::include_model!(
        #[allow(dead_code)]
        mod digits = "../../../testdata/mnist-pixelcnn.prnn"
    );

    const WIDTH: usize = 4;

    /// Features of `taps` taps in row `above` rows above pixel (2, `column`) of an image four pixels wide. Pixel `p` has features
    /// `[p, p + 100]`, and -1 stands for those outside.
    fn gathered<const N: usize>(columns: Im2Col<i8>, column: usize, above: usize) -> [i8; N] {
        let context = PixelContext {
            model: digits::model().unwrap(),
            plan: Plan::Pixel,
            label: None,
            height: 3,
            width: WIDTH,
            row: 2,
            column,
            groups: 1,
            group: 0,
            value: 0,
        };
        let mut memory = [0; 6];
        let mut ring = Ring::new(&mut memory, 12, 2).unwrap();
        for pixel in 0..12 {
            ring.get_mut(pixel).unwrap().copy_from_slice(&[pixel as i8, pixel as i8 + 100]);
        }
        let mut im2col = [0; N];
        columns.gather(&context, context.row.checked_sub(above), &ring, 2, &mut im2col).unwrap();
        // The column of each tap that is inside is the column that the features are from.
        for (tap, features) in im2col.chunks(2).enumerate().filter(|_| above <= 2) {
            let inside = columns.column(&context, tap).map(|column| ((2 - above) * WIDTH + column) as i8);
            assert_eq!(features[0], inside.unwrap_or(-1));
        }
        im2col
    }

    fn columns(left: usize, dilation: usize) -> Im2Col<i8> {
        Im2Col { left, dilation, zero: -1 }
    }

    #[test]
    fn taps_inside_the_image_read_their_pixels() {
        assert_eq!(gathered(columns(1, 1), 1, 1), [4, 104, 5, 105, 6, 106]);
        assert_eq!(gathered(columns(1, 1), 1, 2), [0, 100, 1, 101, 2, 102]);
    }

    #[test]
    fn taps_beside_the_image_read_zero() {
        assert_eq!(gathered(columns(1, 1), 0, 1), [-1, -1, 4, 104, 5, 105]);
        assert_eq!(gathered(columns(1, 1), 3, 1), [6, 106, 7, 107, -1, -1]);
        assert_eq!(gathered(columns(7, 1), 0, 1), [-1; 4], "all taps are outside");
    }

    #[test]
    fn taps_above_the_image_read_zero() {
        assert_eq!(gathered(columns(1, 1), 1, 3), [-1; 6]);
    }

    #[test]
    fn dilated_taps_skip_columns() {
        assert_eq!(gathered(columns(1, 2), 1, 1), [-1, -1, 5, 105, 7, 107]);
        assert_eq!(gathered(columns(1, 2), 2, 0), [8, 108, 10, 110, -1, -1]);
        assert_eq!(gathered(columns(1, 3), 3, 0), [8, 108, 11, 111]);
    }
}
