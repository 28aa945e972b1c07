//! Lossless compression: an encoder writes the values of an image, and a decoder supplies them to the model.
//!
//! Values are coded with the frequencies that they are drawn from and scored by, the same integers on every machine: a
//! server reads the streams of a microcontroller, and the other way round. The length of a stream is the image's negative
//! log-likelihood, plus a few bytes.
//!
//! ```
//! use pixelrnn::coder::{Decode, Decoder, Encode, Encoder};
//! use pixelrnn::{Sample, Engine, Pixel, Temperature};
//!
//! pixelrnn::include_model!(mod digits = "../../testdata/mnist-pixelcnn.prnn");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = digits::model()?;
//! let mut state: digits::State = [0; digits::STATE_WORDS];
//! let mut engine = Engine::new(model, &mut state)?;
//! let mut image = [0u8; 28 * 28];
//! engine.run(None, &mut Sample::seeded(7, Temperature::ONE), &mut image)?;
//!
//! let mut stream = Vec::new();
//! let mut encoder = Encoder::new(&mut stream);
//! let mut again = [0u8; 28 * 28];
//! let cost = engine.run(None, &mut Encode::new(&image, model.image(), &mut encoder), &mut again)?;
//! encoder.finish()?;
//! assert!(8.0 * stream.len() as f64 <= cost.bits() + 32.0);
//!
//! let mut decoder = Decoder::new(&stream[..])?;
//! engine.run(None, &mut Decode::new(&mut decoder), &mut again)?;
//! assert_eq!(again, image);
//! assert!(decoder.into_source().is_empty(), "an encoder with this model would have written less");
//! # Ok(())
//! # }
//! ```
//!
//! This is the stream of `pixelrnn compress --bare` and `decompress --bare`, without a checksum. Its reader must know the
//! model and the label. Several images can share a stream: the encoder continues from one to the next. [`container`] is the
//! file format around streams.
#![forbid(unsafe_code)]

pub mod container;
mod io;
mod range;

#[cfg(feature = "embedded-io")]
pub use io::EmbeddedIo;
#[cfg(feature = "std")]
pub use io::StdIo;
pub use range::{DecodeError, Decoder, DecoderState, Encoder, EncoderState};

use crate::distribution::Distribution;
use crate::network::Image;
use crate::source::{FromImage, Position, SymbolSource, TooShort};
use core::convert::Infallible;
use core::fmt;

/// Receives bytes one at a time.
pub trait ByteSink {
    /// Error of a full or failed sink.
    type Error;

    /// Appends `byte`.
    ///
    /// # Errors
    /// The sink has no room for it.
    fn put(&mut self, byte: u8) -> Result<(), Self::Error>;
}

impl<W: ByteSink + ?Sized> ByteSink for &mut W {
    type Error = W::Error;

    fn put(&mut self, byte: u8) -> Result<(), Self::Error> {
        (**self).put(byte)
    }
}

#[cfg(feature = "std")]
impl ByteSink for Vec<u8> {
    type Error = Infallible;

    fn put(&mut self, byte: u8) -> Result<(), Infallible> {
        self.push(byte);
        Ok(())
    }
}

/// Error of a sink without room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the memory for the compressed stream is full")
    }
}

impl core::error::Error for Full {}

impl<const N: usize> ByteSink for heapless::Vec<u8, N> {
    type Error = Full;

    fn put(&mut self, byte: u8) -> Result<(), Full> {
        self.push(byte).map_err(|_| Full)
    }
}

/// Supplies bytes one at a time.
pub trait ByteSource {
    /// Error of a failed source; its end is none.
    type Error;

    /// Next byte; `None` at the end.
    ///
    /// # Errors
    /// The source failed.
    fn next(&mut self) -> Result<Option<u8>, Self::Error>;
}

impl<R: ByteSource + ?Sized> ByteSource for &mut R {
    type Error = R::Error;

    fn next(&mut self) -> Result<Option<u8>, Self::Error> {
        (**self).next()
    }
}

impl ByteSource for &[u8] {
    type Error = Infallible;

    fn next(&mut self) -> Result<Option<u8>, Infallible> {
        let Some((first, rest)) = self.split_first() else { return Ok(None) };
        *self = rest;
        Ok(Some(*first))
    }
}

/// Symbol source that supplies the values of an image and writes each to an encoder.
#[derive(Debug)]
pub struct Encode<'a, 'e, W> {
    given: FromImage<'a>,
    encoder: &'e mut Encoder<W>,
}

impl<'a, 'e, W> Encode<'a, 'e, W> {
    /// Encodes one image, `[C, H, W]`.
    pub const fn new(values: &'a [u8], image: Image, encoder: &'e mut Encoder<W>) -> Self {
        Self { given: FromImage::new(values, image), encoder }
    }
}

