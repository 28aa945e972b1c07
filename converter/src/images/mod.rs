//! Sets of images and their labels, in the formats that people keep them in.
//!
//! Read: `.npy` of uint8 `[N, C, H, W]` or `[N, H, W]`, IDX as MNIST ships it, PNG, and a folder of PNG files. The first
//! two may be gzipped. What a file is shows in its first bytes; its name does not matter, and `-` is standard input.
//! Written: `.npy`, and PNG by way of [`crate::picture`].

mod class;
mod fit;
mod idx;
pub mod npy;
mod png;

pub use fit::{Notice, level_to_byte};

use crate::error::Error;
use crate::files;
use std::path::Path;

/// The class of an image.
pub type Label = u16;

/// What the numbers of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The file's format does not say: levels where all are below the model's number of levels, else 0 to 255.
    Unstated,
    /// 0 to 255, as in a PNG file.
    Bytes,
    /// A model's levels.
    Levels,
}

/// Images of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    /// How many there are.
    pub count: usize,
    /// 1 (gray) or 3 (R, G, B).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// All values, `[N, C, H, W]`.
    pub data: Vec<u8>,
    /// What the values are.
    pub range: Range,
    /// Whether the file has no axis of channels, `[N, H, W]`; of one channel only.
    pub planes: bool,
}

impl ImageSet {
    /// Puts a set together of `data`, `[N, C, H, W]`; N follows from its length.
    ///
    /// # Errors
    /// When a side is 0, when there are neither 1 nor 3 channels, or when `data` does not divide into images.
    pub fn new([channels, height, width]: [usize; 3], data: Vec<u8>, range: Range) -> Result<Self, Error> {
        let bad = |what: String| Error::Format { format: "images", what };
        if channels != 1 && channels != 3 {
            return Err(bad(format!("{channels} channels, expected 1 or 3")));
        }
        if height == 0 || width == 0 {
            return Err(bad(format!("{height} rows and {width} columns, expected at least one of each")));
        }
        let size = height.checked_mul(width).and_then(|n| n.checked_mul(channels));
        match size.filter(|size| data.len().is_multiple_of(*size)) {
            Some(size) => Ok(Self { count: data.len() / size, channels, height, width, data, range, planes: false }),
            None => Err(bad(format!("{} values, expected a multiple of {channels}x{height}x{width}", data.len()))),
        }
    }

    /// Values in one image.
    pub fn values(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Image `n`, `[C, H, W]`.
    ///
    /// # Panics
    /// When there is no such image.
    pub fn image(&self, n: usize) -> &[u8] {
        let size = self.values();
        &self.data[n * size..(n + 1) * size]
    }

    /// The images one after the other, each `[C, H, W]`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.data.chunks_exact(self.values())
    }

    /// The first `count` images, or all where there are fewer.
    #[must_use]
    pub fn truncated(mut self, count: usize) -> Self {
        self.count = self.count.min(count);
        self.data.truncate(self.count * self.values());
        self
    }

    /// The numbers of `count` images at even distances, or of all where there are fewer: files are often sorted by class.
    pub fn spread(&self, count: usize) -> Vec<usize> {
        let count = count.min(self.count);
        (0..count).map(|n| n * self.count / count).collect()
    }

    /// The images of the given numbers.
    ///
    /// # Panics
    /// When there is no such image.
    #[must_use]
    pub fn picked(&self, numbers: &[usize]) -> Self {
        let data = numbers.iter().flat_map(|n| self.image(*n)).copied().collect();
        Self { count: numbers.len(), data, ..*self }
    }

    /// Reads images from the file or folder at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is not whole, or not one of the formats.
    pub fn read(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return png::read_folder(path);
        }
        let bytes = files::read_unpacked(path)?;
        Self::from_bytes(&bytes).map_err(|e| e.in_file(files::display_name(path)))
    }

    /// Reads images from the unpacked bytes of a file.
    ///
    /// # Errors
    /// When they are not whole, or not in one of the formats.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if npy::is_npy(bytes) {
            npy::images(bytes)
        } else if png::is_png(bytes) {
            png::image(bytes)
        } else if idx::is_idx(bytes) {
            idx::images(bytes)
        } else {
            Err(Error::UnknownFormat)
        }
    }

    /// Writes the set to `path` as `.npy` of uint8 `[N, C, H, W]`, or `[N, H, W]` where the set has [`ImageSet::planes`],
    /// whole or not at all; `-` is standard output.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_npy(&self, path: &Path) -> Result<(), Error> {
        if self.planes && self.channels == 1 {
            return npy::write(path, &[self.count, self.height, self.width], &self.data);
        }
        npy::write(path, &[self.count, self.channels, self.height, self.width], &self.data)
    }
}

/// Reads labels from the file at `path`: `.npy` of whole numbers `[N]` or IDX, plain or gzipped.
///
/// # Errors
/// When it cannot be read, or is not whole, or not one of the formats.
pub fn read_labels(path: &Path) -> Result<Vec<Label>, Error> {
    let bytes = files::read_unpacked(path)?;
    labels_from_bytes(&bytes).map_err(|e| e.in_file(files::display_name(path)))
}

/// Reads labels from the unpacked bytes of a file.
///
/// # Errors
/// When they are not whole, or not in one of the formats.
pub fn labels_from_bytes(bytes: &[u8]) -> Result<Vec<Label>, Error> {
    if npy::is_npy(bytes) {
        npy::labels(bytes)
    } else if idx::is_idx(bytes) {
        idx::labels(bytes)
    } else {
        Err(Error::UnknownFormat)
    }
}

/// Checks that there is one label for each of `images` and that a model of `classes` classes has them all.
///
/// # Errors
/// [`Error::LabelCount`] or [`Error::Label`].
pub fn check_labels(labels: &[Label], images: usize, classes: usize) -> Result<(), Error> {
    if labels.len() != images {
        return Err(Error::LabelCount { labels: labels.len(), images });
    }
    match labels.iter().find(|&&label| usize::from(label) >= classes) {
        Some(&label) => Err(Error::Label { got: label.into(), classes }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
