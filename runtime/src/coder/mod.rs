//! Lossless compression: the image's own values steer an encoder, or a decoder supplies them.
//!
//! The frequencies that a value is coded with are those that it is drawn from and scored by, the same integers on every machine: what a
//! microcontroller wrote a server reads, and the other way round. A stream is as long as the image's likelihood says, to a few
//! bytes.
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
//! Such a stream of one image is what `pixelrnn compress --bare` writes and `decompress --bare` reads: the code alone. It has no checksum, and
//! who reads it must know the model and the label. Several images can share a stream: the encoder goes on from one to the next. [`container`] is the file around streams.
#![forbid(unsafe_code)]

pub mod container;
mod range;

pub use range::{DecodeError, Decoder, DecoderState, Encoder, EncoderState};

use crate::distribution::Distribution;
use crate::network::Image;
use crate::source::{FromImage, Position, SymbolSource, TooShort};
use core::convert::Infallible;
use core::fmt;

/// Takes bytes one at a time.
pub trait ByteSink {
    /// Why there is no room.
    type Error;

    /// Takes `byte`.
    ///
    /// # Errors
    /// When there is no room for it.
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

/// A sink has no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Gives bytes one at a time.
pub trait ByteSource {
    /// Why there is none, but for the end.
    type Error;

    /// The next byte; `None` at the end.
    ///
    /// # Errors
    /// When the source fails.
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

/// Supplies the values of a given image, and writes each to an encoder.
#[derive(Debug)]
pub struct Encode<'a, 'e, W> {
    given: FromImage<'a>,
    encoder: &'e mut Encoder<W>,
}

impl<'a, 'e, W> Encode<'a, 'e, W> {
    /// The values of one image, `[C, H, W]`.
    pub const fn new(values: &'a [u8], image: Image, encoder: &'e mut Encoder<W>) -> Self {
        Self { given: FromImage::new(values, image), encoder }
    }
}

/// Why an image cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError<E> {
    /// The image ends early.
    TooShort(TooShort),
    /// A value of the image is no level of the model's.
    Value {
        /// Where.
        position: Position,
        /// What stands there.
        got: u8,
        /// How many levels there are.
        levels: usize,
    },
    /// The sink takes no more.
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

impl<E: core::error::Error> core::error::Error for EncodeError<E> {}

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

/// Supplies the values that a decoder finds.
#[derive(Debug)]
pub struct Decode<'d, R> {
    decoder: &'d mut Decoder<R>,
}

impl<'d, R> Decode<'d, R> {
    /// The next image of the decoder's stream.
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