/// Error of encoding an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EncodeError<E> {
    /// The image has fewer values than the model's.
    TooShort(TooShort),
    /// A value of the image is not a level of the model.
    Value {
        /// Position of the value.
        position: Position,
        /// The value.
        got: u8,
        /// Number of levels.
        levels: usize,
    },
    /// The sink failed.
    Sink(E),
}

impl<E: fmt::Display> fmt::Display for EncodeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(error) => error.fmt(f),
            Self::Value { position: Position { row, column, channel }, got, levels } => {
                write!(f, "value {got} at row {row}, column {column}, channel {channel}, expected 0 to {}", levels - 1)
            }
            Self::Sink(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for EncodeError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::TooShort(error) => Some(error),
            Self::Sink(error) => Some(error),
            Self::Value { .. } => None,
        }
    }
}

impl<W: ByteSink> SymbolSource for Encode<'_, '_, W> {
    type Error = EncodeError<W::Error>;

    fn next(&mut self, position: Position, distribution: &Distribution<'_>) -> Result<u8, Self::Error> {
        let value = self.given.next(position, distribution).map_err(EncodeError::TooShort)?;
        let levels = distribution.levels();
        if usize::from(value) >= levels {
            return Err(EncodeError::Value { position, got: value, levels });
        }
        self.encoder.put(distribution, value).map_err(EncodeError::Sink)?;
        Ok(value)
    }
}

/// Symbol source that supplies the values of a decoder.
#[derive(Debug)]
pub struct Decode<'d, R> {
    decoder: &'d mut Decoder<R>,
}

impl<'d, R> Decode<'d, R> {
    /// Decodes the next image of the decoder's stream.
    pub const fn new(decoder: &'d mut Decoder<R>) -> Self {
        Self { decoder }
    }
}

impl<R: ByteSource> SymbolSource for Decode<'_, R> {
    type Error = DecodeError<R::Error>;

    fn next(&mut self, _: Position, distribution: &Distribution<'_>) -> Result<u8, Self::Error> {
        self.decoder.next(distribution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Temperature;
    use crate::kernels::Portable;

    const IMAGE: Image = Image { height: 1, width: 3, channels: 1, levels: 2 };

    type Sink = heapless::Vec<u8, 8>;

    fn at(column: usize) -> Position {
        Position { row: 0, column, channel: 0 }
    }

    #[test]
    fn a_decoder_supplies_the_values_that_an_encoder_was_given() {
        let (values, mut logits) = ([1, 0, 1], [0, 1 << 16]);
        let distribution = Distribution::softmax(&mut logits, Temperature::ONE, Portable);
        let mut encoder = Encoder::new(Sink::new());
        let mut encode = Encode::new(&values, IMAGE, &mut encoder);
        assert_eq!([0, 1, 2].map(|column| encode.next(at(column), &distribution)), values.map(Ok));
        let stream = encoder.finish().unwrap();
        let mut decoder = Decoder::new(&stream[..]).unwrap();
        let mut decode = Decode::new(&mut decoder);
        assert_eq!([0, 1, 2].map(|column| decode.next(at(column), &distribution)), values.map(Ok));
    }

    #[test]
    fn a_value_that_is_no_level_is_refused_with_its_position_and_not_written() {
        let mut logits = [0; 2];
        let distribution = Distribution::softmax(&mut logits, Temperature::ONE, Portable);
        let mut encoder = Encoder::new(Sink::new());
        let mut encode = Encode::new(&[0, 2], IMAGE, &mut encoder);
        let refused = EncodeError::Value { position: at(1), got: 2, levels: 2 };
        assert_eq!(encode.next(at(1), &distribution), Err(refused));
        assert_eq!(encode.next(at(2), &distribution), Err(EncodeError::TooShort(TooShort)));
        assert!(encoder.finish().unwrap().is_empty());
    }

    #[test]
    fn errors_of_the_sink_are_the_encoders() {
        let mut logits = [0, 255].map(|level: u32| level << 16);
        let distribution = Distribution::softmax(&mut logits, Temperature::ONE, Portable);
        let mut encoder = Encoder::new(heapless::Vec::<u8, 0>::new());
        let mut encode = Encode::new(&[0; 3], IMAGE, &mut encoder);
        // The value is as unlikely as can be: it settles several bytes.
        assert_eq!(encode.next(at(0), &distribution), Err(EncodeError::Sink(Full)));
    }

    #[test]
    fn bytes_pass_through_references_to_sinks_and_sources() {
        let mut sink = heapless::Vec::<u8, 2>::new();
        let mut reference = &mut sink;
        assert_eq!([1, 2, 3].map(|byte| ByteSink::put(&mut reference, byte)), [Ok(()), Ok(()), Err(Full)]);
        let mut source = &sink[..];
        let mut reference = &mut source;
        assert_eq!([0; 3].map(|_| ByteSource::next(&mut reference)), [Ok(Some(1)), Ok(Some(2)), Ok(None)]);
    }
}
