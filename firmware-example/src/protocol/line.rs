//! Assembly of input lines.

use super::error::Error;
use super::request::Request;
use heapless::VecView;

/// Marks lost bytes within a line. ASCII SUB (substitute).
pub const LOST: u8 = 0x1a;

/// Asks for the number of bytes read from the current line, without being part of it. ASCII ENQ (enquiry).
pub const ASK: u8 = 0x05;

/// Current input line, in a buffer owned by the caller.
#[derive(Debug)]
pub(super) struct Line<'s> {
    bytes: &'s mut VecView<u8>,
    too_long: bool,
    lost: bool,
}

impl<'s> Line<'s> {
    pub(super) fn new(bytes: &'s mut VecView<u8>) -> Self {
        bytes.clear();
        Self { bytes, too_long: false, lost: false }
    }

    /// Takes a byte and returns `true` at a line end.
    ///
    /// Lines may end in LF, CR or both. The line between the two is empty.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' | b'\r' => return true,
            LOST => self.lost = true,
            byte => self.too_long |= self.bytes.push(byte).is_err(),
        }
        false
    }

    /// Parses the request. `None` for an empty line.
    pub(super) fn request(&self) -> Result<Option<Request<'_>>, Error> {
        if self.lost {
            return Err(Error::Lost);
        }
        if self.too_long {
            return Err(Error::TooLong { limit: self.bytes.capacity() });
        }
        if self.bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        Request::read(self.bytes).map(Some)
    }

    /// Bytes of the line so far. 0 if the line will be rejected anyway, so the host need not send the rest.
    pub(super) fn read(&self) -> usize {
        if self.lost || self.too_long { 0 } else { self.bytes.len() }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.too_long = false;
        self.lost = false;
    }
}
