//! Bytes that come late, as over a slow line.

use pixelrnn::Engine;
use pixelrnn::coder::ByteSource;
use pixelrnn::coder::container::{BlockError, BlockReader, Restored};
use pixelrnn::kernels::Kernel;

/// Bytes, of which each comes late once: who first asks for it does so in vain.
#[derive(Clone, Debug)]
pub struct DelayedSource<'a> {
    bytes: &'a [u8],
    read: usize,
    /// The byte that has not been late.
    next: usize,
}

impl<'a> DelayedSource<'a> {
    /// `bytes`, those from number `first` on late.
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

/// What reading a block of such bytes came to.
#[derive(Debug)]
pub struct Outcome {
    /// The pixels that were restored.
    pub pixels: Vec<Restored>,
    /// How often bytes came late.
    pub failures: usize,
    /// Why it did not go on to the end; `None` where it did.
    pub error: Option<BlockError<()>>,
}

/// Reads a block from `source`; each time a byte is late, `reader` is asked again.
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
