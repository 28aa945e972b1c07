//! Range coder over frequencies that sum to 2²⁴: integers only, constant memory, one byte at a time.
//!
//! Each value narrows a 56-bit interval to the value's share, and the interval moves up by a byte when its first byte is
//! settled (Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979; carries as in
//! the LZMA coder). A share is a multiple of the interval's length divided by 2²⁴ and rounded down. The interval is never
//! shorter than 2⁴⁸, so each value loses less than 2⁻²⁴ of its length. `docs/compressed-format.md` is the specification.

use super::{ByteSink, ByteSource};
use crate::distribution::{Distribution, TOTAL, TOTAL_BITS};

/// Bits of the interval.
const BITS: u32 = 56;

/// Length below which the interval moves up by a byte.
const SHORT: u64 = 1 << (BITS - 8);

/// Bytes of the interval.
const BYTES: u32 = BITS / 8;

/// Range encoder: writes each value at the cost of its probability.
#[derive(Debug)]
pub struct Encoder<W> {
    sink: W,
    state: EncoderState,
}

/// State of an [`Encoder`] between two values, without its sink.
#[derive(Clone, Copy, Debug)]
pub struct EncoderState {
    /// Start of the interval; bit 56 is a carry into the previous bytes.
    low: u64,
    range: u64,
    /// Last byte that only a carry can change, and the number of 0xFF bytes after it, through which a carry propagates.
    last: Option<u8>,
    full: u64,
}

impl EncoderState {
    /// State at the start of a stream.
    const START: Self = Self { low: 0, range: 1 << BITS, last: None, full: 0 };
}

impl Default for EncoderState {
    /// State at the start of a stream.
    fn default() -> Self {
        Self::START
    }
}

impl<W: ByteSink> Encoder<W> {
    /// An encoder at the start of a stream.
    pub const fn new(sink: W) -> Self {
        Self::resume(EncoderState::START, sink)
    }

    /// An encoder that continues from `state`.
    pub const fn resume(state: EncoderState, sink: W) -> Self {
        Self { sink, state }
    }

    /// State from which [`Encoder::resume`] continues.
    pub const fn state(&self) -> EncoderState {
        self.state
    }

    /// Appends `value`, a level of `distribution`.
    ///
    /// # Errors
    /// The sink is full.
    pub fn put(&mut self, distribution: &Distribution<'_>, value: u8) -> Result<(), W::Error> {
        self.narrow(distribution.cumulative(value), distribution.frequency(value))
    }

    /// Appends `value`, one of `count` equally likely ones; `count` is 1 to 2²⁴.
    ///
    /// # Errors
    /// The sink is full.
    pub fn put_uniform(&mut self, value: u32, count: u32) -> Result<(), W::Error> {
        let frequency = TOTAL / count.clamp(1, TOTAL);
        self.narrow(value.min(count.saturating_sub(1)) * frequency, frequency)
    }

    /// Narrows the interval to `frequency` of its 2²⁴ parts, after the first `before` parts.
    fn narrow(&mut self, before: u32, frequency: u32) -> Result<(), W::Error> {
        let share = self.state.range >> TOTAL_BITS;
        self.state.low += share * u64::from(before);
        self.state.range = share * u64::from(frequency.max(1));
        while self.state.range < SHORT {
            self.shift()?;
        }
        Ok(())
    }

    /// Ends the stream with the fewest bytes that identify the interval, and returns the sink.
    ///
    /// # Errors
    /// The sink is full.
    pub fn finish(mut self) -> Result<W, W::Error> {
        // Picks the number in the interval with the fewest significant bytes: a decoder reads missing bytes as 0.
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

    /// Writes all pending bytes, now that their carry is known.
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

/// Range decoder: reads the values of an [`Encoder`].
#[derive(Debug)]
pub struct Decoder<R> {
    source: R,
    state: DecoderState,
}

/// State of a [`Decoder`] between two values, without its source.
#[derive(Clone, Copy, Debug)]
pub struct DecoderState {
    /// Offset of the stream within the interval.
    at: u64,
    range: u64,
    /// Bytes read past the end of the stream.
    missing: u32,
}

/// Error of a [`Decoder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DecodeError<E> {
    /// No encoder writes this stream.
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

impl<E: core::error::Error + 'static> core::error::Error for DecodeError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Source(error) => Some(error),
            Self::Corrupt => None,
        }
    }
}

