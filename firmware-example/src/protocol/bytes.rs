//! Transfer of files over the line: replies and requests with a `bytes` field.

use super::error::Error;
use super::values;
use core::fmt::{self, Write};
use heapless::VecView;
use pixelrnn::coder::{ByteSink, ByteSource};

/// Bytes of a file per reply.
const A_LINE: usize = 64;

/// Writes a file as replies of up to [`A_LINE`] bytes.
#[derive(Debug)]
pub(super) struct Lines<'o, W> {
    out: &'o mut W,
    /// Bytes in the current line.
    filled: usize,
    /// Bytes of the file so far.
    count: &'o mut usize,
}

impl<'o, W: Write> Lines<'o, W> {
    pub(super) const fn new(out: &'o mut W, count: &'o mut usize) -> Self {
        Self { out, filled: 0, count }
    }

    /// Ends the current line. Call it before any other reply.
    pub(super) fn end(&mut self) -> fmt::Result {
        if self.filled > 0 {
            self.filled = 0;
            self.out.write_str("\"}\n")?;
        }
        Ok(())
    }
}

impl<W: Write> ByteSink for Lines<'_, W> {
    type Error = fmt::Error;

    fn put(&mut self, byte: u8) -> fmt::Result {
        if self.filled == 0 {
            self.out.write_str(r#"{"bytes":""#)?;
        }
        values::write(&[byte], 256, self.out)?;
        *self.count += 1;
        self.filled += 1;
        if self.filled == A_LINE { self.end() } else { Ok(()) }
    }
}

/// Received bytes that have not been read.
#[derive(Debug)]
pub(super) struct Arrived<'a> {
    pub(super) bytes: &'a [u8],
    /// Number of bytes read.
    pub(super) read: usize,
    /// True if no further bytes follow.
    pub(super) ended: bool,
}

/// The next byte has not arrived yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Starved;

impl ByteSource for Arrived<'_> {
    type Error = Starved;

    fn next(&mut self) -> Result<Option<u8>, Starved> {
        match self.bytes.get(self.read) {
            Some(&byte) => {
                self.read += 1;
                Ok(Some(byte))
            }
            None if self.ended => Ok(None),
            None => Err(Starved),
        }
    }
}

/// Appends the bytes of a request and returns their number. On an error nothing is appended.
pub(super) fn receive(text: &str, max: usize, held: &mut VecView<u8>) -> Result<usize, Error> {
    let (before, count) = (held.len(), text.len() / 2);
    if count > max || held.resize(before + count, 0).is_err() {
        return Err(Error::TooManyBytes { got: count });
    }
    values::read(text, 256, held.get_mut(before..).unwrap_or_default()).map_err(|_| {
        held.truncate(before);
        Error::Bytes
    })?;
    Ok(count)
}
