//! Blocks by whole images, for machines with memory to spare.

use super::read::label;
use super::segments::decode_error;
use super::write::{encode_error, write_each};
use super::{BlockError, BlockReader, ContainerError};
use crate::coder::{ByteSink, ByteSource, Decode, Encode, Encoder};
use crate::exec::batched::{Batch, Scorer};
use crate::exec::{Cost, StepError, check_label};

/// [`write_block`](super::write_block) with all values of a row predicted at once: the same bytes in a fraction of the time.
///
/// # Errors
/// Same errors as [`write_block`](super::write_block).
pub fn write_block_by_rows<'i, const SEGMENT: usize, W: ByteSink>(
    scorer: &mut Scorer<'_, '_>,
    images: impl ExactSizeIterator<Item = (Option<usize>, &'i [u8])>,
    sink: W,
) -> Result<Cost, BlockError<W::Error>> {
    let model = *scorer.packed().model();
    let shape = model.image();
    write_each::<SEGMENT, _>(images, sink, |writer, label, values, segments| {
        check_label(&model, label).map_err(|error| BlockError::Engine(error.into()))?;
        let values = values.get(..shape.values()).ok_or(BlockError::Image)?;
        writer.label(label, model.classes(), segments).map_err(BlockError::Bytes)?;
        let mut encoder = Encoder::resume(writer.encoder, segments);
        let cost = scorer.visit(label, values, &mut Encode::new(values, shape, &mut encoder)).map_err(encode_error)?;
        writer.encoder = encoder.state();
        writer.checksum.image(values, shape.channels);
        writer.cost += cost;
        Ok(())
    })
}

/// Decodes the next image of each block, all together, into `out`, `[N, C, H, W]` in the order of `blocks`.
///
/// Returns the label if the model has classes. The images of a batch share one label, so such a model allows only one block.
///
/// Images are verified by [`BlockReader::finish`] after the last one of a block. After an error, none of the blocks can be
/// continued.
///
/// # Errors
/// A block is damaged or has no more images, or a source failed. `Corrupt` unless the batch and `out` have one image per
/// block, only one if the model has classes, and all readers are between two images.
pub fn read_together<R: ByteSource>(
    blocks: &mut [(BlockReader, R)],
    batch: &mut Batch<'_, '_>,
    out: &mut [u8],
) -> Result<Option<usize>, BlockError<R::Error>> {
    let model = batch.packed().model();
    let (shape, classes) = (model.image(), model.classes());
    if classes > 0 && blocks.len() > 1 {
        return Err(BlockError::Engine(StepError::Corrupt));
    }
    let mut label_of_all = None;
    let mut open = Vec::with_capacity(blocks.len());
    for (reader, source) in blocks {
        if reader.inside {
            return Err(BlockError::Engine(StepError::Corrupt));
        }
        let mut decoder = reader.open(source)?;
        if reader.image == reader.images {
            return Err(BlockError::Container(ContainerError::Corrupt));
        }
        label_of_all = label(&mut decoder, classes)?;
        open.push((reader, decoder));
    }
    let mut sources = open.iter_mut().map(|(_, decoder)| Decode::new(decoder)).collect::<Vec<_>>();
    let mut costs = vec![Cost(0); sources.len()];
    batch.run(label_of_all, &mut sources, out, &mut costs).map_err(|error| match error {
        StepError::Source(error) => decode_error(error),
        _ => BlockError::Engine(StepError::Corrupt),
    })?;
    for ((reader, decoder), values) in open.into_iter().zip(out.chunks_exact(shape.values())) {
        reader.checksum.label(label_of_all);
        reader.checksum.image(values, shape.channels);
        reader.image += 1;
        reader.keep(decoder);
    }
    Ok(label_of_all)
}

impl BlockReader {
    /// Verifies, after the last image, the end of the block and the checksum of its images.
    ///
    /// # Errors
    /// More images or bytes follow, the checksum does not match, or the source failed.
    pub fn finish<R: ByteSource>(&mut self, source: &mut R) -> Result<(), BlockError<R::Error>> {
        if self.ended {
            return Ok(());
        }
        let decoder = self.open(source)?;
        if self.image < self.images {
            return Err(BlockError::Container(ContainerError::Trailing));
        }
        self.end(&mut decoder.into_source())
    }
}
