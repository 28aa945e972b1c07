//! What an image is.

/// The most levels a value can have: values are bytes.
pub const MAX_LEVELS: usize = 256;

/// Size and value range of a model's images.
///
/// Values are integers `0..levels`, in raster order over the pixels, and R, G, B within a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// 1 (gray) or 3 (R, G, B).
    pub channels: usize,
    /// How many values a channel can take, 2 to 256.
    pub levels: usize,
}

impl Image {
    /// Values in an image: `height * width * channels`.
    pub const fn values(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// How the last layer's numbers become a distribution over a value's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One logit a level.
    Softmax,
    /// One logit a channel, that of value 1; for two levels.
    Bernoulli,
}

impl Output {
    /// Logits that a channel of `levels` values needs.
    pub const fn logits_per_channel(self, levels: usize) -> usize {
        match self {
            Output::Softmax => levels,
            Output::Bernoulli => 1,
        }
    }
}

/// The affine map from a value `0..levels` to the number that the network reads: `value * scale + shift`.
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
    /// The default map of `levels` values onto 0..=1.
    pub fn unit(levels: usize) -> Self {
        Self { scale: 1.0 / (levels.max(2) - 1) as f32, shift: 0.0 }
    }
}
