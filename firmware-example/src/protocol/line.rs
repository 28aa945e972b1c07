//! The line that comes in.

use super::error::Error;
use super::request::Request;
use heapless::VecView;

/// Stands in a line for bytes that were lost on the way: the ASCII character for that, SUB.
pub const LOST: u8 = 0x1a;

/// Asks how much of the line was read, and is no part of it: the ASCII character for that, ENQ.
pub const ASK: u8 = 0x05;

/// The bytes of a line so far, in memory that the caller owns.
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

    /// Takes a byte; `true` for one that ends the line.
    ///
    /// A terminal may end lines with either byte or with both; the line between the two is empty.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' | b'\r' => return true,
            LOST => self.lost = true,
            byte => self.too_long |= self.bytes.push(byte).is_err(),
        }
        false
    }

    /// The request in the line; `None` in an empty one.
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

    /// Bytes of the line so far; 0 for a line that can only be refused, so that the host need not send the rest of it.
    pub(super) fn read(&self) -> usize {
        if self.lost || self.too_long { 0 } else { self.bytes.len() }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.too_long = false;
        self.lost = false;
    }
}
