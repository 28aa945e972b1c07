//! Adapters from the byte streams of `std` and `embedded-io` to [`ByteSink`] and [`ByteSource`].

#[cfg(any(feature = "std", feature = "embedded-io"))]
use super::{ByteSink, ByteSource};

/// A [`std::io::Write`] as a sink, a [`std::io::Read`] as a source. Bytes pass one at a time: wrap a buffered stream.
///
/// ```
/// use pixelrnn::coder::{ByteSink, ByteSource, StdIo};
///
/// # fn main() -> std::io::Result<()> {
/// let mut sink = StdIo(Vec::new());
/// sink.put(7)?;
/// let mut source = StdIo(&sink.0[..]);
/// assert_eq!((source.next()?, source.next()?), (Some(7), None));
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "std")]
#[derive(Clone, Debug, Default)]
pub struct StdIo<T>(pub T);

#[cfg(feature = "std")]
impl<W: std::io::Write> ByteSink for StdIo<W> {
    type Error = std::io::Error;

    fn put(&mut self, byte: u8) -> Result<(), Self::Error> {
        self.0.write_all(&[byte])
    }
}

#[cfg(feature = "std")]
impl<R: std::io::Read> ByteSource for StdIo<R> {
    type Error = std::io::Error;

    fn next(&mut self) -> Result<Option<u8>, Self::Error> {
        let mut byte = [0];
        match self.0.read_exact(&mut byte) {
            Ok(()) => Ok(Some(byte[0])),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// An [`embedded_io::Write`] as a sink, an [`embedded_io::Read`] as a source. Bytes pass one at a time.
#[cfg(feature = "embedded-io")]
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddedIo<T>(pub T);

#[cfg(feature = "embedded-io")]
impl<W: embedded_io::Write> ByteSink for EmbeddedIo<W> {
    type Error = W::Error;

    fn put(&mut self, byte: u8) -> Result<(), Self::Error> {
        self.0.write_all(&[byte])
    }
}

#[cfg(feature = "embedded-io")]
impl<R: embedded_io::Read> ByteSource for EmbeddedIo<R> {
    type Error = R::Error;

    fn next(&mut self) -> Result<Option<u8>, Self::Error> {
        let mut byte = [0];
        let read = self.0.read(&mut byte)?;
        Ok((read > 0).then_some(byte[0]))
    }
}

#[cfg(all(test, feature = "embedded-io"))]
mod tests {
    use super::EmbeddedIo;
    use crate::coder::{ByteSink, ByteSource};

    #[test]
    fn bytes_pass_through_embedded_streams_to_their_end() {
        let mut memory = [0; 3];
        let mut sink = EmbeddedIo(&mut memory[..]);
        for byte in [5, 6, 7] {
            sink.put(byte).unwrap();
        }
        assert!(sink.put(8).is_err(), "a full slice takes no more");
        let mut source = EmbeddedIo(&memory[..]);
        let bytes: Vec<_> = core::iter::from_fn(|| source.next().unwrap()).collect();
        assert_eq!(bytes, [5, 6, 7]);
    }
}
