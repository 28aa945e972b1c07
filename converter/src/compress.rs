//! Lossless compression of image sets.
//!
//! The format is specified in `docs/compressed-format.md`; devices read and write the same format.

mod bare;
pub mod names;
mod one;

pub use bare::{compress_bare, decompress_bare};
pub use one::{OneImage, decompress_one};

use crate::error::Error;
use crate::files::MAX_BYTES;
use crate::images::{ImageSet, Label, Range, check_labels};
use crate::memory;
use crate::progress::Progress;
use crate::run::{batch_size, engine_error, packed, setup_error, with_size};
use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::coder::container::{
    BlockError, BlockReader, ContainerError, HEADER_BYTES, Header, MAGIC, MAX_IMAGES, SMALL_SEGMENT, read_block,
    read_together, write_block, write_block_by_rows,
};
use pixelrnn::network::Image;
use pixelrnn::{Cost, Engine, Model};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::convert::Infallible;

/// Segment length in bytes, in blocks of several images.
const SEGMENT: usize = 1 << 14;

/// A compressed set.
#[derive(Clone, Debug, PartialEq)]
pub struct Compressed {
    /// The file.
    pub bytes: Vec<u8>,
    /// Negative log-likelihood of all images in bits: the size with an ideal coder.
    pub bits: f64,
}

/// Compresses `set`, whose values are levels of the model. `progress` is called once per image.
///
/// # Errors
/// When images or labels do not fit the model, and above 2³² - 1 images.
pub fn compress(
    model: Model<'_>,
    set: &ImageSet,
    labels: Option<&[Label]>,
    progress: impl Progress,
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
            progress.check()?;
            let members = (block * each..set.count.min((block + 1) * each)).map(|n| {
                progress.done();
                // Writing cannot be stopped: an image that does not fit ends it.
                let image = if progress.check().is_ok() { set.image(n) } else { &[] };
                (labels.map(|labels| usize::from(labels[n])), image)
            });
            let written = if members.len() == 1 {
                compress_block::<SMALL_SEGMENT>(model, packed.as_ref(), members)
            } else {
                compress_block::<SEGMENT>(model, packed.as_ref(), members)
            };
            progress.check().and(written)
        })
        .collect::<Result<_, Error>>()?;
    let header = Header { planes: set.planes && set.channels == 1, ..Header::new(&model, images) };
    let mut bytes = header.to_bytes().to_vec();
    for (block, _) in &blocks {
        bytes.extend_from_slice(block);
    }
    Ok(Compressed { bytes, bits: blocks.iter().map(|(_, cost)| *cost).sum::<Cost>().bits() })
}

/// Compresses sets of images of different sizes, a part of the file each, in order. `labels` are those of all images.
///
/// # Errors
/// See [`compress`]; when the model cannot take a size.
pub fn compress_sets(
    model: Model<'_>,
    sets: &[ImageSet],
    labels: Option<&[Label]>,
    progress: impl Progress,
) -> Result<Compressed, Error> {
    let (mut bytes, mut bits, mut first) = (Vec::new(), 0.0, 0);
    for set in sets {
        let own = labels.and_then(|labels| labels.get(first..first + set.count));
        let part = compress(with_size(model, [set.height, set.width])?, set, own, progress)?;
        bytes.extend(part.bytes);
        bits += part.bits;
        first += set.count;
    }
    Ok(Compressed { bytes, bits })
}

/// Compresses one block and returns its cost.
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

/// Size in bytes of the values of `set` at ⌈log₂ levels⌉ bits each.
pub fn packed_bytes(set: &ImageSet, levels: usize) -> usize {
    let bits = usize::BITS - levels.saturating_sub(1).leading_zeros();
    (set.data.len() as u64 * u64::from(bits)).div_ceil(8) as usize
}

