//! Images as pictures: grids of them, PNG files, and text for a terminal.

pub(crate) mod canvas;
mod curves;
mod strips;
mod terminal;

pub use curves::Curve;
pub use strips::Strips;
pub use terminal::Terminal;

use crate::error::Error;
use crate::files;
use crate::images::{ImageSet, level_to_byte};
use std::io;
use std::path::Path;

/// Brightness of the lines between the images of a grid: neither a black nor a white image runs into them.
const GUTTER: u8 = 96;

/// How the images of a grid are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Images in a row; at least 1.
    pub columns: usize,
    /// Side of the square that shows a pixel; at least 1.
    pub scale: usize,
    /// Width of the lines between and around images.
    pub gutter: usize,
}

impl Layout {
    /// A layout for a file: about square, small images enlarged by a whole factor so that they can be seen, and a single
    /// image as it is, pixel for pixel.
    pub fn file(images: &ImageSet) -> Self {
        /// Images of this side and above are not enlarged.
        const VISIBLE: usize = 64;
        if images.count <= 1 {
            return Self { columns: 1, scale: 1, gutter: 0 };
        }
        let scale = (VISIBLE / images.width.max(images.height)).max(1);
        Self { columns: images.count.isqrt().max(1), scale, gutter: 2 }.widened(images.count)
    }

    /// A layout for a terminal of `columns` characters, a pixel each.
    pub fn terminal(images: &ImageSet, columns: usize) -> Self {
        let fit = columns.saturating_sub(1) / (images.width + 1);
        Self { columns: fit.clamp(1, images.count.max(1)), scale: 1, gutter: 1 }
    }

    /// At least as many columns as rows.
    fn widened(mut self, count: usize) -> Self {
        while self.columns < count.div_ceil(self.columns) {
            self.columns += 1;
        }
        self
    }
}

/// An image of levels as it goes into a picture.
struct Shown<'a> {
    /// `[C, H, W]`.
    image: &'a [u8],
    /// C, H and W.
    size: [usize; 3],
    levels: usize,
}

/// A picture of bytes 0 to 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (gray) or 3 (R, G, B).
    pub channels: usize,
    /// `[height, width, channels]`.
    pub data: Vec<u8>,
}

impl Picture {
    /// The images of a set, side by side and row by row; unused places are left in the colour of the lines.
    ///
    /// Values are levels `0..levels`, spread over 0 to 255 by [`level_to_byte`]; greater ones count as the last level.
    ///
    /// # Panics
    /// When `levels` is not 2 to 256, or `layout` has no columns or scale 0.
    pub fn grid(images: &ImageSet, levels: usize, layout: Layout) -> Self {
        assert!((2..=256).contains(&levels) && layout.columns > 0 && layout.scale > 0, "a layout of nothing");
        let Layout { columns, scale, gutter } = layout;
        let rows = images.count.div_ceil(columns);
        let (cell_height, cell_width) = (images.height * scale + gutter, images.width * scale + gutter);
        let (height, width) = (rows * cell_height + gutter, columns * cell_width + gutter);
        let mut picture = Self { width, height, channels: images.channels, data: Vec::new() };
        picture.data.resize(height * width * images.channels, GUTTER);
        for (n, image) in images.iter().enumerate() {
            let at = [gutter + n / columns * cell_height, gutter + n % columns * cell_width];
            picture.paste(&Shown { image, size: [images.channels, images.height, images.width], levels }, at, scale);
        }
        picture
    }

    /// Draws an image over the picture, its upper left corner in row and column `at`, each pixel a square of side `scale`.
    fn paste(&mut self, shown: &Shown<'_>, [top, left]: [usize; 2], scale: usize) {
        let [channels, height, width] = shown.size;
        for y in 0..height * scale {
            for x in 0..width * scale {
                let at = ((top + y) * self.width + left + x) * self.channels;
                for c in 0..self.channels {
                    // A gray image in a picture of colours is gray there.
                    let plane = c.min(channels - 1) * height;
                    let level = usize::from(shown.image[(plane + y / scale) * width + x / scale]);
                    self.data[at + c] = level_to_byte(level.min(shown.levels - 1) as u8, shown.levels);
                }
            }
        }
    }

    /// The bytes of a PNG file; equal pictures give equal bytes.
    ///
    /// # Errors
    /// [`Error::Format`] when the picture has no pixels or more than the format holds.
    pub fn to_png(&self) -> Result<Vec<u8>, Error> {
        let unfit = |e: png::EncodingError| Error::Format { format: "PNG file", what: e.to_string() };
        let side = |n: usize| {
            u32::try_from(n).map_err(|_| Error::Format { format: "PNG file", what: format!("a side of {n} pixels") })
        };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width)?, side(self.height)?);
        encoder.set_color(if self.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header().map_err(unfit)?;
        writer.write_image_data(&self.data).map_err(unfit)?;
        writer.finish().map_err(unfit)?;
        Ok(bytes)
    }

    /// Writes the picture to `path` as PNG, whole or not at all; `-` is standard output.
    ///
    /// # Errors
    /// As [`Picture::to_png`], and when the file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<(), Error> {
        let bytes = self.to_png().map_err(|e| e.in_file(path.display().to_string()))?;
        files::write_output(path, |out: &mut dyn io::Write| out.write_all(&bytes))
    }

    /// R, G and B of a pixel.
    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * self.channels;
        match self.data[at..at + self.channels] {
            [r, g, b] => [r, g, b],
            [gray, ..] => [gray; 3],
            [] => [0; 3],
        }
    }
}

#[cfg(test)]
mod tests;
