//! Size, value range and output distribution of images.

/// Maximum number of levels of a value: values are bytes.
pub const MAX_LEVELS: usize = 256;

/// Size and value range of a model's images.
///
/// Values are integers `0..levels`, in raster order over the pixels, and R, G, B within a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// 1 (gray) or 3 (R, G, B).
    pub channels: usize,
    /// Levels of a value, 2 to 256.
    pub levels: usize,
}

impl Image {
    /// Number of values in an image: `height * width * channels`.
    pub const fn values(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// Distribution over a value's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Output {
    /// Softmax of one logit per level.
    Softmax,
    /// One logit per channel, the log-odds of value 1; two levels only.
    Bernoulli,
}

impl Output {
    /// Number of logits per channel with `levels` levels.
    pub const fn logits_per_channel(self, levels: usize) -> usize {
        match self {
            Output::Softmax => levels,
            Output::Bernoulli => 1,
        }
    }
}

/// Affine map from a value in `0..levels` to the network's input: `value * scale + shift`.
///
/// Convolutions pad with 0 after this map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputMap {
    /// Factor; by default `1 / (levels - 1)`.
    pub scale: f32,
    /// Offset; by default 0.
    pub shift: f32,
}

impl InputMap {
    /// Default map of `levels` values onto 0 to 1.
    pub fn unit(levels: usize) -> Self {
        Self { scale: 1.0 / (levels.max(2) - 1) as f32, shift: 0.0 }
    }
}