impl<R: ByteSource> Decoder<R> {
    /// A decoder at the start of a stream. Reads its first seven bytes.
    ///
    /// # Errors
    /// The source failed.
    pub fn new(source: R) -> Result<Self, DecodeError<R::Error>> {
        let mut decoder = Self::resume(DecoderState { at: 0, range: 1 << BITS, missing: 0 }, source);
        for _ in 0..BYTES {
            decoder.read()?;
        }
        Ok(decoder)
    }

    /// A decoder that continues from `state`.
    pub const fn resume(state: DecoderState, source: R) -> Self {
        Self { source, state }
    }

    /// State from which [`Decoder::resume`] continues.
    pub const fn state(&self) -> DecoderState {
        self.state
    }

    /// Next value, a level of `distribution`.
    ///
    /// # Errors
    /// The source failed, or no encoder with this distribution writes such a stream.
    pub fn next(&mut self, distribution: &Distribution<'_>) -> Result<u8, DecodeError<R::Error>> {
        self.find(distribution.frequencies().iter().copied()).map(|value| value as u8)
    }

    /// Next value, one of `count` equally likely ones.
    ///
    /// # Errors
    /// Same errors as [`Decoder::next`].
    pub fn next_uniform(&mut self, count: u32) -> Result<u32, DecodeError<R::Error>> {
        let count = count.clamp(1, TOTAL);
        self.find((0..count).map(|_| TOTAL / count))
    }

    /// Index of the frequency whose part of the interval holds the stream.
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

    /// Returns the source, which may have been read up to seven bytes past the end of the stream.
    pub fn into_source(self) -> R {
        self.source
    }

    /// Reads another byte, 0 past the end. A valid stream needs at most seven of those.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coder::Full;
    use crate::distribution::Temperature;
    use crate::kernels::Portable;

    type Stream = heapless::Vec<u8, 2048>;

    const VALUES: usize = 1000;

    /// Logits of value `n`: even, skewed, and nearly certain in turn.
    fn logits(n: usize) -> [u32; 3] {
        [[0, 0, 0], [3 << 16, 0, 1 << 16], [0, 0, 40 << 16]][n % 3]
    }

    /// Value `n`, now and then an unlikely one.
    fn value(n: usize) -> u8 {
        (n * n / 7 % 3) as u8
    }

    fn encode(values: core::ops::Range<usize>, encoder: &mut Encoder<impl ByteSink<Error = Full>>) {
        for n in values {
            let mut logits = logits(n);
            let distribution = Distribution::softmax(&mut logits, Temperature::ONE, Portable);
            encoder.put(&distribution, value(n)).unwrap();
        }
    }

    fn decode(values: core::ops::Range<usize>, decoder: &mut Decoder<&[u8]>) {
        for n in values {
            let mut logits = logits(n);
            let distribution = Distribution::softmax(&mut logits, Temperature::ONE, Portable);
            assert_eq!(decoder.next(&distribution), Ok(value(n)), "value {n}");
        }
    }

    fn stream() -> Stream {
        let mut encoder = Encoder::new(Stream::new());
        encode(0..VALUES, &mut encoder);
        encoder.finish().unwrap()
    }

    #[test]
    fn values_are_decoded_from_a_stream_of_the_length_of_their_costs() {
        let stream = stream();
        decode(0..VALUES, &mut Decoder::new(&stream[..]).unwrap());
        let cost: u64 = (0..VALUES)
            .map(|n| {
                let mut logits = logits(n);
                u64::from(Distribution::softmax(&mut logits, Temperature::ONE, Portable).cost(value(n)))
            })
            .sum();
        let bytes = cost.div_ceil(8 << 24) as usize;
        assert!((bytes..bytes + 2).contains(&stream.len()), "{} bytes for {bytes}", stream.len());
    }

