//! Files over the line: written as replies with `bytes`, read from requests with `bytes`.

use super::error::Error;
use super::values;
use core::fmt::{self, Write};
use heapless::VecView;
use pixelrnn::coder::{ByteSink, ByteSource};

/// Bytes of a reply.
const A_LINE: usize = 64;

/// Writes bytes as replies of up to [`A_LINE`] bytes.
#[derive(Debug)]
pub(super) struct Lines<'o, W> {
    out: &'o mut W,
    /// Bytes in the line that is begun.
    filled: usize,
    /// Bytes of the file so far.
    count: &'o mut usize,
}

impl<'o, W: Write> Lines<'o, W> {
    pub(super) const fn new(out: &'o mut W, count: &'o mut usize) -> Self {
        Self { out, filled: 0, count }
    }

    /// Ends the line that is begun: before anything else may be said.
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

/// The bytes that have come and were not read yet.
#[derive(Debug)]
pub(super) struct Arrived<'a> {
    pub(super) bytes: &'a [u8],
    /// How many of them are read.
    pub(super) read: usize,
    /// Whether these are the last.
    pub(super) ended: bool,
}

/// What comes next is not there yet.
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

/// Adds the bytes of a request, and gives how many there were. After an error, none are added.
pub(super) fn receive(text: &str, most: usize, held: &mut VecView<u8>) -> Result<usize, Error> {
    let (before, count) = (held.len(), text.len() / 2);
    if count > most || held.resize(before + count, 0).is_err() {
        return Err(Error::TooManyBytes { got: count });
    }
    values::read(text, 256, held.get_mut(before..).unwrap_or_default()).map_err(|_| {
        held.truncate(before);
        Error::Bytes
    })?;
    Ok(count)
}
