//! Codes of success and of errors, and their texts.

use core::ffi::{CStr, c_char};
use runtime::coder::container::ContainerError;
use runtime::{BlobError, SetupError};

/// Result of a function: `PIXELRNN_OK`, `PIXELRNN_DONE` or an error, which is negative.
///
/// The codes of the library lie above -1000. Callbacks may return codes of their own from -1000 down, which the function that called
/// them passes on.
pub type pixelrnn_status = i32;

/// Success.
pub const PIXELRNN_OK: pixelrnn_status = 0;
/// All pixels of the image are done.
pub const PIXELRNN_DONE: pixelrnn_status = 1;
/// A pointer is null.
pub const PIXELRNN_ERROR_NULL: pixelrnn_status = -1;
/// A pointer is not aligned to its type.
pub const PIXELRNN_ERROR_ALIGNMENT: pixelrnn_status = -2;
/// A length is impossible on this machine: the memory would exceed the address space.
pub const PIXELRNN_ERROR_LENGTH: pixelrnn_status = -3;
/// Two memories overlap that must not.
pub const PIXELRNN_ERROR_OVERLAP: pixelrnn_status = -4;
/// The engine, source, encoder or decoder was not initialised.
pub const PIXELRNN_ERROR_NOT_INITIALISED: pixelrnn_status = -5;
/// A temperature is not 10 to 100000 thousandths.
pub const PIXELRNN_ERROR_TEMPERATURE: pixelrnn_status = -6;
/// The state buffer is too small; the detail has both sizes, in words.
pub const PIXELRNN_ERROR_BUFFER: pixelrnn_status = -7;
/// The label does not fit the model: no such class, or a label is missing, or the model has no classes.
pub const PIXELRNN_ERROR_LABEL: pixelrnn_status = -8;
/// The position to resume at lies beyond the image.
pub const PIXELRNN_ERROR_POSITION: pixelrnn_status = -9;
/// The memory of an image has fewer values than the model's images.
pub const PIXELRNN_ERROR_IMAGE_TOO_SHORT: pixelrnn_status = -10;
/// A value is not a level of the model.
pub const PIXELRNN_ERROR_VALUE: pixelrnn_status = -11;
/// A callback returned a positive code.
pub const PIXELRNN_ERROR_CALLBACK: pixelrnn_status = -12;
/// A sum of a float model is not finite.
pub const PIXELRNN_ERROR_NOT_FINITE: pixelrnn_status = -13;
/// The model changed after it was checked.
pub const PIXELRNN_ERROR_CORRUPT: pixelrnn_status = -14;
/// The engine is inside of a call: a callback used it.
pub const PIXELRNN_ERROR_BUSY: pixelrnn_status = -15;
/// The engine answered with an error that this library has no code for.
pub const PIXELRNN_ERROR_UNSUPPORTED: pixelrnn_status = -16;

/// Model: shorter than a header.
pub const PIXELRNN_ERROR_MODEL_TOO_SHORT: pixelrnn_status = -100;
/// Model: not aligned to four bytes.
pub const PIXELRNN_ERROR_MODEL_ALIGNMENT: pixelrnn_status = -101;
/// Model: the first bytes are not `PRNN`.
pub const PIXELRNN_ERROR_MODEL_MAGIC: pixelrnn_status = -102;
/// Model: a version that this library does not read.
pub const PIXELRNN_ERROR_MODEL_VERSION: pixelrnn_status = -103;
/// Model: its header has another length; the detail has both.
pub const PIXELRNN_ERROR_MODEL_LENGTH: pixelrnn_status = -104;
/// Model: damaged.
pub const PIXELRNN_ERROR_MODEL_CHECKSUM: pixelrnn_status = -105;
/// Model: needs a part of the engine that this library was built without; the detail names it.
pub const PIXELRNN_ERROR_MODEL_FEATURE: pixelrnn_status = -106;
/// Model: a field of the header is out of range; the detail names it.
pub const PIXELRNN_ERROR_MODEL_HEADER: pixelrnn_status = -107;
/// Model: a field of an op is out of range; the detail names both.
pub const PIXELRNN_ERROR_MODEL_OP: pixelrnn_status = -108;
/// Model: its header has another state size than its ops need; the detail has both, in bytes.
pub const PIXELRNN_ERROR_MODEL_STATE: pixelrnn_status = -109;
/// Model: too many multiply-adds a pixel.
pub const PIXELRNN_ERROR_MODEL_WORK: pixelrnn_status = -110;

