//! Sets of images to compressed files and back.
//!
//! What a file looks like is said in `docs/compressed-format.md`; devices write and read the same.

mod bare;
pub mod names;
mod one;

pub use bare::{compress_bare, decompress_bare};
pub use one::{OneImage, decompress_one};

use crate::error::Error;
use crate::files::MAX_BYTES;
use crate::images::{ImageSet, Label, Range, check_labels};
use crate::memory;
use crate::run::{batch_size, engine_error, packed, setup_error};
use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::coder::container::{
    BlockError, BlockReader, ContainerError, HEADER_BYTES, Header, MAX_IMAGES, SMALL_SEGMENT, read_block,
    read_together, write_block, write_block_by_rows,
};
use pixelrnn::network::Image;
use pixelrnn::{Cost, Engine, Model};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::convert::Infallible;

/// Bytes of a stream between two lengths of segments, in blocks of several images.
const SEGMENT: usize = 1 << 14;

/// A compressed set.
#[derive(Clone, Debug, PartialEq)]
pub struct Compressed {
    /// The file.
    pub bytes: Vec<u8>,
    /// Negative log-likelihood of all images in bits: what a perfect coder would need.
    pub bits: f64,
}

/// Compresses `set`, whose values are levels of the model's. `progress` is called once an image.
///
/// # Errors
/// When the images or the labels do not fit the model, and when there are more than 2³² - 1.
pub fn compress(
    model: Model<'_>,
    set: &ImageSet,
    labels: Option<&[Label]>,
    progress: impl Fn() + Sync,
) -> Result<Compressed, Error> {
    let shape = model.image();
    let (got, expected) = ([set.channels, set.height, set.width], [shape.channels, shape.height, shape.width]);
    if got != expected {
        return Err(Error::ImageSize { got, expected });
    }
    if let Some(index) = set.data.iter().position(|value| usize::from(*value) >= shape.levels) {
        return Err(Error::Value { got: set.data[index], index, levels: shape.levels });
    }
    if let Some(labels) = labels {
        check_labels(labels, set.count, model.classes())?;
    }
    let images =
        u32::try_from(set.count).map_err(|_| Error::TooManyImages { got: set.count, most: u32::MAX as usize })?;
    let each = MAX_IMAGES as usize;
    let packed = packed(model);
    let blocks: Vec<(Vec<u8>, Cost)> = (0..set.count.div_ceil(each))
        .into_par_iter()
        .map(|block| {
            let members = (block * each..set.count.min((block + 1) * each)).map(|n| {
                progress();
                (labels.map(|labels| usize::from(labels[n])), set.image(n))
            });
            if members.len() == 1 {
                compress_block::<SMALL_SEGMENT>(model, packed.as_ref(), members)
            } else {
                compress_block::<SEGMENT>(model, packed.as_ref(), members)
            }
        })
        .collect::<Result<_, Error>>()?;
    let header = Header { planes: set.planes && set.channels == 1, ..Header::new(&model, images) };
    let mut bytes = header.to_bytes().to_vec();
    for (block, _) in &blocks {
        bytes.extend_from_slice(block);
    }
    Ok(Compressed { bytes, bits: blocks.iter().map(|(_, cost)| *cost).sum::<Cost>().bits() })
}

/// A block, and what it costs.
fn compress_block<'i, const SEGMENT: usize>(
    model: Model<'_>,
    packed: Option<&PackedModel<'_>>,
    images: impl ExactSizeIterator<Item = (Option<usize>, &'i [u8])>,
) -> Result<(Vec<u8>, Cost), Error> {
    let mut bytes = Vec::new();
    let cost = if let Some(packed) = packed {
        let mut scorer = Scorer::new(packed).map_err(setup_error)?;
        write_block_by_rows::<SEGMENT, _>(&mut scorer, images, &mut bytes)
    } else {
        let mut state = memory::zeros(model.state_words(), memory::STATE)?;
        let mut engine = Engine::new(model, &mut state).map_err(setup_error)?;
        write_block::<SEGMENT, _, _>(&mut engine, images, &mut bytes)
    };
    Ok((bytes, cost.map_err(block_error)?))
}

