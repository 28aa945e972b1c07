//! Segments of a block's stream: u16 length, bytes; the last one has length 0.

use super::{BlockError, ContainerError};
use crate::coder::{ByteSink, ByteSource, DecodeError};
use heapless::VecView;

/// Maximum length of a segment.
const MAX_LENGTH: usize = u16::MAX as usize;

/// Sink of a [`BlockWriter`](super::BlockWriter): buffers a segment until it is full, as its length comes first.
#[derive(Debug)]
pub struct Segments<'h, W> {
    pub(super) sink: W,
    held: &'h mut VecView<u8>,
}

impl<'h, W> Segments<'h, W> {
    /// Segments of the capacity of `held`, written to `sink`. `held` must be empty when a block begins, and must keep its
    /// contents between two calls of the writer.
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

    /// Writes the buffered bytes and the final segment of length 0.
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
            // No capacity: a segment of one byte.
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

/// Position of a reader within the segments of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    /// Bytes left in this segment.
    remaining: u16,
    /// True after the last segment, of length 0.
    ended: bool,
}

/// Stream of a block with its segments joined.
pub(super) struct Joined<'r, R> {
    pub(super) source: &'r mut R,
    pub(super) cut: Cut,
}

/// Error of a [`Joined`] stream.
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
        if self.cut.remaining == 0 && !self.cut.ended {
            self.cut.remaining = u16::from_le_bytes([self.byte()?, self.byte()?]);
            self.cut.ended = self.cut.remaining == 0;
        }
        if self.cut.ended {
            return Ok(None);
        }
        self.cut.remaining -= 1;
        self.byte().map(Some)
    }
}
