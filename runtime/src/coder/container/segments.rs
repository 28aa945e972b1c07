//! A block's stream, cut into segments: u16 length, bytes; the last one has the length 0.

use super::{BlockError, ContainerError};
use crate::coder::{ByteSink, ByteSource, DecodeError};
use heapless::VecView;

/// The longest segment.
const MAX_LENGTH: usize = u16::MAX as usize;

/// What a [`BlockWriter`](super::BlockWriter) writes to: holds bytes of the stream back until a segment is full, as its length comes first.
#[derive(Debug)]
pub struct Segments<'h, W> {
    pub(super) sink: W,
    held: &'h mut VecView<u8>,
}

impl<'h, W> Segments<'h, W> {
    /// Segments as long as `held`, written to `sink`. `held` is empty when a block begins, and keeps what it has between two calls of the
    /// writer.
    pub const fn new(held: &'h mut VecView<u8>, sink: W) -> Self {
        Self { sink, held }
    }
}

impl<W: ByteSink> Segments<'_, W> {
    fn flush(&mut self) -> Result<(), W::Error> {
        put_segment(&mut self.sink, self.held)?;
        self.held.clear();
        Ok(())
    }

    /// Writes what is held, and that it was the last.
    pub(super) fn finish(&mut self) -> Result<(), W::Error> {
        if !self.held.is_empty() {
            self.flush()?;
        }
        self.flush()
    }
}

impl<W: ByteSink> ByteSink for Segments<'_, W> {
    type Error = W::Error;

    fn put(&mut self, byte: u8) -> Result<(), W::Error> {
        if self.held.len() >= MAX_LENGTH || (self.held.is_full() && !self.held.is_empty()) {
            self.flush()?;
        }
        match self.held.push(byte) {
            Ok(()) => Ok(()),
            // Nothing can be held: a segment of its own.
            Err(byte) => put_segment(&mut self.sink, &[byte]),
        }
    }
}

fn put_segment<W: ByteSink>(sink: &mut W, bytes: &[u8]) -> Result<(), W::Error> {
    put_all(sink, &(bytes.len() as u16).to_le_bytes())?;
    put_all(sink, bytes)
}

pub(super) fn put_all<W: ByteSink>(sink: &mut W, bytes: &[u8]) -> Result<(), W::Error> {
    bytes.iter().try_for_each(|byte| sink.put(*byte))
}

/// Where a reader is in the segments of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    /// Bytes of this segment that are to come.
    left: u16,
    /// Whether the last segment, of length 0, was read.
    ended: bool,
}

/// The stream of a block, its segments joined again.
pub(super) struct Joined<'r, R> {
    pub(super) source: &'r mut R,
    pub(super) cut: Cut,
}

/// Why there is no next byte of a stream.
pub(super) enum JoinedError<E> {
    Truncated,
    Bytes(E),
}

pub(super) fn joined_error<E>(error: JoinedError<E>) -> BlockError<E> {
    match error {
        JoinedError::Truncated => BlockError::Container(ContainerError::Truncated),
        JoinedError::Bytes(error) => BlockError::Bytes(error),
    }
}

pub(super) fn decode_error<E>(error: DecodeError<JoinedError<E>>) -> BlockError<E> {
    match error {
        DecodeError::Corrupt => BlockError::Container(ContainerError::Corrupt),
        DecodeError::Source(error) => joined_error(error),
    }
}

impl<R: ByteSource> Joined<'_, R> {
    fn byte(&mut self) -> Result<u8, JoinedError<R::Error>> {
        self.source.next().map_err(JoinedError::Bytes)?.ok_or(JoinedError::Truncated)
    }
}

impl<R: ByteSource> ByteSource for Joined<'_, R> {
    type Error = JoinedError<R::Error>;

    fn next(&mut self) -> Result<Option<u8>, Self::Error> {
        if self.cut.left == 0 && !self.cut.ended {
            self.cut.left = u16::from_le_bytes([self.byte()?, self.byte()?]);
            self.cut.ended = self.cut.left == 0;
        }
        if self.cut.ended {
            return Ok(None);
        }
        self.cut.left -= 1;
        self.byte().map(Some)
    }
}
