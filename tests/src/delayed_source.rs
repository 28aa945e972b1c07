//! Byte source that simulates a slow line.

use pixelrnn::Engine;
use pixelrnn::coder::ByteSource;
use pixelrnn::coder::container::{BlockError, BlockReader, Restored};
use pixelrnn::kernels::Kernel;

/// Byte source that fails once before it returns a byte.
#[derive(Clone, Debug)]
pub struct DelayedSource<'a> {
    bytes: &'a [u8],
    read: usize,
    /// Index of the next byte whose read will fail.
    next: usize,
}

impl<'a> DelayedSource<'a> {
    /// Reads `bytes`, with delays from index `first` on.
    pub fn new(bytes: &'a [u8], first: usize) -> Self {
        Self { bytes, read: 0, next: first }
    }
}

impl ByteSource for DelayedSource<'_> {
    type Error = ();

    fn next(&mut self) -> Result<Option<u8>, ()> {
        if self.read == self.next {
            self.next += 1;
            return Err(());
        }
        self.read += 1;
        Ok(self.bytes.get(self.read - 1).copied())
    }
}

/// Result of reading a block.
#[derive(Debug)]
pub struct Outcome {
    /// Restored pixels.
    pub pixels: Vec<Restored>,
    /// Number of failed reads.
    pub failures: usize,
    /// Error that ended the block early.
    pub error: Option<BlockError<()>>,
}

/// Reads a block from `source`, and retries after each delayed byte.
pub fn read<K: Kernel>(
    engine: &mut Engine<'_, '_, K>,
    reader: &mut BlockReader,
    source: &mut DelayedSource<'_>,
) -> Outcome {
    let mut outcome = Outcome { pixels: Vec::new(), failures: 0, error: None };
    loop {
        let start = source.read;
        match reader.step(engine, source) {
            Ok(Some(pixel)) => outcome.pixels.push(pixel),
            Ok(None) => return outcome,
            Err(BlockError::Bytes(())) => {
                outcome.failures += 1;
                source.read = start;
            }
            Err(error) => {
                outcome.error = Some(error);
                return outcome;
            }
        }
    }
}
