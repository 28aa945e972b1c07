//! What an error is about, for programs that want more than its code.

use crate::memory::write_optional;
use crate::status::{of_blob, of_setup, pixelrnn_status};
use core::ffi::c_char;
use runtime::{BlobError, SetupError};

/// What an error is about. Members that do not apply to the status are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct pixelrnn_detail {
    /// Name of the field or feature, or null. It does not end with a zero: print it as `printf("%.*s", (int)field_bytes, field)`.
    pub field: *const c_char,
    /// Length of `field` in bytes.
    pub field_bytes: usize,
    /// Size, length or number that is needed: words for `PIXELRNN_ERROR_BUFFER`, bytes for lengths and sizes.
    pub needed: u64,
    /// Size, length or number that was there: words, bytes, or the version of a model.
    pub got: u64,
    /// Index of the op, from 0, for `PIXELRNN_ERROR_MODEL_OP`.
    pub op: u32,
    /// The error, or `PIXELRNN_OK`.
    pub status: pixelrnn_status,
}

impl pixelrnn_detail {
    pub(crate) const fn of(status: pixelrnn_status) -> Self {
        Self { field: core::ptr::null(), field_bytes: 0, needed: 0, got: 0, op: 0, status }
    }

    const fn named(self, field: &'static str) -> Self {
        Self { field: field.as_ptr().cast(), field_bytes: field.len(), ..self }
    }

    const fn sizes(self, needed: u64, got: u64) -> Self {
        Self { needed, got, ..self }
    }

    pub(crate) const fn of_blob(error: BlobError) -> Self {
        let plain = Self::of(of_blob(error));
        match error {
            BlobError::TooShort { got } => plain.sizes(runtime::blob::HEADER_BYTES as u64, got as u64),
            BlobError::Version { got } => plain.sizes(runtime::blob::VERSION as u64, got as u64),
            BlobError::Length { declared, got } => plain.sizes(declared as u64, got as u64),
            BlobError::Feature { feature } => plain.named(feature),
            BlobError::Header { field } => plain.named(field),
            BlobError::Op { op, field } => Self { op: op as u32, ..plain.named(field) },
            BlobError::State { declared, needed } => plain.sizes(needed, declared as u64),
            BlobError::Work { multiply_adds } => plain.sizes(0, multiply_adds),
            _ => plain,
        }
    }

    pub(crate) const fn of_setup(error: SetupError) -> Self {
        let plain = Self::of(of_setup(error));
        match error {
            SetupError::Buffer { needed, got } => plain.sizes(needed as u64, got as u64),
            _ => plain,
        }
    }
}

/// Writes the detail of a result, if the program asks for it, and returns the status.
///
/// # Safety
/// `detail` is null or points to a detail that may be written.
pub(crate) unsafe fn report(detail: *mut pixelrnn_detail, result: Result<(), pixelrnn_detail>) -> pixelrnn_status {
    let found = match result {
        Ok(()) => pixelrnn_detail::of(crate::status::PIXELRNN_OK),
        Err(found) => found,
    };
    // SAFETY: the caller's promise.
    match unsafe { write_optional(detail, found) } {
        // The error of the call comes before one of the pointer for its detail.
        Err(status) if found.status == crate::status::PIXELRNN_OK => status,
        _ => found.status,
    }
}
