//! Dimensions of a model's images.

use pixelrnn::network;
use pyo3::prelude::*;

/// Dimensions of a model's images.
#[pyclass(module = "pixelrnn", frozen, get_all, eq, hash)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Image {
    /// Rows.
    height: usize,
    /// Pixels in a row.
    width: usize,
    /// 1 (gray) or 3 (R, G, B).
    channels: usize,
    /// Levels of a value: it is 0 to levels - 1.
    levels: usize,
}

impl From<network::Image> for Image {
    fn from(image: network::Image) -> Self {
        let network::Image { height, width, channels, levels } = image;
        Self { height, width, channels, levels }
    }
}

#[pymethods]
impl Image {
    /// Shape of an image in an array: channels, height, width.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        (self.channels, self.height, self.width)
    }

    fn __repr__(&self) -> String {
        let Self { height, width, channels, levels } = self;
        format!("Image(height={height}, width={width}, channels={channels}, levels={levels})")
    }
}
