//! Reading images from a block.

use super::segments::{Cut, Joined, decode_error, joined_error};
use super::{BlockError, Checksum, ContainerError, MAX_IMAGES, take};
use crate::coder::range::DecoderState;
use crate::coder::{ByteSource, Decode, Decoder};
use crate::exec::{Engine, Pixel, StepError};
use crate::kernels::Kernel;
use crate::network::Image;

/// Reads a block of at most `most` images, and returns the number of images.
///
/// Each pixel goes to `show` as soon as it is decoded, with its image's index in the block and label. The checksum is
/// verified only at the end.
///
/// # Errors
/// The block is damaged, or the source failed.
pub fn read_block<K: Kernel, R: ByteSource>(
    engine: &mut Engine<'_, '_, K>,
    most: u32,
    mut source: R,
    mut show: impl FnMut(u32, Option<usize>, &Pixel),
) -> Result<u32, BlockError<R::Error>> {
    let mut reader = BlockReader::new(most);
    while let Some(Restored { image, label, pixel }) = reader.step(engine, &mut source)? {
        show(image, label, &pixel);
    }
    Ok(reader.images)
}

/// Pixel that a [`BlockReader`] has decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Index of its image in the block.
    pub image: u32,
    /// Label of the image, if the model has classes.
    pub label: Option<usize>,
    /// The pixel.
    pub pixel: Pixel,
}

/// Reads a block, one pixel per call. With the feature `std`, `read_together` reads one image per call.
#[derive(Clone, Debug)]
pub struct BlockReader {
    most: u32,
    /// Images in the block, 0 before its start is read.
    pub(super) images: u32,
    /// Index of the current image.
    pub(super) image: u32,
    label: Option<usize>,
    /// True if the engine has begun the current image.
    pub(super) inside: bool,
    pub(super) ended: bool,
    /// `None` before the first read.
    decoder: Option<DecoderState>,
    cut: Cut,
    pub(super) checksum: Checksum,
}

impl BlockReader {
    /// A reader of a block of at most `most` images, limited to [`MAX_IMAGES`].
    pub fn new(most: u32) -> Self {
        Self {
            most: most.min(MAX_IMAGES),
            images: 0,
            image: 0,
            label: None,
            inside: false,
            ended: false,
            decoder: None,
            cut: Cut::default(),
            checksum: Checksum::new(),
        }
    }

    /// Next pixel; `None` after the last one of the block, once the checksum is verified.
    ///
    /// A source that fails leaves the reader unchanged: call again with a source that starts at the same byte.
    ///
    /// # Errors
    /// The block is damaged, or the source failed.
    pub fn step<K: Kernel, R: ByteSource>(
        &mut self,
        engine: &mut Engine<'_, '_, K>,
        source: &mut R,
    ) -> Result<Option<Restored>, BlockError<R::Error>> {
        let mut next = self.clone();
        let restored = next.advance(engine, source)?;
        *self = next;
        Ok(restored)
    }

    fn advance<K: Kernel, R: ByteSource>(
        &mut self,
        engine: &mut Engine<'_, '_, K>,
        source: &mut R,
    ) -> Result<Option<Restored>, BlockError<R::Error>> {
        if self.ended {
            return Ok(None);
        }
        let mut decoder = self.open(source)?;
        if self.image == self.images {
            self.end(&mut decoder.into_source())?;
            return Ok(None);
        }
        let Image { height, width, channels, .. } = engine.model().image();
        if !self.inside {
            self.label = label(&mut decoder, engine.model().classes())?;
            engine.restart(self.label).map_err(|error| BlockError::Engine(error.into()))?;
            self.checksum.label(self.label);
            self.inside = true;
        }
        let pixel = engine.step(&mut Decode::new(&mut decoder)).map_err(|error| match error {
            StepError::Source(error) => decode_error(error),
            StepError::NotFinite => BlockError::Engine(StepError::NotFinite),
            _ => BlockError::Engine(StepError::Corrupt),
        })?;
        let pixel = pixel.ok_or(BlockError::Engine(StepError::Corrupt))?;
        self.checksum.pixel(&pixel, channels);
        self.keep(decoder);
        let restored = Restored { image: self.image, label: self.label, pixel };
        // Advance now: once the engine restarts, a failed read of the next image could not be undone.
        if engine.position() == height * width {
            self.image += 1;
            self.inside = false;
        }
        Ok(Some(restored))
    }

    /// Decoder at the current position of the stream. The first call reads the number of images.
    pub(super) fn open<'s, R: ByteSource>(
        &mut self,
        source: &'s mut R,
    ) -> Result<Decoder<Joined<'s, R>>, BlockError<R::Error>> {
        if let Some(decoder) = self.decoder {
            return Ok(Decoder::resume(decoder, Joined { source, cut: self.cut }));
        }
        self.images = u32::from_le_bytes(take(source)?);
        if self.images == 0 || self.images > self.most {
            return Err(BlockError::Container(ContainerError::Images { got: self.images, most: self.most }));
        }
        Decoder::new(Joined { source, cut: self.cut }).map_err(decode_error)
    }

    /// Saves the decoder's position for the next call.
    pub(super) fn keep<R: ByteSource>(&mut self, decoder: Decoder<Joined<'_, R>>) {
        self.decoder = Some(decoder.state());
        self.cut = decoder.into_source().cut;
    }

    /// Checks that the stream has ended and that the checksum of the images matches.
    pub(super) fn end<R: ByteSource>(&mut self, joined: &mut Joined<'_, R>) -> Result<(), BlockError<R::Error>> {
        if joined.next().map_err(joined_error)?.is_some() {
            return Err(BlockError::Container(ContainerError::Corrupt));
        }
        if u32::from_le_bytes(take(joined.source)?) != self.checksum.get() {
            return Err(BlockError::Container(ContainerError::Checksum));
        }
        self.ended = true;
        Ok(())
    }
}

/// Label of the next image, if the model has classes.
pub(super) fn label<R: ByteSource>(
    decoder: &mut Decoder<Joined<'_, R>>,
    classes: usize,
) -> Result<Option<usize>, BlockError<R::Error>> {
    match classes as u32 {
        0 => Ok(None),
        classes => decoder.next_uniform(classes).map(|label| Some(label as usize)).map_err(decode_error),
    }
}