/// Content of a compressed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decompressed {
    /// The images, as levels.
    pub set: ImageSet,
    /// Labels of the images, for a model with classes.
    pub labels: Option<Vec<Label>>,
    /// File names of the images, if stored.
    pub names: Option<Vec<String>>,
}

/// `model` for the images of a file with this header, which may have another size than the model's own.
fn resized<'m>(model: Model<'m>, header: &Header) -> Result<Model<'m>, Error> {
    let model = if header.identity == model.identity() {
        with_size(model, [header.image.height, header.image.width])?
    } else {
        model
    };
    header.check(&model).map_err(Error::Compressed)?;
    Ok(model)
}

/// Parses the header of a compressed file.
///
/// # Errors
/// When the bytes do not start with a valid header.
pub fn header(bytes: &[u8]) -> Result<Header, Error> {
    let Some(first) = bytes.first_chunk::<HEADER_BYTES>() else {
        let magic = bytes.starts_with(&MAGIC);
        return Err(Error::Compressed(if magic { ContainerError::Truncated } else { ContainerError::Magic }));
    };
    Header::parse(first).map_err(Error::Compressed)
}

/// Decompresses all images of the compressed file `bytes`, which all have one size. `progress` is called once per image.
///
/// Before any decoding, checks that the blocks are complete, match the number of images in the header, and decompress to at
/// most [`MAX_BYTES`].
///
/// # Errors
/// When the file is damaged, too large, has images of several sizes, or was made with another model.
pub fn decompress(model: Model<'_>, bytes: &[u8], progress: impl Progress) -> Result<Decompressed, Error> {
    let mut all = decompress_sets(model, bytes, progress)?;
    match all.sets.pop() {
        Some(set) if all.sets.is_empty() => Ok(Decompressed { set, labels: all.labels, names: all.names }),
        _ => Err(Error::SeveralSizes),
    }
}

/// Content of a compressed file whose images may have different sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecompressedSets {
    /// The images, as levels: a set for each part of the file, in order.
    pub sets: Vec<ImageSet>,
    /// Labels of all images, for a model with classes.
    pub labels: Option<Vec<Label>>,
    /// File names of all images, if stored.
    pub names: Option<Vec<String>>,
}

/// [`decompress`] of a file whose images may have different sizes.
///
/// # Errors
/// When the file is damaged, too large, or was made with another model.
pub fn decompress_sets(model: Model<'_>, bytes: &[u8], progress: impl Progress) -> Result<DecompressedSets, Error> {
    let (parts, rest) = parts(bytes)?;
    let mut models = Vec::with_capacity(parts.len());
    let (mut images, mut values) = (0_u64, 0_u64);
    for part in &parts {
        let model = resized(model, &part.header)?;
        images += u64::from(part.header.images);
        values = values.saturating_add(u64::from(part.header.images).saturating_mul(model.image().values() as u64));
        models.push(model);
    }
    let images = usize::try_from(images).map_err(|_| Error::Memory { what: memory::IMAGES })?;
    let names = names::read(rest, images)?;
    if values > MAX_BYTES {
        return Err(Error::TooLarge { limit: MAX_BYTES, unpacked: " when unpacked" });
    }
    let (mut sets, mut labels) = (Vec::with_capacity(parts.len()), Vec::new());
    for (part, model) in parts.iter().zip(models) {
        let (set, own) = decompress_part(model, part, progress)?;
        sets.push(set);
        labels.extend(own);
    }
    Ok(DecompressedSets { sets, labels: (model.classes() > 0).then_some(labels), names })
}

/// Images of one size in a compressed file.
struct Part<'b> {
    header: Header,
    blocks: Vec<Block<'b>>,
}

/// Parts of a compressed file, and what follows the last one.
fn parts(bytes: &[u8]) -> Result<(Vec<Part<'_>>, &[u8]), Error> {
    let (mut parts, mut rest) = (Vec::new(), bytes);
    while parts.is_empty() || rest.starts_with(&MAGIC) {
        let header = header(rest)?;
        let (blocks, after) = blocks(&rest[HEADER_BYTES..], header.images).map_err(Error::Compressed)?;
        parts.push(Part { header, blocks });
        rest = after;
    }
    Ok((parts, rest))
}

