//! Picture of completed images, one line each.

use super::{GUTTER, Picture, Shown};
use crate::images::ImageSet;

/// Stripes over unknown pixels, and the bar beside the given rows.
const HATCH: [[u8; 3]; 2] = [[44, 52, 66], [70, 82, 102]];
const GIVEN: [u8; 3] = [255, 166, 0];

/// Images with their completions.
#[derive(Clone, Copy, Debug)]
pub struct Strips<'a> {
    /// The original images.
    pub originals: &'a ImageSet,
    /// The completions, the same number for each image, in the images' order.
    pub completions: &'a ImageSet,
    /// Number of given rows.
    pub rows: usize,
    /// Number of levels.
    pub levels: usize,
}

impl Strips<'_> {
    /// Completions per image.
    pub fn each(&self) -> usize {
        self.completions.count.checked_div(self.originals.count).unwrap_or(0)
    }

    /// Number of completions that fit into `columns` pixels at scale 1, at least one.
    pub fn fit(&self, columns: usize) -> usize {
        let side = self.originals.width + 1;
        let others = 2 * side + 2 * Self::gap(1) + 1;
        (columns.saturating_sub(others) / side).clamp(1, self.each().max(1))
    }

    /// Enlargement in a file.
    pub fn scale(&self) -> usize {
        (64 / self.originals.width.max(self.originals.height)).max(1)
    }

    const fn gap(scale: usize) -> usize {
        3 * scale
    }

    /// Draws one line per image: the given rows, hatched below; the first `shown` completions; the original.
    ///
    /// Each pixel is a square of side `scale`. A bar to the left of each completion marks the given rows.
    ///
    /// # Panics
    /// When the completions differ in size from the images, or `scale` is 0.
    pub fn picture(&self, shown: usize, scale: usize) -> Picture {
        let ImageSet { channels, height, width, .. } = *self.originals;
        let size = [channels, height, width];
        assert_eq!(size, [self.completions.channels, self.completions.height, self.completions.width], "one size");
        let shown = shown.min(self.each());
        let (gutter, gap) = (scale.min(2), Self::gap(scale));
        let (cell, line) = (width * scale + gutter, height * scale + gutter);
        let mut picture = Picture {
            width: (shown + 2) * cell + gutter + 2 * gap,
            height: self.originals.count * line + gutter,
            channels: 3,
            data: Vec::new(),
        };
        picture.data.resize(3 * picture.width * picture.height, GUTTER);
        for (n, original) in self.originals.iter().enumerate() {
            let top = gutter + n * line;
            let kept = Shown { image: original, size, levels: self.levels };
            picture.paste(&kept, [top, gutter], scale);
            for y in self.rows * scale..height * scale {
                for x in 0..width * scale {
                    let stripe = (x + y) / (2 * scale) % 2;
                    picture.put([top + y, gutter + x], HATCH[stripe]);
                }
            }
            for j in 0..shown {
                let left = gutter + gap + (1 + j) * cell;
                let image = self.completions.image(n * self.each() + j);
                picture.paste(&Shown { image, size, levels: self.levels }, [top, left], scale);
                for y in 0..self.rows * scale {
                    for x in left - gutter..left {
                        picture.put([top + y, x], GIVEN);
                    }
                }
            }
            picture.paste(&kept, [top, gutter + 2 * gap + (1 + shown) * cell], scale);
        }
        picture
    }
}

impl Picture {
    /// Sets the pixel in row and column `at` of an RGB picture.
    fn put(&mut self, [row, column]: [usize; 2], colour: [u8; 3]) {
        let at = (row * self.width + column) * 3;
        self.data[at..at + 3].copy_from_slice(&colour);
    }
}
