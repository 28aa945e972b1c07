//! Sets of images and their labels, in common file formats.
//!
//! Input formats: `.npy` and `.npz` arrays of whole numbers `[N, C, H, W]`, `[N, H, W]` or `[N, H·W]`, IDX as in MNIST,
//! PNG, and folders of PNG files. Single files may be gzipped. The format is detected by the first bytes, not by the
//! name; `-` is standard input. Output formats: `.npy`, and PNG through [`crate::picture`].

mod class;
mod fit;
mod folder;
mod idx;
mod input;
mod labels;
pub mod npy;
pub mod npz;
mod numbers;
mod png;

pub use fit::{Notice, level_to_byte};
pub(crate) use fit::{flat_size, reading};
pub use folder::Skipped;
pub use input::{Fitted, Resize, fit_sets, range_of};
pub use labels::Labels;

use crate::error::Error;
use crate::files;
use std::path::Path;

/// Class of an image.
pub type Label = u16;

/// Interpretation of a set's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Unknown: [`ImageSet::fit`] decides by the values and their origin, or returns an error.
    Unstated,
    /// 0 to 255.
    Bytes,
    /// Levels of a model.
    Levels,
}

/// Kind of source, which suggests the interpretation of the values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Integer array, or no file: usually levels.
    #[default]
    Array,
    /// Array of booleans, or of floats that are all 0 or 1: two levels, or black and white.
    Unit,
    /// PNG or IDX file: usually 0 to 255.
    Picture,
}

/// Images of equal size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    /// Number of images.
    pub count: usize,
    /// 1 (gray) or 3 (R, G, B).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Pixels per row.
    pub width: usize,
    /// Values, `[N, C, H, W]`.
    pub data: Vec<u8>,
    /// Interpretation of the values.
    pub range: Range,
    /// True if the file has no channel axis, `[N, H, W]`. Single-channel only.
    pub planes: bool,
    /// Source of the values.
    pub origin: Origin,
    /// True if the file has no row axis, `[N, H·W]`. `height` is 1 until [`ImageSet::fit`] sets it to the model's.
    pub flat: bool,
}

/// A set as read, with information for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The images.
    pub set: ImageSet,
    /// File name of each image of a folder. Empty for other sources.
    pub names: Vec<String>,
    /// Skipped entries of a folder.
    pub skipped: Option<Skipped>,
}

/// Sets as read, one for each run of images of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedSets {
    /// The images, in order.
    pub sets: Vec<ImageSet>,
    /// File name of each image of a folder. Empty for other sources.
    pub names: Vec<String>,
    /// Skipped entries of a folder.
    pub skipped: Option<Skipped>,
}

impl LoadedSets {
    /// [`Loaded::read`] of images whose sizes may differ: those of a folder.
    ///
    /// # Errors
    /// See [`Loaded::read`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return folder::read_sizes(path);
        }
        let Loaded { set, names, skipped } = Loaded::read(path)?;
        Ok(Self { sets: vec![set], names, skipped })
    }
}

impl Loaded {
    /// Reads images from the file or folder at `path`. `FILE.npz:NAME` selects one of several arrays.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or has an unknown format.
    pub fn read(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return folder::read(path);
        }
        let bytes = read_array_file(path)?;
        let set = ImageSet::from_bytes(&bytes).map_err(|e| e.in_file(files::display_name(path)))?;
        Ok(Self { set, names: Vec::new(), skipped: None })
    }
}

/// Decompressed bytes of the file at `path`; for an archive, of the array named in `path` or of its only array.
fn read_array_file(path: &Path) -> Result<Vec<u8>, Error> {
    let (file, name) = npz::split_path(path);
    let bytes = files::read_unpacked(&file)?;
    let bytes = match (npz::is_npz(&bytes), name) {
        (true, name) => npz::array(&bytes, name.as_deref()),
        (false, None) => Ok(bytes),
        (false, Some(_)) => Err(Error::Format {
            format: ".npz file",
            what: "not an archive, so no array can be selected by name".into(),
        }),
    };
    bytes.map_err(|e| e.in_file(files::display_name(path)))
}

/// Channels, rows and columns of a four-dimensional `shape`.
fn channels_first(shape: &[usize]) -> Result<[usize; 3], String> {
    match *shape {
        [_, c, h, w] if c != 1 && c != 3 && (w == 1 || w == 3) => Err(format!(
            "shape [{}, {c}, {h}, {w}] looks like [N, H, W, C], expected [N, C, H, W]: transpose it with \
             `np.transpose(x, (0, 3, 1, 2))`",
            shape[0]
        )),
        [_, c, h, w] => Ok([c, h, w]),
        _ => Err(format!("{} dimensions, expected 4", shape.len())),
    }
}

impl ImageSet {
    /// A set from `data`, `[N, C, H, W]`. N is derived from its length.
    ///
    /// # Errors
    /// When a dimension is 0, when the number of channels is neither 1 nor 3, and when the length of `data` is not a
    /// multiple of the image size.
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

    /// Values per image.
    pub fn values(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Image `n`, `[C, H, W]`.
    ///
    /// # Panics
    /// When `n` is not below the number of images.
    pub fn image(&self, n: usize) -> &[u8] {
        let size = self.values();
        &self.data[n * size..(n + 1) * size]
    }

    /// All images in order, each `[C, H, W]`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.data.chunks_exact(self.values())
    }

    /// Keeps at most the first `count` images.
    #[must_use]
    pub fn truncated(mut self, count: usize) -> Self {
        self.count = self.count.min(count);
        self.data.truncate(self.count * self.values());
        self
    }

    /// Numbers of at most `count` evenly spaced images. Files are often sorted by class.
    pub fn spread(&self, count: usize) -> Vec<usize> {
        let count = count.min(self.count);
        (0..count).map(|n| n * self.count / count).collect()
    }

    /// The images `numbers`.
    ///
    /// # Panics
    /// When an image number is out of range.
    #[must_use]
    pub fn picked(&self, numbers: &[usize]) -> Self {
        let data = numbers.iter().flat_map(|n| self.image(*n)).copied().collect();
        Self { count: numbers.len(), data, ..*self }
    }

    /// Reads images like [`Loaded::read`], without the information for the user.
    ///
    /// # Errors
    /// See [`Loaded::read`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Loaded::read(path).map(|loaded| loaded.set)
    }

    /// Parses images from the decompressed bytes of a file.
    ///
    /// # Errors
    /// When the bytes are damaged or have an unknown format.
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

    /// Writes the set to `path` atomically as `.npy` of uint8, `[N, H, W]` if [`ImageSet::planes`] is set, else `[N, C,
    /// H, W]`. `-` is standard output.
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

/// Reads labels in the order of the images from the file at `path`: an integer array `[N]` or IDX, plain or gzipped.
///
/// # Errors
/// When the file cannot be read, is damaged, has an unknown format, or has labels by name.
pub fn read_labels(path: &Path) -> Result<Vec<Label>, Error> {
    Labels::read(path)?.in_order_of(&[]).map_err(|e| e.in_file(files::display_name(path)))
}

/// Parses labels in the order of the images from the decompressed bytes of a file.
///
/// # Errors
/// When the bytes are damaged, have an unknown format, or are labels by name.
pub fn labels_from_bytes(bytes: &[u8]) -> Result<Vec<Label>, Error> {
    Labels::from_bytes(bytes)?.in_order_of(&[])
}

/// Checks for one label per image, each below `classes`.
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
