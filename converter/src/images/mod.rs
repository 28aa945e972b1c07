//! Sets of images and their labels, in the formats that people keep them in.
//!
//! Read: `.npy` and `.npz` of whole numbers `[N, C, H, W]`, `[N, H, W]` or `[N, H·W]`, IDX as MNIST ships it, PNG, and a
//! folder of PNG files. All but the last may be gzipped. What a file is shows in its first bytes; its name does not matter,
//! and `-` is standard input. Written: `.npy`, and PNG by way of [`crate::picture`].

mod class;
mod fit;
mod folder;
mod idx;
mod labels;
pub mod npy;
pub mod npz;
mod numbers;
mod png;

pub use fit::{Notice, level_to_byte};
pub(crate) use fit::{flat_size, reading};
pub use folder::Skipped;
pub use labels::Labels;

use crate::error::Error;
use crate::files;
use std::path::Path;

/// The class of an image.
pub type Label = u16;

/// What the numbers of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Nobody said: [`ImageSet::fit`] decides by the values and by where they come from, or refuses.
    Unstated,
    /// 0 to 255.
    Bytes,
    /// A model's levels.
    Levels,
}

/// The kind of file that a set comes from, which says what its values usually are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// An array of integers, or no file at all: levels.
    #[default]
    Array,
    /// An array of truth values, or of the floats 0 and 1 alone: two levels, or black and white.
    Unit,
    /// A PNG or an IDX file: 0 to 255.
    Picture,
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
    /// Where the values come from.
    pub origin: Origin,
    /// Whether the file has no rows and columns, `[N, H·W]`: `height` is 1 until [`ImageSet::fit`] knows the model's.
    pub flat: bool,
}

/// A set as it was read, and what is to be known of the reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The images.
    pub set: ImageSet,
    /// The file name of each, of a folder of files; else empty.
    pub names: Vec<String>,
    /// What of a folder was not read.
    pub skipped: Option<Skipped>,
}

impl Loaded {
    /// Reads images from the file or folder at `path`; `FILE.npz:NAME` is one of several arrays.
    ///
    /// # Errors
    /// When it cannot be read, or is not whole, or not one of the formats.
    pub fn read(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return folder::read(path);
        }
        let bytes = read_array_file(path)?;
        let set = ImageSet::from_bytes(&bytes).map_err(|e| e.in_file(files::display_name(path)))?;
        Ok(Self { set, names: Vec::new(), skipped: None })
    }
}

/// The unpacked bytes of the file at `path`; of an archive, those of the array that `path` names or of the only one.
fn read_array_file(path: &Path) -> Result<Vec<u8>, Error> {
    let (file, name) = npz::split_path(path);
    let bytes = files::read_unpacked(&file)?;
    let bytes = match (npz::is_npz(&bytes), name) {
        (true, name) => npz::array(&bytes, name.as_deref()),
        (false, None) => Ok(bytes),
        (false, Some(_)) => {
            Err(Error::Format { format: ".npz file", what: "it is none, so that it has no names".into() })
        }
    };
    bytes.map_err(|e| e.in_file(files::display_name(path)))
}

/// Channels, rows and columns of images of `shape`, which has four dimensions.
fn channels_first(shape: &[usize]) -> Result<[usize; 3], String> {
    match *shape {
        [_, c, h, w] if c != 1 && c != 3 && (w == 1 || w == 3) => Err(format!(
            "shape [{}, {c}, {h}, {w}] looks like [N, H, W, C], expected [N, C, H, W]: turn it with \
             `np.transpose(x, (0, 3, 1, 2))`",
            shape[0]
        )),
        [_, c, h, w] => Ok([c, h, w]),
        _ => Err(format!("{} dimensions, expected 4", shape.len())),
    }
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
            Some(size) => {
                let count = data.len() / size;
                let (origin, flat, planes) = (Origin::Array, false, false);
                Ok(Self { count, channels, height, width, data, range, planes, origin, flat })
            }
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

    /// Reads images from the file or folder at `path`, as [`Loaded::read`].
    ///
    /// # Errors
    /// When it cannot be read, or is not whole, or not one of the formats.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Loaded::read(path).map(|loaded| loaded.set)
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

/// Reads labels in the order of the images from the file at `path`: an array of whole numbers `[N]` or IDX, plain or gzipped.
///
/// # Errors
/// When it cannot be read, or is not whole, or not one of the formats, or has labels by name.
pub fn read_labels(path: &Path) -> Result<Vec<Label>, Error> {
    Labels::read(path)?.in_order_of(&[]).map_err(|e| e.in_file(files::display_name(path)))
}

/// As [`read_labels`], from the unpacked bytes of a file.
///
/// # Errors
/// When they are not whole, or not in one of the formats, or are labels by name.
pub fn labels_from_bytes(bytes: &[u8]) -> Result<Vec<Label>, Error> {
    Labels::from_bytes(bytes)?.in_order_of(&[])
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
