//! Completed images as a picture, a line each.

use super::{GUTTER, Picture, Shown};
use crate::images::ImageSet;

/// Stripes of what is not known, and the bars that say which rows of a completion are given.
const HATCH: [[u8; 3]; 2] = [[44, 52, 66], [70, 82, 102]];
const GIVEN: [u8; 3] = [255, 166, 0];

/// Images, what was kept of them, and how they were completed.
#[derive(Clone, Copy, Debug)]
pub struct Strips<'a> {
    /// The images as they are.
    pub originals: &'a ImageSet,
    /// Equally many completions of each, those of the first image first.
    pub completions: &'a ImageSet,
    /// How many rows were kept.
    pub rows: usize,
    /// Levels of a value.
    pub levels: usize,
}

impl Strips<'_> {
    /// Completions of each image.
    pub fn each(&self) -> usize {
        self.completions.count.checked_div(self.originals.count).unwrap_or(0)
    }

    /// How many completions of an image fit into a line of `columns` pixels, at least one, where pixels are not enlarged.
    pub fn fit(&self, columns: usize) -> usize {
        let side = self.originals.width + 1;
        let others = 2 * side + 2 * Self::gap(1) + 1;
        (columns.saturating_sub(others) / side).clamp(1, self.each().max(1))
    }

    /// How much a file enlarges the images.
    pub fn scale(&self) -> usize {
        (64 / self.originals.width.max(self.originals.height)).max(1)
    }

    const fn gap(scale: usize) -> usize {
        3 * scale
    }

    /// A line for each image: what was kept of it, hatched below; the first `shown` completions; and the image itself.
    ///
    /// A pixel is a square of side `scale`. A bar to the left of each completion goes down as far as the rows are given.
    ///
    /// # Panics
    /// When the completions are not of the images' size, or `scale` is 0.
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
    /// Sets the pixel in row and column `at` of a picture of colours.
    fn put(&mut self, [row, column]: [usize; 2], colour: [u8; 3]) {
        let at = (row * self.width + column) * 3;
        self.data[at..at + 3].copy_from_slice(&colour);
    }
}
