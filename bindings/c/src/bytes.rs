//! Callbacks that take and give compressed bytes.

use crate::memory::check_function;
use crate::status::{PIXELRNN_ERROR_CALLBACK, PIXELRNN_OK, of_callback, pixelrnn_status};
use core::ffi::c_void;
use runtime::coder::{ByteSink, ByteSource};

/// Takes the next compressed byte and returns `PIXELRNN_OK`. Negative answers stop the encoder and are passed on.
pub type pixelrnn_put = Option<unsafe extern "C" fn(context: *mut c_void, byte: u8) -> pixelrnn_status>;

/// Returns the next compressed byte, 0 to 255, or `PIXELRNN_END` at the end. Negative answers stop the decoder and are passed on.
pub type pixelrnn_get = Option<unsafe extern "C" fn(context: *mut c_void) -> i32>;

/// End of the compressed bytes.
pub const PIXELRNN_END: i32 = 256;

/// Sink of a callback.
#[derive(Clone, Copy)]
pub(crate) struct Put {
    put: unsafe extern "C" fn(*mut c_void, u8) -> pixelrnn_status,
    context: *mut c_void,
}

impl Put {
    /// Checks that there is a function.
    pub(crate) fn new(put: pixelrnn_put, context: *mut c_void) -> Result<Self, pixelrnn_status> {
        Ok(Self { put: check_function(put)?, context })
    }
}

impl ByteSink for Put {
    type Error = pixelrnn_status;

    fn put(&mut self, byte: u8) -> Result<(), pixelrnn_status> {
        // SAFETY: a function of the program, with the types of the header.
        match unsafe { (self.put)(self.context, byte) } {
            PIXELRNN_OK => Ok(()),
            error => Err(of_callback(error)),
        }
    }
}

/// Source of a callback.
#[derive(Clone, Copy)]
pub(crate) struct Get {
    get: unsafe extern "C" fn(*mut c_void) -> i32,
    context: *mut c_void,
}

impl Get {
    /// Checks that there is a function.
    pub(crate) fn new(get: pixelrnn_get, context: *mut c_void) -> Result<Self, pixelrnn_status> {
        Ok(Self { get: check_function(get)?, context })
    }
}

impl ByteSource for Get {
    type Error = pixelrnn_status;

    fn next(&mut self) -> Result<Option<u8>, pixelrnn_status> {
        // SAFETY: a function of the program, with the types of the header.
        match unsafe { (self.get)(self.context) } {
            PIXELRNN_END => Ok(None),
            byte @ 0..=255 => Ok(Some(byte as u8)),
            error @ i32::MIN..=-1 => Err(error),
            257.. => Err(PIXELRNN_ERROR_CALLBACK),
        }
    }
}
