//! Making a set of images fit a model.

use super::{ImageSet, Origin, Range};
use crate::error::Error;
use pixelrnn::network::Image;
use std::fmt;

/// Something that was done to a set of images and that its user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Values 0 to 255 became levels.
    Quantized {
        /// How many levels.
        levels: usize,
        /// How many values would come back changed.
        changed: usize,
        /// How many values there are.
        values: usize,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Quantized { levels, changed, .. } = self;
        if *changed > 0 {
            write!(f, "the images hold values 0 to 255; quantized to the model's {levels} levels")
        } else {
            write!(
                f,
                "the images hold values 0 to 255, all of them shades of the model's {levels} levels; nothing is lost"
            )
        }
    }
}

/// The value from which on images are surely of 0 to 255, for a model of `levels`: neither a dark picture nor levels with a
/// stray value, or those of a model with a few more, reach it.
fn bright(levels: usize) -> usize {
    (levels + 16).max(128)
}

impl ImageSet {
    /// Checks that the images are of the model's size and brings their values to its levels.
    ///
    /// A value `v` of 0 to 255 becomes the level `v * levels / 256`, rounded down; the notice says so. Values of
    /// [`Range::Unstated`] are taken for what all of them together can be:
    ///
    /// | values of all images, model of L levels | [`Origin::Array`] | [`Origin::Unit`] | [`Origin::Picture`] |
    /// |---|---|---|---|
    /// | all 0, or L is 256 | levels | levels where all 0, else refused | levels |
    /// | all below L | levels | levels where L is 2, else refused | refused |
    /// | one of L or more; one of 128 and L + 16 or more, or all are shades of levels ([`level_to_byte`]) | 0 to 255 | | 0 to 255 |
    /// | one of L or more, none so bright | refused | | refused |
    ///
    /// # Errors
    /// [`Error::ImageSize`] or [`Error::FlatSize`] when size or channels differ from the model's, [`Error::Value`] when
    /// values that are levels by [`Range::Levels`] exceed the model's, [`Error::Reading`] where the table says refused.
    pub fn fit(mut self, image: &Image) -> Result<(Self, Option<Notice>), Error> {
        let expected = [image.channels, image.height, image.width];
        if self.flat {
            if image.channels != 1 || self.width != image.height * image.width {
                return Err(Error::FlatSize { count: self.count, got: self.width, expected });
            }
            (self.height, self.width, self.flat) = (image.height, image.width, false);
        }
        if image.channels == 1 {
            self.drop_equal_channels();
        }
        let got = [self.channels, self.height, self.width];
        if got != expected {
            return Err(Error::ImageSize { got, expected });
        }
        let levels = image.levels;
        let notice = if self.are_levels(levels)? {
            if let Some(index) = self.data.iter().position(|&v| usize::from(v) >= levels) {
                return Err(Error::Value { got: self.data[index], index: index % self.values(), levels });
            }
            None
        } else {
            self.quantize(levels)
        };
        (self.range, self.origin) = (Range::Levels, Origin::Array);
        Ok((self, notice))
    }

    /// Whether the values are levels of a model of so many, or else 0 to 255.
    fn are_levels(&self, levels: usize) -> Result<bool, Error> {
        match self.range {
            Range::Levels => return Ok(true),
            Range::Bytes => return Ok(false),
            Range::Unstated => {}
        }
        let highest = self.data.iter().copied().max().unwrap_or(0);
        let refused = Error::Reading { origin: self.origin, highest, levels };
        let high = usize::from(highest);
        match self.origin {
            _ if high == 0 => Ok(true),
            Origin::Unit => {
                if levels == 2 {
                    Ok(true)
                } else {
                    Err(refused)
                }
            }
            _ if levels == 256 => Ok(true),
            Origin::Array if high < levels => Ok(true),
            Origin::Picture if high < levels => Err(refused),
            _ if high >= bright(levels) || self.data.iter().all(|v| is_shade(*v, levels)) => Ok(false),
            _ => Err(refused),
        }
    }

    /// Makes levels of 0 to 255.
    fn quantize(&mut self, levels: usize) -> Option<Notice> {
        let table: [_; 256] =
            std::array::from_fn(|byte| (byte_to_level(byte as u8, levels), usize::from(!is_shade(byte as u8, levels))));
        let (mut changed, mut different) = (0, false);
        for v in &mut self.data {
            let (level, lost) = table[usize::from(*v)];
            changed += lost;
            different |= level != *v;
            *v = level;
        }
        different.then_some(Notice::Quantized { levels, changed, values: self.data.len() })
    }
}

fn byte_to_level(byte: u8, levels: usize) -> u8 {
    (usize::from(byte) * levels / 256) as u8
}

/// Whether a level is shown as this byte, so that nothing is lost.
fn is_shade(byte: u8, levels: usize) -> bool {
    level_to_byte(byte_to_level(byte, levels), levels) == byte
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

/// The sentence of [`Error::FlatSize`].
pub(crate) fn flat_size(count: usize, got: usize, [channels, height, width]: [usize; 3]) -> String {
    if channels > 1 {
        return format!("an array [{count}, {got}], expected [N, C, H, W]: it may be planes or pixels of colour");
    }
    let hint = if (count, got) == (height, width) { "; a single image is `x[None]`" } else { "" };
    format!(
        "an array [{count}, {got}], expected [N, {}], [N, {height}, {width}] or [N, 1, {height}, {width}]{hint}",
        height * width
    )
}

/// The sentence of [`Error::Reading`].
pub(crate) fn reading(origin: Origin, highest: u8, levels: usize) -> String {
    let ask = format!("say which with `--levels-in {levels}` or `--levels-in 256`");
    match origin {
        Origin::Unit if usize::from(highest) < levels => format!(
            "0 and 1 alone, as truth values or floats, may be levels of the model's {levels} or black and white: say \
             `--levels-in {levels}` for levels, or multiply by {} for white",
            levels - 1
        ),
        _ if usize::from(highest) < levels => {
            format!("values 0 to {highest} may be levels of the model's {levels} or nearly black of 0 to 255: {ask}")
        }
        _ => format!(
            "values 0 to {highest} are too high for the model's {levels} levels and too dark to be surely of 0 to 255: \
             if they are, say `--levels-in 256`, else quantize them to 0 to {}",
            levels - 1
        ),
    }
}