/// Decodes the images of a part with the model for their size, and their labels.
fn decompress_part(
    model: Model<'_>,
    part: &Part<'_>,
    progress: impl Progress,
) -> Result<(ImageSet, Vec<Label>), Error> {
    let Part { header, blocks } = part;
    let shape = model.image();
    let values = header.images as usize * shape.values();
    // Blocks are decoded in batches, except with classes: labels differ between blocks.
    let packed = packed(model);
    let together = if model.classes() > 0 { 1 } else { batch_size(blocks.len()) };
    let restored = blocks.par_chunks(together).map(|blocks| match &packed {
        Some(packed) => decompress_batch(packed, blocks, progress),
        None => blocks
            .iter()
            .map(|block| {
                progress.check()?;
                decompress_block(model, block, progress)
            })
            .collect(),
    });
    let restored = restored.collect::<Result<Vec<_>, Error>>()?;
    let mut data = memory::room_for(values, memory::IMAGES)?;
    let mut labels = Vec::new();
    for block in restored.into_iter().flatten() {
        data.extend(block.values);
        labels.extend(block.labels);
    }
    let set = ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels)?;
    Ok((ImageSet { planes: header.planes, ..set }, labels))
}

/// A block of a compressed file.
struct Block<'b> {
    bytes: &'b [u8],
    /// Number of images by the block's own header.
    images: usize,
}

/// Content of a block.
struct Restored {
    values: Vec<u8>,
    /// Label of each image, for a model with classes.
    labels: Vec<Label>,
}

impl Restored {
    /// An empty result with room for all images of the block.
    fn new(block: &Block<'_>, image: Image) -> Result<Self, Error> {
        Ok(Self { values: memory::room_for(block.images * image.values(), memory::IMAGES)?, labels: Vec::new() })
    }
}

/// Decodes several blocks in a batch.
fn decompress_batch(
    packed: &PackedModel<'_>,
    blocks: &[Block<'_>],
    progress: impl Progress,
) -> Result<Vec<Restored>, Error> {
    let shape = packed.model().image();
    let values = shape.values();
    let mut restored = blocks.iter().map(|block| Restored::new(block, shape)).collect::<Result<Vec<_>, _>>()?;
    // Blocks with the most images first: the unfinished blocks form a prefix.
    let mut order: Vec<_> = (0..blocks.len()).collect();
    order.sort_by_key(|n| Reverse(blocks[*n].images));
    let mut open: Vec<_> = order.iter().map(|n| (BlockReader::new(MAX_IMAGES), blocks[*n].bytes)).collect();
    let mut out = memory::zeros(blocks.len() * values, memory::IMAGES)?;
    let mut batch = Batch::new(packed, blocks.len()).map_err(setup_error)?;
    for image in 0.. {
        progress.check()?;
        let left = order.partition_point(|n| blocks[*n].images > image);
        // Finished at once, so a damaged block is detected before more work is done.
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
            progress.done();
        }
    }
    Ok(restored)
}

/// Decodes a block pixel by pixel.
fn decompress_block(model: Model<'_>, block: &Block<'_>, progress: impl Progress) -> Result<Restored, Error> {
    let Image { height, width, channels, .. } = model.image();
    let values = channels * height * width;
    let mut state = memory::zeros(model.state_words(), memory::STATE)?;
    let mut engine = Engine::new(model, &mut state).map_err(setup_error)?;
    let mut restored = Restored::new(block, model.image())?;
    read_block(&mut engine, MAX_IMAGES, block.bytes, |image, label, pixel| {
        let start = image as usize * values;
        if (pixel.row, pixel.column) == (0, 0) {
            progress.done();
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

/// Splits the part after the header into complete blocks of `images` images in total, and the remainder.
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