/// Bytes of the values of `set`, packed with as many whole bits each as levels need.
pub fn packed_bytes(set: &ImageSet, levels: usize) -> usize {
    let bits = usize::BITS - levels.saturating_sub(1).leading_zeros();
    (set.data.len() as u64 * u64::from(bits)).div_ceil(8) as usize
}

/// What was in a compressed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decompressed {
    /// The images, in levels of the model's.
    pub set: ImageSet,
    /// A label for each, where the model has classes.
    pub labels: Option<Vec<Label>>,
    /// A file name for each, where the file has them.
    pub names: Option<Vec<String>>,
}

/// The header of a compressed file.
///
/// # Errors
/// When the bytes do not begin with one.
pub fn header(bytes: &[u8]) -> Result<Header, Error> {
    let Some(first) = bytes.first_chunk::<HEADER_BYTES>() else {
        let magic = bytes.starts_with(&pixelrnn::coder::container::MAGIC);
        return Err(Error::Compressed(if magic { ContainerError::Truncated } else { ContainerError::Magic }));
    };
    Header::parse(first).map_err(Error::Compressed)
}

/// Restores the images of the compressed file `bytes`. `progress` is called once an image.
///
/// Nothing is decoded of a file whose blocks are not whole, or do not have as many images as its header says, or whose images would
/// take more than [`MAX_BYTES`].
///
/// # Errors
/// When the file is damaged, or was made with another model, and as said.
pub fn decompress(model: Model<'_>, bytes: &[u8], progress: impl Fn() + Sync) -> Result<Decompressed, Error> {
    let header = header(bytes)?;
    header.check(&model).map_err(Error::Compressed)?;
    let (blocks, rest) = blocks(&bytes[HEADER_BYTES..], header.images).map_err(Error::Compressed)?;
    let names = names::read(rest, header.images as usize)?;
    let shape = model.image();
    let values = u64::from(header.images).saturating_mul(shape.values() as u64);
    if values > MAX_BYTES {
        return Err(Error::TooLarge { limit: MAX_BYTES, unpacked: " when unpacked" });
    }
    // Blocks are advanced together, but for those of a model with classes, whose images have labels of their own.
    let packed = packed(model);
    let together = if model.classes() > 0 { 1 } else { batch_size(blocks.len()) };
    let restored = blocks.par_chunks(together).map(|blocks| match &packed {
        Some(packed) => decompress_together(packed, blocks, &progress),
        None => blocks.iter().map(|block| decompress_block(model, block, &progress)).collect(),
    });
    let restored = restored.collect::<Result<Vec<_>, Error>>()?;
    let mut data = memory::room_for(values as usize, memory::IMAGES)?;
    let mut labels = Vec::new();
    for block in restored.into_iter().flatten() {
        data.extend(block.values);
        labels.extend(block.labels);
    }
    let set = ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels)?;
    let set = ImageSet { planes: header.planes, ..set };
    Ok(Decompressed { set, labels: (model.classes() > 0).then_some(labels), names })
}

/// A block as it stands in a file.
struct Block<'b> {
    bytes: &'b [u8],
    /// How many images it has, as it says itself.
    images: usize,
}

/// What was in a block.
struct Restored {
    values: Vec<u8>,
    /// Of each image, where the model has classes.
    labels: Vec<Label>,
}

impl Restored {
    /// None of the block's images yet, and room for all.
    fn new(block: &Block<'_>, image: Image) -> Result<Self, Error> {
        Ok(Self { values: memory::room_for(block.images * image.values(), memory::IMAGES)?, labels: Vec::new() })
    }
}

