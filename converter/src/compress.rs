//! Sets of images to compressed files and back, one block of images a thread.
//!
//! What a file looks like is said in `docs/compressed-format.md`; devices write and read the same.

use crate::error::Error;
use crate::files::MAX_BYTES;
use crate::images::{ImageSet, Range, check_labels};
use crate::memory;
use crate::run::engine_error;
use pixelrnn::coder::container::{
    BlockError, ContainerError, HEADER_BYTES, Header, MOST_IMAGES, SMALL_SEGMENT, read_block, write_block,
};
use pixelrnn::model::Image;
use pixelrnn::{Engine, Model, Pixel};
use rayon::prelude::*;
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
    labels: Option<&[u8]>,
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
    let each = MOST_IMAGES as usize;
    let blocks: Vec<(Vec<u8>, u64)> = (0..set.count.div_ceil(each))
        .into_par_iter()
        .map(|block| {
            let first = block * each;
            let last = set.count.min(first + each);
            let members = (first..last).map(|n| {
                progress();
                (labels.map(|labels| usize::from(labels[n])), set.image(n))
            });
            let mut state = memory::zeros(model.state_words(), memory::STATE)?;
            let mut engine = Engine::new(model, &mut state).map_err(engine_error)?;
            let mut bytes = Vec::new();
            let cost = if last - first == 1 {
                write_block::<SMALL_SEGMENT, _, _>(&mut engine, members, &mut bytes)
            } else {
                write_block::<SEGMENT, _, _>(&mut engine, members, &mut bytes)
            };
            let cost = cost.map_err(block_error)?;
            Ok((bytes, cost))
        })
        .collect::<Result<_, Error>>()?;
    let mut bytes = Header::new(&model, images).to_bytes().to_vec();
    for (block, _) in &blocks {
        bytes.extend_from_slice(block);
    }
    Ok(Compressed { bytes, bits: Pixel::bits(blocks.iter().map(|(_, cost)| cost).sum()) })
}

/// What was in a compressed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decompressed {
    /// The images, in levels of the model's.
    pub set: ImageSet,
    /// A label for each, where the model has classes.
    pub labels: Option<Vec<u8>>,
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
    let blocks = blocks(&bytes[HEADER_BYTES..], header.images).map_err(Error::Compressed)?;
    let shape = model.image();
    let values = u64::from(header.images).saturating_mul(shape.values() as u64);
    if values > MAX_BYTES {
        return Err(Error::TooLarge { limit: MAX_BYTES, unpacked: " when unpacked" });
    }
    let images: Vec<(Vec<u8>, Vec<u8>)> =
        blocks.par_iter().map(|block| decompress_block(model, block, &progress)).collect::<Result<_, Error>>()?;
    let mut data = memory::room_for(values as usize, memory::IMAGES)?;
    let mut labels = Vec::new();
    for (block, block_labels) in images {
        data.extend(block);
        labels.extend(block_labels);
    }
    let set = ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels)?;
    Ok(Decompressed { set, labels: (model.classes() > 0).then_some(labels) })
}

/// Values and labels of a block's images.
fn decompress_block(
    model: Model<'_>,
    block: &[u8],
    progress: &(impl Fn() + Sync),
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let Image { height, width, channels, .. } = model.image();
    let values = channels * height * width;
    let mut state = memory::zeros(model.state_words(), memory::STATE)?;
    let mut engine = Engine::new(model, &mut state).map_err(engine_error)?;
    // The count was checked with the blocks, and all of them together are not too many.
    let count = block.first_chunk().map_or(0, |count| u32::from_le_bytes(*count));
    let mut data = memory::room_for(count as usize * values, memory::IMAGES)?;
    let mut labels = Vec::new();
    read_block(&mut engine, MOST_IMAGES, block, |image, label, pixel| {
        let start = image as usize * values;
        if (pixel.row, pixel.column) == (0, 0) {
            progress();
            data.resize(start + values, 0);
            labels.extend(label.map(|label| label as u8));
        }
        for (channel, value) in pixel.values.iter().enumerate().take(channels) {
            data[start + (channel * height + pixel.row) * width + pixel.column] = *value;
        }
    })
    .map_err(block_error)?;
    Ok((data, labels))
}

/// Cuts the part behind the header into blocks, which must be whole and have `images` images together.
fn blocks(mut rest: &[u8], images: u32) -> Result<Vec<&[u8]>, ContainerError> {
    let mut blocks = Vec::new();
    let mut left = images;
    while left > 0 {
        let start = rest;
        let count = u32::from_le_bytes(*take(&mut rest)?);
        let most = left.min(MOST_IMAGES);
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
        blocks.push(&start[..start.len() - rest.len()]);
    }
    if rest.is_empty() { Ok(blocks) } else { Err(ContainerError::Trailing) }
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