    #[test]
    fn an_encoder_goes_on_from_its_state() {
        let mut stream = Stream::new();
        let mut state = EncoderState::default();
        for first in (0..VALUES).step_by(50) {
            let mut encoder = Encoder::resume(state, &mut stream);
            encode(first..first + 50, &mut encoder);
            state = encoder.state();
        }
        Encoder::resume(state, &mut stream).finish().unwrap();
        assert_eq!(stream, self::stream());
    }

    #[test]
    fn a_decoder_goes_on_from_its_state_and_its_source() {
        let stream = stream();
        let mut decoder = Decoder::new(&stream[..]).unwrap();
        for first in (0..VALUES).step_by(50) {
            decode(first..first + 50, &mut decoder);
            let state = decoder.state();
            decoder = Decoder::resume(state, decoder.into_source());
        }
    }

    #[test]
    fn a_carry_passes_through_full_bytes() {
        let mut encoder = Encoder::new(Stream::new());
        // The interval is 0x00FF00… to 0x010200… after the first value, and the second one takes its upper half.
        encoder.narrow(0xFFFF, 3).unwrap();
        assert_eq!((encoder.state.last, encoder.state.full), (Some(0), 1));
        encoder.narrow(TOTAL / 2, TOTAL / 2).unwrap();
        let stream = encoder.finish().unwrap();
        assert_eq!(stream, [1, 0, 1]);
        let mut decoder = Decoder::new(&stream[..]).unwrap();
        assert_eq!(decoder.find([0xFFFF, 3, TOTAL - 0x1_0002].into_iter()), Ok(1));
        assert_eq!(decoder.find([TOTAL / 2; 2].into_iter()), Ok(1));
    }

    #[test]
    fn equally_likely_values_come_back_for_any_count() {
        let counts = [1, 2, 3, 10, 255, 1000];
        let mut encoder = Encoder::new(Stream::new());
        for count in counts {
            for value in [0, count / 2, count - 1] {
                encoder.put_uniform(value, count).unwrap();
            }
        }
        let stream = encoder.finish().unwrap();
        let mut decoder = Decoder::new(&stream[..]).unwrap();
        for count in counts {
            assert_eq!([0; 3].map(|_| decoder.next_uniform(count)), [0, count / 2, count - 1].map(Ok));
        }
    }

    #[test]
    fn a_stream_without_values_has_no_bytes() {
        assert!(Encoder::new(Stream::new()).finish().unwrap().is_empty());
        let mut decoder = Decoder::new(&[][..]).unwrap();
        assert_eq!(decoder.next_uniform(1), Ok(0));
    }

    #[test]
    fn a_stream_that_is_too_short_is_corrupt() {
        let mut decoder = Decoder::new(&[][..]).unwrap();
        assert_eq!(decoder.next_uniform(256), Ok(0), "seven bytes may be missing");
        assert_eq!(decoder.next_uniform(256), Err(DecodeError::Corrupt));
    }

    #[test]
    fn a_stream_beyond_the_last_value_is_corrupt() {
        let mut decoder = Decoder::new(&[0xFF; 7][..]).unwrap();
        // Three thirds, rounded down, leave the end of the interval to no value.
        assert_eq!(decoder.next_uniform(3), Err(DecodeError::Corrupt));
    }

    #[test]
    fn a_full_sink_is_an_error_of_the_encoder() {
        let mut encoder = Encoder::new(heapless::Vec::<u8, 2>::new());
        let results = [0; 5].map(|_| encoder.put_uniform(1, 256));
        assert_eq!(results, [Ok(()), Ok(()), Ok(()), Ok(()), Err(Full)]);
    }
}