/// Compressed file: the first bytes are not `PRNZ`.
pub const PIXELRNN_ERROR_FILE_MAGIC: pixelrnn_status = -200;
/// Compressed file: a version that this library does not read.
pub const PIXELRNN_ERROR_FILE_VERSION: pixelrnn_status = -201;
/// Compressed file: the header is damaged.
pub const PIXELRNN_ERROR_FILE_HEADER: pixelrnn_status = -202;
/// Compressed file: made with another model.
pub const PIXELRNN_ERROR_FILE_MODEL: pixelrnn_status = -203;
/// Compressed file: ends early.
pub const PIXELRNN_ERROR_FILE_TRUNCATED: pixelrnn_status = -204;
/// Compressed file: has another number of images than 1.
pub const PIXELRNN_ERROR_FILE_IMAGES: pixelrnn_status = -205;
/// Compressed file or stream: none that an encoder writes.
pub const PIXELRNN_ERROR_FILE_CORRUPT: pixelrnn_status = -206;
/// Compressed file: the checksum of the image does not match.
pub const PIXELRNN_ERROR_FILE_CHECKSUM: pixelrnn_status = -207;

/// First of the codes that callbacks may return as their own, downwards.
pub const PIXELRNN_ERROR_OWN: pixelrnn_status = -1000;

/// English text of a status, without a full stop; never null.
#[unsafe(no_mangle)]
pub extern "C" fn pixelrnn_error_string(status: pixelrnn_status) -> *const c_char {
    text(status).as_ptr()
}

const fn text(status: pixelrnn_status) -> &'static CStr {
    match status {
        PIXELRNN_OK => c"success",
        PIXELRNN_DONE => c"all pixels of the image are done",
        PIXELRNN_ERROR_NULL => c"a pointer is null",
        PIXELRNN_ERROR_ALIGNMENT => c"a pointer is not aligned to its type",
        PIXELRNN_ERROR_LENGTH => c"memory of that length cannot exist",
        PIXELRNN_ERROR_OVERLAP => c"two memories overlap that must not",
        PIXELRNN_ERROR_NOT_INITIALISED => c"the engine, source, encoder or decoder was not initialised",
        PIXELRNN_ERROR_TEMPERATURE => c"the temperature is not 10 to 100000 thousandths",
        PIXELRNN_ERROR_BUFFER => c"the state buffer is smaller than the model needs",
        PIXELRNN_ERROR_LABEL => c"the label does not fit the model's classes",
        PIXELRNN_ERROR_POSITION => c"the position lies beyond the image",
        PIXELRNN_ERROR_IMAGE_TOO_SHORT => c"the image has fewer values than the model's",
        PIXELRNN_ERROR_VALUE => c"a value is not one of the model's levels",
        PIXELRNN_ERROR_CALLBACK => c"a callback returned a code that means nothing",
        PIXELRNN_ERROR_NOT_FINITE => c"a sum of the model is not a finite number",
        PIXELRNN_ERROR_CORRUPT => c"the model changed after it was checked",
        PIXELRNN_ERROR_BUSY => c"the engine is in use: a callback must not use the engine that called it",
        PIXELRNN_ERROR_UNSUPPORTED => c"an error of the engine that this library has no code for",
        PIXELRNN_ERROR_MODEL_TOO_SHORT => c"too few bytes for a model",
        PIXELRNN_ERROR_MODEL_ALIGNMENT => c"the model does not begin at a multiple of four bytes",
        PIXELRNN_ERROR_MODEL_MAGIC => c"not a model: it does not begin with PRNN",
        PIXELRNN_ERROR_MODEL_VERSION => c"the model has a version that this library does not read",
        PIXELRNN_ERROR_MODEL_LENGTH => c"the model's header has another length than was given",
        PIXELRNN_ERROR_MODEL_CHECKSUM => c"the model's checksum does not match: it is damaged",
        PIXELRNN_ERROR_MODEL_FEATURE => c"the model needs a feature that this library was built without",
        PIXELRNN_ERROR_MODEL_HEADER => c"a field of the model's header is out of range",
        PIXELRNN_ERROR_MODEL_OP => c"a field of an op of the model is out of range",
        PIXELRNN_ERROR_MODEL_STATE => c"the model's header has another state size than its ops need",
        PIXELRNN_ERROR_MODEL_WORK => c"the model takes too many multiply-adds a pixel",
        PIXELRNN_ERROR_FILE_MAGIC => c"not a compressed file: it does not begin with PRNZ",
        PIXELRNN_ERROR_FILE_VERSION => c"the compressed file has a version that this library does not read",
        PIXELRNN_ERROR_FILE_HEADER => c"the header of the compressed file is damaged",
        PIXELRNN_ERROR_FILE_MODEL => c"the compressed file was made with another model",
        PIXELRNN_ERROR_FILE_TRUNCATED => c"the compressed file ends early",
        PIXELRNN_ERROR_FILE_IMAGES => c"the compressed file has not exactly one image",
        PIXELRNN_ERROR_FILE_CORRUPT => c"the compressed bytes are damaged",
        PIXELRNN_ERROR_FILE_CHECKSUM => c"the checksum of the restored image does not match",
        ..=PIXELRNN_ERROR_OWN => c"an error of a callback of the program",
        _ => UNKNOWN,
    }
}

