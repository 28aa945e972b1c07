//! Pictures of images: grids, PNG files, and text for a terminal.

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

/// Brightness of the lines between images, distinct from black and white.
const GUTTER: u8 = 96;

/// Layout of a grid of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Images per row, at least 1.
    pub columns: usize,
    /// Side of a pixel's square, at least 1.
    pub scale: usize,
    /// Width of the lines between and around images.
    pub gutter: usize,
}

impl Layout {
    /// Layout for a file: roughly square, with small images enlarged by an integer factor. A single image keeps its
    /// size.
    pub fn file(images: &ImageSet) -> Self {
        /// Images of this side or larger are not enlarged.
        const VISIBLE: usize = 64;
        if images.count <= 1 {
            return Self { columns: 1, scale: 1, gutter: 0 };
        }
        let scale = (VISIBLE / images.width.max(images.height)).max(1);
        Self { columns: images.count.isqrt().max(1), scale, gutter: 2 }.widened(images.count)
    }

    /// Layout for a terminal of `columns` characters, one pixel each.
    pub fn terminal(images: &ImageSet, columns: usize) -> Self {
        let fit = columns.saturating_sub(1) / (images.width + 1);
        Self { columns: fit.clamp(1, images.count.max(1)), scale: 1, gutter: 1 }
    }

    /// Adds columns until there are no more rows than columns.
    fn widened(mut self, count: usize) -> Self {
        while self.columns < count.div_ceil(self.columns) {
            self.columns += 1;
        }
        self
    }
}

/// An image to paste into a picture.
struct Shown<'a> {
    /// `[C, H, W]`.
    image: &'a [u8],
    /// C, H and W.
    size: [usize; 3],
    levels: usize,
}

/// A picture with values 0 to 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (gray) or 3 (R, G, B).
    pub channels: usize,
    /// `[height, width, channels]`.
    pub data: Vec<u8>,
}

impl Picture {
    /// Draws a set as a grid, row by row. Unused cells have the colour of the lines.
    ///
    /// Levels `0..levels` are mapped to 0 to 255 by [`level_to_byte`]. Larger values count as the last level.
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

    /// Pastes an image with its upper left corner in row and column `at`, each pixel a square of side `scale`.
    fn paste(&mut self, shown: &Shown<'_>, [top, left]: [usize; 2], scale: usize) {
        let [channels, height, width] = shown.size;
        for y in 0..height * scale {
            for x in 0..width * scale {
                let at = ((top + y) * self.width + left + x) * self.channels;
                for c in 0..self.channels {
                    // Gray images in RGB pictures repeat their only channel.
                    let plane = c.min(channels - 1) * height;
                    let level = usize::from(shown.image[(plane + y / scale) * width + x / scale]);
                    self.data[at + c] = level_to_byte(level.min(shown.levels - 1) as u8, shown.levels);
                }
            }
        }
    }

    /// Encodes the picture as PNG. Deterministic.
    ///
    /// # Errors
    /// [`Error::Format`] when the picture has no pixels, or more than PNG supports.
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

    /// Writes the picture to `path` atomically as PNG. `-` is standard output.
    ///
    /// # Errors
    /// See [`Picture::to_png`]; also when the file cannot be written.
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
