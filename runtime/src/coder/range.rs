//! A range coder over the engine's frequencies, which sum to 2²⁴: integers only, constant memory, a byte at a time.
//!
//! An interval of 56 bits is narrowed by each value to that value's share, and moved up by a byte whenever its first byte
//! is settled (Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979; carries as in
//! the coder of LZMA). The share of a value is a whole number of 2⁻²⁴ of the interval's length rounded down, and the
//! interval never gets shorter than 2⁴⁸, so that less than 2⁻²⁴ of its length is lost a value. `docs/compressed-format.md`
//! states it in full.

use super::{ByteSink, ByteSource};
use crate::distribution::{Distribution, TOTAL, TOTAL_BITS};

/// Bits of the interval.
const BITS: u32 = 56;

/// An interval shorter than this is moved up by a byte.
const SHORT: u64 = 1 << (BITS - 8);

/// Bytes of the interval.
const BYTES: u32 = BITS / 8;

/// Writes values, each in as many bits as its probability asks for.
#[derive(Debug)]
pub struct Encoder<W> {
    sink: W,
    state: EncoderState,
}

/// An [`Encoder`] between two values, without its sink.
#[derive(Clone, Copy, Debug)]
pub struct EncoderState {
    /// Start of the interval; bit 56 is a carry into the bytes before.
    low: u64,
    range: u64,
    /// The last byte that is settled but for a carry, and how many bytes of 255 follow it, which a carry would turn.
    last: Option<u8>,
    full: u64,
}

impl EncoderState {
    /// That of the start of a stream.
    const START: Self = Self { low: 0, range: 1 << BITS, last: None, full: 0 };
}

impl Default for EncoderState {
    /// That of the start of a stream.
    fn default() -> Self {
        Self::START
    }
}

impl<W: ByteSink> Encoder<W> {
    /// An encoder at the start of a stream.
    pub const fn new(sink: W) -> Self {
        Self::resume(EncoderState::START, sink)
    }

    /// An encoder that goes on where another one was at `state`.
    pub const fn resume(state: EncoderState, sink: W) -> Self {
        Self { sink, state }
    }

    /// Where it is, for another one to go on.
    pub const fn state(&self) -> EncoderState {
        self.state
    }

    /// Appends `value`, a level of `distribution`.
    ///
    /// # Errors
    /// When the sink takes no more bytes.
    pub fn put(&mut self, distribution: &Distribution<'_>, value: u8) -> Result<(), W::Error> {
        self.narrow(distribution.cumulative(value), distribution.frequency(value))
    }

    /// Appends `value`, one of `count` that are all as likely, 1 to 2²⁴.
    ///
    /// # Errors
    /// When the sink takes no more bytes.
    pub fn put_uniform(&mut self, value: u32, count: u32) -> Result<(), W::Error> {
        let each = TOTAL / count.clamp(1, TOTAL);
        self.narrow(value.min(count.saturating_sub(1)) * each, each)
    }

    /// Goes on with `frequency` of the 2²⁴ parts of the interval, behind `before` of them.
    fn narrow(&mut self, before: u32, frequency: u32) -> Result<(), W::Error> {
        let share = self.state.range >> TOTAL_BITS;
        self.state.low += share * u64::from(before);
        self.state.range = share * u64::from(frequency.max(1));
        while self.state.range < SHORT {
            self.shift()?;
        }
        Ok(())
    }

    /// Ends the stream, with as few bytes as tell it from any other, and gives the sink back.
    ///
    /// # Errors
    /// When the sink takes no more bytes.
    pub fn finish(mut self) -> Result<W, W::Error> {
        // Of the numbers in the interval that with the fewest bytes that are not 0: a decoder takes what is not there for 0.
        let mut bytes = 0;
        while bytes < BYTES {
            let rest = (1u64 << (BITS - 8 * bytes)) - 1;
            let rounded = (self.state.low + rest) & !rest;
            if rounded < self.state.low + self.state.range {
                self.state.low = rounded;
                break;
            }
            bytes += 1;
        }
        for _ in 0..bytes {
            self.shift()?;
        }
        self.settle((self.state.low >> BITS) as u8)?;
        Ok(self.sink)
    }

