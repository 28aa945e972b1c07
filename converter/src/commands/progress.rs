//! Progress bars, shared with `pixelrnn-train`.

pub use pixelrnn_converter::progress::bar;