/// The blocks, advanced together.
fn decompress_together(
    packed: &PackedModel<'_>,
    blocks: &[Block<'_>],
    progress: &(impl Fn() + Sync),
) -> Result<Vec<Restored>, Error> {
    let shape = packed.model().image();
    let values = shape.values();
    let mut restored = blocks.iter().map(|block| Restored::new(block, shape)).collect::<Result<Vec<_>, _>>()?;
    // Those with the most images first, so that those that go on are the first ones.
    let mut order: Vec<_> = (0..blocks.len()).collect();
    order.sort_by_key(|n| Reverse(blocks[*n].images));
    let mut open: Vec<_> = order.iter().map(|n| (BlockReader::new(MAX_IMAGES), blocks[*n].bytes)).collect();
    let mut out = memory::zeros(blocks.len() * values, memory::IMAGES)?;
    let mut batch = Batch::new(packed, blocks.len()).map_err(setup_error)?;
    for image in 0.. {
        let left = order.partition_point(|n| blocks[*n].images > image);
        // At once, so that a damaged block is found before others have cost much work.
        for (mut reader, mut source) in open.drain(left..) {
            reader.finish(&mut source).map_err(block_error)?;
        }
        if left == 0 {
            break;
        }
        if left < batch.images() {
            batch = Batch::new(packed, left).map_err(setup_error)?;
        }
        let out = &mut out[..left * values];
        let label = read_together(&mut open, &mut batch, out).map_err(block_error)?;
        for (n, out) in order.iter().zip(out.chunks_exact(values)) {
            restored[*n].values.extend_from_slice(out);
            restored[*n].labels.extend(label.map(|label| label as Label));
            progress();
        }
    }
    Ok(restored)
}

/// A block, pixel by pixel.
fn decompress_block(model: Model<'_>, block: &Block<'_>, progress: &(impl Fn() + Sync)) -> Result<Restored, Error> {
    let Image { height, width, channels, .. } = model.image();
    let values = channels * height * width;
    let mut state = memory::zeros(model.state_words(), memory::STATE)?;
    let mut engine = Engine::new(model, &mut state).map_err(setup_error)?;
    let mut restored = Restored::new(block, model.image())?;
    read_block(&mut engine, MAX_IMAGES, block.bytes, |image, label, pixel| {
        let start = image as usize * values;
        if (pixel.row, pixel.column) == (0, 0) {
            progress();
            restored.values.resize(start + values, 0);
            restored.labels.extend(label.map(|label| label as Label));
        }
        for (channel, value) in pixel.values.iter().enumerate().take(channels) {
            restored.values[start + (channel * height + pixel.row) * width + pixel.column] = *value;
        }
    })
    .map_err(block_error)?;
    Ok(restored)
}

/// Cuts the part behind the header into blocks, which must be whole and have `images` images together, and what follows them.
fn blocks(mut rest: &[u8], images: u32) -> Result<(Vec<Block<'_>>, &[u8]), ContainerError> {
    let mut blocks = Vec::new();
    let mut left = images;
    while left > 0 {
        let start = rest;
        let count = u32::from_le_bytes(*take(&mut rest)?);
        let most = left.min(MAX_IMAGES);
        if count == 0 || count > most {
            return Err(ContainerError::Images { got: count, most });
        }
        left -= count;
        loop {
            let length = u16::from_le_bytes(*take(&mut rest)?);
            rest = rest.get(usize::from(length)..).ok_or(ContainerError::Truncated)?;
            if length == 0 {
                break;
            }
        }
        take::<4>(&mut rest)?;
        blocks.push(Block { bytes: &start[..start.len() - rest.len()], images: count as usize });
    }
    Ok((blocks, rest))
}

fn take<'b, const N: usize>(rest: &mut &'b [u8]) -> Result<&'b [u8; N], ContainerError> {
    let (first, after) = rest.split_first_chunk().ok_or(ContainerError::Truncated)?;
    *rest = after;
    Ok(first)
}

fn block_error(error: BlockError<Infallible>) -> Error {
    match error {
        BlockError::Container(error) => Error::Compressed(error),
        BlockError::Engine(error) => engine_error(error),
        other @ (BlockError::Image | BlockError::Bytes(_)) => Error::Engine(other.to_string()),
    }
}