    /// Moves the interval up by its first byte.
    fn shift(&mut self) -> Result<(), W::Error> {
        let first = (self.state.low >> (BITS - 8)) as u16;
        if first == 0xFF {
            self.state.full += 1;
        } else {
            self.settle((first >> 8) as u8)?;
            self.state.last = Some(first as u8);
        }
        self.state.low = (self.state.low & (SHORT - 1)) << 8;
        self.state.range <<= 8;
        Ok(())
    }

    /// Writes all bytes that wait, now that their carry is known.
    fn settle(&mut self, carry: u8) -> Result<(), W::Error> {
        if let Some(last) = self.state.last.take() {
            self.sink.put(last.wrapping_add(carry))?;
        }
        while self.state.full > 0 {
            self.sink.put(0xFFu8.wrapping_add(carry))?;
            self.state.full -= 1;
        }
        Ok(())
    }
}

/// Reads values back.
#[derive(Debug)]
pub struct Decoder<R> {
    source: R,
    state: DecoderState,
}

/// A [`Decoder`] between two values, without its source.
#[derive(Clone, Copy, Debug)]
pub struct DecoderState {
    /// Where the stream is in the interval.
    at: u64,
    range: u64,
    /// Bytes that were asked for behind the end.
    missing: u32,
}

/// Why a stream gives no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError<E> {
    /// No encoder writes such a stream.
    Corrupt,
    /// The source failed.
    Source(E),
}

impl<E: core::fmt::Display> core::fmt::Display for DecodeError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Corrupt => f.write_str("the compressed stream is damaged"),
            Self::Source(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error> core::error::Error for DecodeError<E> {}

impl<R: ByteSource> Decoder<R> {
    /// A decoder at the start of a stream.
    ///
    /// # Errors
    /// When the source fails.
    pub fn new(source: R) -> Result<Self, DecodeError<R::Error>> {
        let mut decoder = Self::resume(DecoderState { at: 0, range: 1 << BITS, missing: 0 }, source);
        for _ in 0..BYTES {
            decoder.read()?;
        }
        Ok(decoder)
    }

    /// A decoder that goes on where another one was at `state`.
    pub const fn resume(state: DecoderState, source: R) -> Self {
        Self { source, state }
    }

    /// Where it is, for another one to go on.
    pub const fn state(&self) -> DecoderState {
        self.state
    }

    /// The next value, a level of `distribution`.
    ///
    /// # Errors
    /// When the source fails, and when no encoder with this distribution could have written the stream.
    pub fn next(&mut self, distribution: &Distribution<'_>) -> Result<u8, DecodeError<R::Error>> {
        self.find(distribution.frequencies().iter().copied()).map(|value| value as u8)
    }

    /// The next value, one of `count` that are all as likely.
    ///
    /// # Errors
    /// As [`Decoder::next`].
    pub fn next_uniform(&mut self, count: u32) -> Result<u32, DecodeError<R::Error>> {
        let count = count.clamp(1, TOTAL);
        self.find((0..count).map(|_| TOTAL / count))
    }

    /// The number of that frequency whose part of the interval the stream is in.
    fn find(&mut self, frequencies: impl Iterator<Item = u32>) -> Result<u32, DecodeError<R::Error>> {
        let share = self.state.range >> TOTAL_BITS;
        for (value, frequency) in (0..).zip(frequencies) {
            let range = share * u64::from(frequency);
            if self.state.at < range {
                self.state.range = range;
                while self.state.range < SHORT {
                    self.read()?;
                    self.state.range <<= 8;
                }
                return Ok(value);
            }
            self.state.at -= range;
        }
        Err(DecodeError::Corrupt)
    }

    /// The source, from which up to seven bytes more than the stream has may have been asked for.
    pub fn into_source(self) -> R {
        self.source
    }

    /// Takes another byte. Behind the end all are 0, but no encoder's stream asks for more than an interval's of them.
    fn read(&mut self) -> Result<(), DecodeError<R::Error>> {
        let byte = self.source.next().map_err(DecodeError::Source)?;
        if byte.is_none() {
            self.state.missing += 1;
            if self.state.missing > BYTES {
                return Err(DecodeError::Corrupt);
            }
        }
        self.state.at = (self.state.at << 8) | u64::from(byte.unwrap_or(0));
        Ok(())
    }
}
