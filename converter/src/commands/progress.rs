//! Progress bars, as `pixelrnn-train` has them.

pub use pixelrnn_converter::progress::bar;
