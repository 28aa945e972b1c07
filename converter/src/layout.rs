//! Lays a blob's weights out anew: [`pixelrnn_build::layout`], for a [`Blob`].

use crate::blob::Blob;
use crate::error::Error;
use pixelrnn::blob::Layout;

pub use pixelrnn_build::layout::for_dsp;

/// Copies `blob` with its weights in `layout`.
///
/// # Errors
/// As [`pixelrnn_build::layout::arrange`].
pub fn arrange(blob: &Blob, layout: Layout) -> Result<Blob, Error> {
    Blob::copy(&pixelrnn_build::layout::arrange(&blob.model()?, layout)?)
}
