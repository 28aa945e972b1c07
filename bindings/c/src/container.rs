//! Compressed files of one image, those of `pixelrnn compress`.

use crate::bytes::{Get, Put, pixelrnn_get, pixelrnn_put};
use crate::engine::{Cell, of_step, pixelrnn_engine};
use crate::memory::{apart, slice, slice_mut, status, write_optional};
use crate::status::{
    PIXELRNN_ERROR_CORRUPT, PIXELRNN_ERROR_FILE_IMAGES, PIXELRNN_ERROR_IMAGE_TOO_SHORT, PIXELRNN_ERROR_VALUE, of_file,
    pixelrnn_status,
};
use core::ffi::c_void;
use runtime::StepError;
use runtime::coder::ByteSink;
use runtime::coder::container::{BlockError, Header, SMALL_SEGMENT, read_block, write_block};
use runtime::network::Image;

/// Compresses an image to a file: header, label, stream and checksum. `pixelrnn decompress` reads it on a computer.
///
/// The engine is at the first pixel afterwards, with this label.
///
/// @param label   class of the image, or `PIXELRNN_NO_LABEL`
/// @param image   `bytes` values, channel by channel, row by row
/// @param put     takes the bytes of the file, one a call
/// @param cost    receives the cost of the image, in units of 2^-24 bit; may be null
///
/// # Safety
/// `engine` is an engine, or all zeros; `image` points to that many values; `put` is a function of that type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_compress(
    engine: *mut pixelrnn_engine,
    label: i32,
    image: *const u8,
    bytes: usize,
    put: pixelrnn_put,
    context: *mut c_void,
    cost: *mut u64,
) -> pixelrnn_status {
    status((|| {
        // SAFETY: the caller's promise.
        let (mut cell, image) = unsafe { (Cell::read(engine)?, slice(image, bytes)?) };
        let mut sink = Put::new(put, context)?;
        cell.place(label, 0)?;
        let Image { levels, .. } = cell.model().image();
        let values = image.get(..cell.model().image().values()).ok_or(PIXELRNN_ERROR_IMAGE_TOO_SHORT)?;
        if values.iter().any(|value| usize::from(*value) >= levels) {
            return Err(PIXELRNN_ERROR_VALUE);
        }
        for byte in Header::new(cell.model(), 1).to_bytes() {
            sink.put(byte)?;
        }
        // SAFETY: the engine is the program's, and busy in between.
        let written = unsafe {
            cell.during(engine, |mut running| {
                write_block::<SMALL_SEGMENT, _, _>(&mut running, core::iter::once((cell.label(), values)), sink)
            })
        }?;
        // SAFETY: the caller's promise.
        unsafe { write_optional(cost, written.map_err(of_block)?.0) }
    })())
}

/// Restores the image of a file of one image. It asks for no byte after the file's last one.
///
/// The checksum is verified at the end: after an error `image` holds values that mean nothing.
///
/// @param get     returns the bytes of the file, one a call
/// @param image   receives the values, channel by channel, row by row; `bytes` at least `values` of the model
/// @param label   receives the class of the image, or `PIXELRNN_NO_LABEL`; may be null
///
/// # Safety
/// `engine` is an engine, or all zeros; `image` points to that many values, which may be written; `get` is a function of that type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_decompress(
    engine: *mut pixelrnn_engine,
    get: pixelrnn_get,
    context: *mut c_void,
    image: *mut u8,
    bytes: usize,
    label: *mut i32,
) -> pixelrnn_status {
    status((|| {
        // SAFETY: the caller's promise.
        let (cell, values) = unsafe { (Cell::read(engine)?, slice_mut(image, bytes)?) };
        apart(image, bytes, engine, 1)?;
        let mut source = Get::new(get, context)?;
        let Image { height, width, channels, .. } = cell.model().image();
        let values = values.get_mut(..cell.model().image().values()).ok_or(PIXELRNN_ERROR_IMAGE_TOO_SHORT)?;
        let header = Header::read(&mut source).map_err(of_block)?;
        header.check(cell.model()).map_err(of_file)?;
        if header.images != 1 {
            return Err(PIXELRNN_ERROR_FILE_IMAGES);
        }
        let mut class = None;
        // SAFETY: the engine is the program's, and busy in between.
        let read = unsafe {
            cell.during(engine, |mut running| {
                read_block(&mut running, 1, source, |_, label, pixel| {
                    class = label;
                    for (channel, value) in pixel.values.iter().enumerate().take(channels) {
                        if let Some(place) = values.get_mut((channel * height + pixel.row) * width + pixel.column) {
                            *place = *value;
                        }
                    }
                })
            })
        }?;
        read.map_err(of_block)?;
        // SAFETY: the caller's promise.
        unsafe { write_optional(label, class.map_or(crate::engine::PIXELRNN_NO_LABEL, |class| class as i32)) }
    })())
}

/// Status of a file that cannot be written or read.
fn of_block(error: BlockError<pixelrnn_status>) -> pixelrnn_status {
    match error {
        BlockError::Container(error) => of_file(error),
        BlockError::Engine(error) => of_step(match error {
            StepError::Setup(error) => StepError::Setup(error),
            StepError::NotFinite => StepError::NotFinite,
            _ => StepError::Source(PIXELRNN_ERROR_CORRUPT),
        }),
        BlockError::Image => PIXELRNN_ERROR_VALUE,
        BlockError::Bytes(status) => status,
    }
}
