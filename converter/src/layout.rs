//! Weight layouts of a [`Blob`], by [`pixelrnn_build::layout`].

use crate::blob::Blob;
use crate::error::Error;
use pixelrnn::blob::Layout;

pub use pixelrnn_build::layout::for_dsp;

/// Copies `blob` with its weights rearranged to `layout`.
///
/// # Errors
/// See [`pixelrnn_build::layout::arrange`].
pub fn arrange(blob: &Blob, layout: Layout) -> Result<Blob, Error> {
    Blob::copy(&pixelrnn_build::layout::arrange(&blob.model()?, layout)?)
}