const UNKNOWN: &CStr = c"unknown status";

/// Status of an answer of a callback that is no success: its own code, or an error for a positive one.
pub(crate) const fn of_callback(answer: i32) -> pixelrnn_status {
    if answer < 0 { answer } else { PIXELRNN_ERROR_CALLBACK }
}

/// Status of an invalid model.
pub(crate) const fn of_blob(error: BlobError) -> pixelrnn_status {
    match error {
        BlobError::TooShort { .. } => PIXELRNN_ERROR_MODEL_TOO_SHORT,
        BlobError::Misaligned => PIXELRNN_ERROR_MODEL_ALIGNMENT,
        BlobError::Magic => PIXELRNN_ERROR_MODEL_MAGIC,
        BlobError::Version { .. } => PIXELRNN_ERROR_MODEL_VERSION,
        BlobError::Length { .. } => PIXELRNN_ERROR_MODEL_LENGTH,
        BlobError::Checksum => PIXELRNN_ERROR_MODEL_CHECKSUM,
        BlobError::Feature { .. } => PIXELRNN_ERROR_MODEL_FEATURE,
        BlobError::Header { .. } => PIXELRNN_ERROR_MODEL_HEADER,
        BlobError::Op { .. } => PIXELRNN_ERROR_MODEL_OP,
        BlobError::State { .. } => PIXELRNN_ERROR_MODEL_STATE,
        BlobError::Work { .. } => PIXELRNN_ERROR_MODEL_WORK,
        _ => PIXELRNN_ERROR_UNSUPPORTED,
    }
}

/// Status of an engine that cannot begin.
pub(crate) const fn of_setup(error: SetupError) -> pixelrnn_status {
    match error {
        SetupError::Buffer { .. } => PIXELRNN_ERROR_BUFFER,
        SetupError::Label { .. } => PIXELRNN_ERROR_LABEL,
        SetupError::Position { .. } => PIXELRNN_ERROR_POSITION,
        SetupError::Corrupt => PIXELRNN_ERROR_CORRUPT,
        _ => PIXELRNN_ERROR_UNSUPPORTED,
    }
}

/// Status of a compressed file that cannot be read.
pub(crate) const fn of_file(error: ContainerError) -> pixelrnn_status {
    match error {
        ContainerError::Magic => PIXELRNN_ERROR_FILE_MAGIC,
        ContainerError::Version { .. } => PIXELRNN_ERROR_FILE_VERSION,
        ContainerError::HeaderChecksum | ContainerError::Header { .. } => PIXELRNN_ERROR_FILE_HEADER,
        ContainerError::Model { .. } => PIXELRNN_ERROR_FILE_MODEL,
        ContainerError::Truncated => PIXELRNN_ERROR_FILE_TRUNCATED,
        ContainerError::Images { .. } | ContainerError::Trailing => PIXELRNN_ERROR_FILE_IMAGES,
        ContainerError::Corrupt => PIXELRNN_ERROR_FILE_CORRUPT,
        ContainerError::Checksum => PIXELRNN_ERROR_FILE_CHECKSUM,
        _ => PIXELRNN_ERROR_UNSUPPORTED,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_status_has_a_text_of_its_own() {
        let statuses: std::vec::Vec<_> = (PIXELRNN_ERROR_OWN + 1..1000).filter(|s| text(*s) != UNKNOWN).collect();
        let texts: BTreeSet<_> = statuses.iter().map(|status| text(*status)).collect();
        // As many constants as texts.
        let source = include_str!("status.rs");
        let constants = source.lines().filter(|line| line.starts_with("pub const PIXELRNN_")).count();
        assert_eq!(
            (texts.len(), statuses.len()),
            (constants - 1, constants - 1),
            "PIXELRNN_ERROR_OWN is none of these"
        );
        for own in [PIXELRNN_ERROR_OWN, i32::MIN] {
            assert_eq!(text(own), c"an error of a callback of the program");
        }
    }
}
