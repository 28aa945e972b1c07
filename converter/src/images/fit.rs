//! Making a set of images fit a model.

use super::{ImageSet, Range};
use crate::error::Error;
use pixelrnn::model::Image;
use std::fmt;

/// Something that was done to a set of images and that its user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Values 0 to 255 became levels.
    Quantized {
        /// How many levels.
        levels: usize,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantized { levels } => {
                write!(f, "the images hold values 0 to 255; quantized to the model's {levels} levels")
            }
        }
    }
}

impl ImageSet {
    /// Checks that the images are of the model's size and brings their values to its levels.
    ///
    /// A file of [`Range::Unstated`] whose values all are below the model's number of levels holds levels; any other, and
    /// any PNG file, holds 0 to 255, and a value `v` becomes the level `v * levels / 256`, rounded down. Where that
    /// changes anything the notice says so.
    ///
    /// # Errors
    /// [`Error::ImageSize`] when size or channels differ from the model's, [`Error::Value`] when values that are levels by
    /// [`Range::Levels`] exceed the model's.
    pub fn fit(mut self, image: &Image) -> Result<(Self, Option<Notice>), Error> {
        let got = [self.channels, self.height, self.width];
        let expected = [image.channels, image.height, image.width];
        if got != expected {
            return Err(Error::ImageSize { got, expected });
        }
        let levels = image.levels;
        let above = self.data.iter().position(|&v| usize::from(v) >= levels);
        let bytes = match (self.range, above) {
            (Range::Levels, Some(index)) => {
                return Err(Error::Value { got: self.data[index], index: index % self.values(), levels });
            }
            (Range::Levels, None) => false,
            (Range::Bytes, _) => true,
            (Range::Unstated, above) => above.is_some(),
        };
        let quantize = bytes && levels < 256;
        if quantize {
            for v in &mut self.data {
                *v = (usize::from(*v) * levels / 256) as u8;
            }
        }
        self.range = Range::Levels;
        Ok((self, quantize.then_some(Notice::Quantized { levels })))
    }
}

/// The byte 0 to 255 that shows a level: evenly spread from black to white, and such that [`ImageSet::fit`] makes it the
/// same level again.
///
/// `levels` is at least 2, and `level` below it.
pub fn level_to_byte(level: u8, levels: usize) -> u8 {
    let level = usize::from(level);
    let even = (level * 255 + (levels - 1) / 2) / (levels - 1);
    // The bytes v with v * levels / 256 == level.
    let first = (level * 256).div_ceil(levels);
    let last = ((level + 1) * 256).div_ceil(levels) - 1;
    even.clamp(first, last) as u8
}
