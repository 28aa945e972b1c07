//! Random access to one image of a compressed file.

use super::{Block, Part, block_error, parts, resized};
use crate::error::Error;
use crate::images::{ImageSet, Range};
use crate::memory;
use crate::run::{packed, setup_error};
use pixelrnn::batched::Batch;
use pixelrnn::coder::container::{BlockReader, MAX_IMAGES, read_together};
use pixelrnn::{Engine, Model};

/// A single image of a compressed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneImage {
    /// The image, as levels.
    pub set: ImageSet,
    /// Label of the image, for a model with classes.
    pub label: Option<usize>,
    /// True if the block's checksum was verified. It covers the whole block, so only its last image is verified.
    pub checked: bool,
}

/// Decompresses image `number`, counted from 0, of the compressed file `bytes`.
///
/// Earlier blocks are skipped by their lengths. Within the block, which is one stream, earlier images are decoded as
/// well and later ones are not. `progress` is called with the number of decoded images and the number needed.
///
/// # Errors
/// [`Error::NoSuchImage`] when the file has fewer images, and when it is damaged or was made with another model.
pub fn decompress_one(
    model: Model<'_>,
    bytes: &[u8],
    number: u32,
    progress: impl Fn(usize, usize),
) -> Result<OneImage, Error> {
    let (parts, _) = parts(bytes)?;
    let mut within = number as usize;
    let mut found: Option<(&Part<'_>, &Block<'_>)> = None;
    for (part, block) in parts.iter().flat_map(|part| part.blocks.iter().map(move |block| (part, block))) {
        if within < block.images {
            found = Some((part, block));
            break;
        }
        within -= block.images;
    }
    let images = parts.iter().fold(0_u32, |images, part| images.saturating_add(part.header.images));
    // The model of the file is checked before the number of the image.
    let first = parts.first().map(|part| &part.header).map(|header| resized(model, header)).transpose()?;
    let (part, block) = found.ok_or(Error::NoSuchImage { got: number, images })?;
    let header = &part.header;
    let model = if parts.len() == 1 { first.unwrap_or(model) } else { resized(model, header)? };
    let (needed, last) = (within + 1, within + 1 == block.images);
    let shape = model.image();
    let mut data = memory::zeros(shape.values(), memory::IMAGES)?;
    let mut label = None;
    let (mut reader, mut source) = (BlockReader::new(MAX_IMAGES), block.bytes);
    if let Some(packed) = packed(model) {
        let mut batch = Batch::new(&packed, 1).map_err(setup_error)?;
        let mut open = [(reader, source)];
        for done in 1..=needed {
            label = read_together(&mut open, &mut batch, &mut data).map_err(block_error)?;
            progress(done, needed);
        }
        [(reader, source)] = open;
    } else {
        let mut state = memory::zeros(model.state_words(), memory::STATE)?;
        let mut engine = Engine::new(model, &mut state).map_err(setup_error)?;
        for _ in 0..needed * shape.height * shape.width {
            let Some(restored) = reader.step(&mut engine, &mut source).map_err(block_error)? else { break };
            let pixel = restored.pixel;
            if (pixel.row, pixel.column) == (0, 0) {
                progress(restored.image as usize + 1, needed);
            }
            label = restored.label;
            for (channel, value) in pixel.values.iter().enumerate().take(shape.channels) {
                data[(channel * shape.height + pixel.row) * shape.width + pixel.column] = *value;
            }
        }
    }
    if last {
        reader.finish(&mut source).map_err(block_error)?;
    }
    let set = ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels)?;
    let set = ImageSet { planes: header.planes, ..set };
    Ok(OneImage { set, label, checked: last })
}
