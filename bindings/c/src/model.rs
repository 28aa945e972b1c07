//! Checking a model and reading its sizes.

use crate::detail::{pixelrnn_detail, report};
use crate::memory::{slice, write_optional};
use crate::status::pixelrnn_status;
use core::ffi::c_void;
use runtime::Model;
use runtime::network::Image;

/// Sizes of a model.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct pixelrnn_model {
    /// Number that names the model in compressed files, the same for all layouts of its weights.
    pub identity: u64,
    /// State that an engine needs, in words of four bytes.
    pub state_words: usize,
    /// Values of an image: channels * height * width.
    pub values: usize,
    /// Rows of an image.
    pub height: u32,
    /// Columns of an image.
    pub width: u32,
    /// 1, or 3 for R, G, B.
    pub channels: u32,
    /// Levels of a value, 2 to 256: values are 0 to levels - 1.
    pub levels: u32,
    /// Classes; 0 for a model without labels.
    pub classes: u32,
}

impl pixelrnn_model {
    pub(crate) fn of(model: &Model<'_>) -> Self {
        let Image { height, width, channels, levels } = model.image();
        Self {
            identity: model.identity(),
            state_words: model.state_words(),
            values: model.image().values(),
            height: height as u32,
            width: width as u32,
            channels: channels as u32,
            levels: levels as u32,
            classes: model.classes() as u32,
        }
    }
}

/// The checked model in `bytes` bytes at `blob`.
///
/// # Safety
/// See [`pixelrnn_model_check`]; the bytes do not change for `'a`.
pub(crate) unsafe fn open<'a>(blob: *const c_void, bytes: usize) -> Result<Model<'a>, pixelrnn_detail> {
    // SAFETY: the caller's promise.
    let blob = unsafe { slice(blob.cast::<u8>(), bytes) }.map_err(pixelrnn_detail::of)?;
    Model::new(blob).map_err(pixelrnn_detail::of_blob)
}

/// Checks a model completely, from its checksum to its last field, and gives its sizes.
///
/// The bytes may come from anywhere; what is wrong with them is an error and nothing else. They begin at a multiple of four bytes.
///
/// @param blob   the model, `bytes` long
/// @param model  receives the sizes; may be null
/// @param detail receives what an error is about; may be null
///
/// # Safety
/// `blob` points to that many bytes. The others are null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_model_check(
    blob: *const c_void,
    bytes: usize,
    model: *mut pixelrnn_model,
    detail: *mut pixelrnn_detail,
) -> pixelrnn_status {
    // SAFETY: the caller's promise.
    let checked = unsafe { open(blob, bytes) }.and_then(|checked| {
        // SAFETY: the caller's promise.
        unsafe { write_optional(model, pixelrnn_model::of(&checked)) }.map_err(pixelrnn_detail::of)
    });
    // SAFETY: the caller's promise.
    unsafe { report(detail, checked) }
}
