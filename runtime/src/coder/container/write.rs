//! Writing images to a block.

use super::segments::put_all;
use super::{BlockError, Checksum, ContainerError, MAX_IMAGES, Segments};
use crate::coder::range::EncoderState;
use crate::coder::{ByteSink, Encode, EncodeError, Encoder};
use crate::exec::{Cost, Engine, Pixel, StepError};
use crate::kernels::Kernel;

/// Writes a block of 1 to [`MAX_IMAGES`] images, each with a label if the model has classes. Returns the cost of all images.
///
/// Segments are `SEGMENT` bytes long, 1 to 65535, which are buffered before they are written. Each takes two bytes more.
///
/// # Errors
/// An image or its label does not fit the model, or the sink failed.
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

/// Writes a block with `write` called for each image.
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

/// Error of an image with a valid label.
pub(super) fn encode_error<E>(error: StepError<EncodeError<E>>) -> BlockError<E> {
    match error {
        StepError::Source(EncodeError::Sink(error)) => BlockError::Bytes(error),
        StepError::NotFinite => BlockError::Engine(StepError::NotFinite),
        StepError::Corrupt => BlockError::Engine(StepError::Corrupt),
        _ => BlockError::Image,
    }
}

/// Writes a block, one pixel per call. The sink is passed to each call and may change between calls.
///
/// Call [`BlockWriter::begin`] for each image, then [`BlockWriter::step`] until it returns `None`; after the last image, call
/// [`BlockWriter::finish`]. After an error the block cannot be completed.
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
    /// `images` is out of range, or the sink failed.
    pub fn new<W: ByteSink>(images: u32, segments: &mut Segments<'_, W>) -> Result<Self, BlockError<W::Error>> {
        if images == 0 || images > MAX_IMAGES {
            return Err(BlockError::Container(ContainerError::Images { got: images, most: MAX_IMAGES }));
        }
        put_all(&mut segments.sink, &images.to_le_bytes()).map_err(BlockError::Bytes)?;
        Ok(Self { encoder: EncoderState::default(), checksum: Checksum::new(), cost: Cost(0) })
    }

    /// Begins the next image, with a `label` if the model has classes.
    ///
    /// # Errors
    /// The model has no such class, the label is missing, or the sink failed.
    pub fn begin<K: Kernel, W: ByteSink>(
        &mut self,
        engine: &mut Engine<'_, '_, K>,
        label: Option<usize>,
        segments: &mut Segments<'_, W>,
    ) -> Result<(), BlockError<W::Error>> {
        engine.restart(label).map_err(|error| BlockError::Engine(error.into()))?;
        self.label(label, engine.model().classes(), segments).map_err(BlockError::Bytes)
    }

    /// Writes the label of an image, below `classes`.
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
    /// The image does not fit the model, or the sink failed.
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

    /// Ends the block and returns the cost of its images.
    ///
    /// # Errors
    /// The sink failed.
    pub fn finish<W: ByteSink>(self, segments: &mut Segments<'_, W>) -> Result<Cost, BlockError<W::Error>> {
        Encoder::resume(self.encoder, &mut *segments).finish().map_err(BlockError::Bytes)?;
        segments.finish().map_err(BlockError::Bytes)?;
        put_all(&mut segments.sink, &self.checksum.get().to_le_bytes()).map_err(BlockError::Bytes)?;
        Ok(self.cost)
    }
}
