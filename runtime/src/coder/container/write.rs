//! Images to a block.

use super::segments::put_all;
use super::{BlockError, Checksum, ContainerError, MAX_IMAGES, Segments};
use crate::coder::range::EncoderState;
use crate::coder::{ByteSink, Encode, EncodeError, Encoder};
use crate::exec::{Cost, Engine, Pixel, StepError};
use crate::kernels::Kernel;

/// Writes a block of `images`, each with its label where the model has classes, 1 to [`MAX_IMAGES`] of them. Gives the cost of all in
/// units of 2⁻²⁴ bit.
///
/// `SEGMENT` bytes of the stream are held back before they are written, 1 to 65535. Each such segment takes two bytes more.
///
/// # Errors
/// When an image or its label does not fit the model, and when the sink takes no more.
pub fn write_block<'i, const SEGMENT: usize, K: Kernel, W: ByteSink>(
    engine: &mut Engine<'_, '_, K>,
    images: impl ExactSizeIterator<Item = (Option<usize>, &'i [u8])>,
    sink: W,
) -> Result<Cost, BlockError<W::Error>> {
    write_each::<SEGMENT, _>(images, sink, |writer, label, values, segments| {
        writer.begin(engine, label, segments)?;
        while writer.step(engine, values, segments)?.is_some() {}
        Ok(())
    })
}

/// A block of images, each of which `write` writes.
pub(super) fn write_each<'i, const SEGMENT: usize, W: ByteSink>(
    images: impl ExactSizeIterator<Item = (Option<usize>, &'i [u8])>,
    sink: W,
    mut write: impl FnMut(&mut BlockWriter, Option<usize>, &[u8], &mut Segments<'_, W>) -> Result<(), BlockError<W::Error>>,
) -> Result<Cost, BlockError<W::Error>> {
    const { assert!(SEGMENT > 0 && SEGMENT < 1 << 16, "a segment has 1 to 65535 bytes") };
    let mut held = heapless::Vec::<u8, SEGMENT>::new();
    let mut segments = Segments::new(&mut held, sink);
    let mut writer = BlockWriter::new(u32::try_from(images.len()).unwrap_or(u32::MAX), &mut segments)?;
    for (label, values) in images {
        write(&mut writer, label, values, &mut segments)?;
    }
    writer.finish(&mut segments)
}

/// Why an image cannot be written whose label is good.
pub(super) fn encode_error<E>(error: StepError<EncodeError<E>>) -> BlockError<E> {
    match error {
        StepError::Source(EncodeError::Sink(error)) => BlockError::Bytes(error),
        StepError::NotFinite => BlockError::Engine(StepError::NotFinite),
        StepError::Corrupt => BlockError::Engine(StepError::Corrupt),
        _ => BlockError::Image,
    }
}

/// Writes a block, a pixel a call. What it writes to is given to each call anew, and need not be the same.
///
/// For each image of the block [`BlockWriter::begin`] is called once, then [`BlockWriter::step`] until it gives `None`; at last
/// [`BlockWriter::finish`]. After an error, no block comes of it any more.
#[derive(Clone, Debug)]
pub struct BlockWriter {
    pub(super) encoder: EncoderState,
    pub(super) checksum: Checksum,
    pub(super) cost: Cost,
}

impl BlockWriter {
    /// A block of `images` images, 1 to [`MAX_IMAGES`].
    ///
    /// # Errors
    /// When a block cannot have so many, and when the sink takes no more.
    pub fn new<W: ByteSink>(images: u32, segments: &mut Segments<'_, W>) -> Result<Self, BlockError<W::Error>> {
        if images == 0 || images > MAX_IMAGES {
            return Err(BlockError::Container(ContainerError::Images { got: images, most: MAX_IMAGES }));
        }
        put_all(&mut segments.sink, &images.to_le_bytes()).map_err(BlockError::Bytes)?;
        Ok(Self { encoder: EncoderState::default(), checksum: Checksum::new(), cost: Cost(0) })
    }

    /// Begins the next image, which has `label` where the model has classes.
    ///
    /// # Errors
    /// When the model has no such class, or has classes and `label` is `None`; when the sink takes no more.
    pub fn begin<K: Kernel, W: ByteSink>(
        &mut self,
        engine: &mut Engine<'_, '_, K>,
        label: Option<usize>,
        segments: &mut Segments<'_, W>,
    ) -> Result<(), BlockError<W::Error>> {
        engine.restart(label).map_err(|error| BlockError::Engine(error.into()))?;
        self.label(label, engine.model().classes(), segments).map_err(BlockError::Bytes)
    }

    /// Writes an image's label, one of a model that has so many classes.
    pub(super) fn label<W: ByteSink>(
        &mut self,
        label: Option<usize>,
        classes: usize,
        segments: &mut Segments<'_, W>,
    ) -> Result<(), W::Error> {
        if let Some(label) = label {
            let mut encoder = Encoder::resume(self.encoder, segments);
            encoder.put_uniform(label as u32, classes as u32)?;
            self.encoder = encoder.state();
        }
        self.checksum.label(label);
        Ok(())
    }

    /// Writes the next pixel of the image `values`, `[C, H, W]`; `None` after the last.
    ///
    /// # Errors
    /// When the image does not fit the model, and when the sink takes no more.
    pub fn step<K: Kernel, W: ByteSink>(
        &mut self,
        engine: &mut Engine<'_, '_, K>,
        values: &[u8],
        segments: &mut Segments<'_, W>,
    ) -> Result<Option<Pixel>, BlockError<W::Error>> {
        let shape = engine.model().image();
        let mut encoder = Encoder::resume(self.encoder, segments);
        let pixel = engine.step(&mut Encode::new(values, shape, &mut encoder)).map_err(encode_error)?;
        self.encoder = encoder.state();
        if let Some(pixel) = &pixel {
            self.checksum.pixel(pixel, shape.channels);
            self.cost += pixel.cost;
        }
        Ok(pixel)
    }

    /// Ends the block, and gives the cost of its images.
    ///
    /// # Errors
    /// When the sink takes no more.
    pub fn finish<W: ByteSink>(self, segments: &mut Segments<'_, W>) -> Result<Cost, BlockError<W::Error>> {
        Encoder::resume(self.encoder, &mut *segments).finish().map_err(BlockError::Bytes)?;
        segments.finish().map_err(BlockError::Bytes)?;
        put_all(&mut segments.sink, &self.checksum.get().to_le_bytes()).map_err(BlockError::Bytes)?;
        Ok(self.cost)
    }
}
