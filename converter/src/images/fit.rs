//! Conversion of a set of images to a model's size and levels.

use super::{ImageSet, Origin, Range};
use crate::error::Error;
use pixelrnn::network::Image;
use std::fmt;

/// Change to a set of images that the user should know about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Values 0 to 255 were quantized to levels.
    Quantized {
        /// Number of levels.
        levels: usize,
        /// Number of values that would not decode to their original.
        changed: usize,
        /// Number of values.
        values: usize,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Quantized { levels, changed, .. } = self;
        if *changed > 0 {
            write!(f, "the images hold values 0 to 255; quantized to the model's {levels} levels")
        } else {
            write!(f, "the images hold values 0 to 255, all of them shades of the model's {levels} levels: lossless")
        }
    }
}

/// Threshold above which values are certainly 0 to 255, for a model of `levels` levels. Well above the levels, so that
/// neither a dark picture nor levels with an outlier, nor levels of a model with a few more, reach it.
fn bright(levels: usize) -> usize {
    (levels + 16).max(128)
}

impl ImageSet {
    /// Checks the size of the images and converts their values to the model's levels.
    ///
    /// A value `v` of 0 to 255 becomes the level `v * levels / 256`, rounded down, with a notice. Values of
    /// [`Range::Unstated`] are interpreted by all of them together:
    ///
    /// | values of all images, model of L levels | [`Origin::Array`] | [`Origin::Unit`] | [`Origin::Picture`] |
    /// |---|---|---|---|
    /// | all 0, or L is 256 | levels | levels if all 0, else error | levels |
    /// | all below L | levels | levels if L is 2, else error | error |
    /// | one of L or more; one of 128 and L + 16 or more, or all are shades of levels ([`level_to_byte`]) | 0 to 255 | | 0 to 255 |
    /// | one of L or more, none so bright | error | | error |
    ///
    /// # Errors
    /// [`Error::ImageSize`] or [`Error::FlatSize`] when size or channels differ from the model's, [`Error::Value`] when
    /// values of [`Range::Levels`] exceed the model's levels, [`Error::Reading`] where the table says error.
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

    /// [`ImageSet::fit`] of images of several sizes, whose values are interpreted by all of them together. `image` has the model's
    /// channels and levels; rows and columns may be any.
    ///
    /// # Errors
    /// See [`ImageSet::fit`].
    pub fn fit_all(mut sets: Vec<Self>, image: &Image) -> Result<(Vec<Self>, Option<Notice>), Error> {
        for set in &mut sets {
            if image.channels == 1 {
                set.drop_equal_channels();
            }
            if set.channels != image.channels {
                let got = [set.channels, set.height, set.width];
                return Err(Error::ImageSize { got, expected: [image.channels, set.height, set.width] });
            }
        }
        let Some(&Self { range, origin, .. }) = sets.first() else { return Ok((sets, None)) };
        // One image of all values: their places do not matter.
        let bytes = sets.iter().any(|set| set.range == Range::Bytes);
        let range = if bytes { Range::Bytes } else { range };
        let data: Vec<u8> = sets.iter_mut().flat_map(|set| std::mem::take(&mut set.data)).collect();
        let size = Image { height: 1, width: data.len(), channels: 1, levels: image.levels };
        let all = Self { origin, ..Self::new([1, 1, data.len()], data, range)? };
        let (all, notice) = all.fit(&size)?;
        let mut rest = all.data.as_slice();
        for set in &mut sets {
            let (own, after) = rest.split_at(set.count * set.values());
            set.data = own.to_vec();
            rest = after;
            (set.range, set.origin) = (all.range, all.origin);
        }
        Ok((sets, notice))
    }

    /// True for levels, false for 0 to 255.
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

    /// Quantizes values 0 to 255 to levels.
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

/// True if quantization keeps this byte: some level is shown as it.
fn is_shade(byte: u8, levels: usize) -> bool {
    level_to_byte(byte_to_level(byte, levels), levels) == byte
}

/// Brightness of a level, 0 to 255: evenly spaced from black to white, and mapped back to the same level by
/// [`ImageSet::fit`].
///
/// `levels` must be at least 2, and `level` below it.
pub fn level_to_byte(level: u8, levels: usize) -> u8 {
    let level = usize::from(level);
    let even = (level * 255 + (levels - 1) / 2) / (levels - 1);
    // Range of the bytes v with v * levels / 256 == level.
    let first = (level * 256).div_ceil(levels);
    let last = ((level + 1) * 256).div_ceil(levels) - 1;
    even.clamp(first, last) as u8
}

/// Message of [`Error::FlatSize`].
pub(crate) fn flat_size(count: usize, got: usize, [channels, height, width]: [usize; 3]) -> String {
    if channels > 1 {
        return format!("an array [{count}, {got}], expected [N, C, H, W]: its channel order is ambiguous");
    }
    let hint = if (count, got) == (height, width) { "; a single image is `x[None]`" } else { "" };
    format!(
        "an array [{count}, {got}], expected [N, {}], [N, {height}, {width}] or [N, 1, {height}, {width}]{hint}",
        height * width
    )
}

/// Message of [`Error::Reading`].
pub(crate) fn reading(origin: Origin, highest: u8, levels: usize) -> String {
    let ask = format!("choose with `--levels-in {levels}` or `--levels-in 256`");
    match origin {
        Origin::Unit if usize::from(highest) < levels => format!(
            "booleans or floats of only 0 and 1 may be levels of the model's {levels} or black and white: choose levels with \
             `--levels-in {levels}`, or multiply by {} for black and white",
            levels - 1
        ),
        _ if usize::from(highest) < levels => {
            format!("values 0 to {highest} may be levels of the model's {levels} or dark values of 0 to 255: {ask}")
        }
        _ => format!(
            "values 0 to {highest} are too high for the model's {levels} levels and too dark to be certainly 0 to 255: \
             if they are, use `--levels-in 256`, else quantize them to 0 to {}",
            levels - 1
        ),
    }
}
