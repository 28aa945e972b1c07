//! Compression: the files of `pixelrnn compress`, and bare codes.
#![forbid(unsafe_code)]

use crate::app::{App, MAX_BYTES, check_label, check_size, engine, pack};
use crate::draw::step_failure;
use crate::error::{Failure, zeros};
use pixelrnn::batched::Batch;
use pixelrnn::blob::CRC32;
use pixelrnn::coder::container::{
    BlockError, BlockReader, ContainerError, HEADER_BYTES, Header, MAGIC, MAX_IMAGES, SMALL_SEGMENT, read_block,
    read_together, write_block, write_block_by_rows,
};
use pixelrnn::coder::{Decode, Decoder, Encode, Encoder};
use pixelrnn::network::Image;
use pixelrnn::{Cost, Model, StepError};
use std::fmt::Display;

/// Segment length in bytes, in blocks of several images; the command line's.
const SEGMENT: usize = 1 << 14;

/// Start of the names of a folder's files, after the last image.
const NAMES: [u8; 4] = *b"NAME";

fn compressed(error: impl Display) -> Failure {
    Failure::new("compressed", error)
}

fn not_a_code() -> Failure {
    compressed("it is no code of an image by this model and label")
}

fn block_failure<E: Display>(error: BlockError<E>) -> Failure {
    match error {
        BlockError::Container(error) => compressed(error),
        BlockError::Engine(error) => step_failure(error),
        other => Failure::engine(other),
    }
}

/// Refuses values that are no levels, before anything is written.
fn check_values(images: &[u8], image: Image) -> Result<(), Failure> {
    match images.iter().position(|value| usize::from(*value) >= image.levels) {
        None => Ok(()),
        Some(at) => {
            let got = images.get(at).copied().unwrap_or_default();
            Err(Failure::new("image", format!("value {got} at index {at}, expected 0 to {}", image.levels - 1)))
        }
    }
}

impl App {
    /// Compresses images to a file; see [`crate::compress`].
    ///
    /// # Errors
    /// Images or labels do not fit the model, or there is not enough memory.
    pub fn compress(&mut self, count: usize) -> Result<(), Failure> {
        let input = self.take_input();
        let loaded = self.loaded()?;
        let (model, image) = (loaded.model, loaded.image());
        let label_bytes = if model.classes() > 0 { 2 * count } else { 0 };
        let expected = check_size(count, image)? + label_bytes;
        if input.len() != expected {
            return Err(Failure::new("image", format!("{} bytes of images, expected {expected}", input.len())));
        }
        let (labels, images) = input.split_at(label_bytes);
        check_values(images, image)?;
        let labels: Vec<usize> = labels.as_chunks().0.iter().map(|label| u16::from_le_bytes(*label).into()).collect();
        let label = |n: usize| labels.get(n).copied();
        for n in 0..count {
            check_label(&model, label(n))?;
        }
        let mut bytes = Header::new(&model, count as u32).to_bytes().to_vec();
        let each = MAX_IMAGES as usize;
        for first in (0..count).step_by(each) {
            let some = each.min(count - first);
            let of = |n: usize| images.get(n * image.values()..(n + 1) * image.values()).unwrap_or_default();
            let members = (first..first + some).map(|n| (label(n), of(n)));
            let written = if let Some(scorer) = loaded.scorer()? {
                if some == 1 {
                    write_block_by_rows::<SMALL_SEGMENT, _>(scorer, members, &mut bytes)
                } else {
                    write_block_by_rows::<SEGMENT, _>(scorer, members, &mut bytes)
                }
                .map_err(block_failure)
            } else {
                loaded.engine(|mut engine| {
                    if some == 1 {
                        write_block::<SMALL_SEGMENT, _, _>(&mut engine, members, &mut bytes)
                    } else {
                        write_block::<SEGMENT, _, _>(&mut engine, members, &mut bytes)
                    }
                    .map_err(block_failure)
                })
            };
            written?;
        }
        self.output = bytes;
        Ok(())
    }

    /// Compresses an image to its bare code; see [`crate::compress_bare`].
    ///
    /// # Errors
    /// The image or the label does not fit the model.
    pub fn compress_bare(&mut self, label: Option<usize>) -> Result<(), Failure> {
        let values = self.take_input();
        let loaded = self.loaded()?;
        loaded.check_label(label)?;
        let image = loaded.image();
        if values.len() != image.values() {
            return Err(Failure::new("image", format!("{} values, expected {}", values.len(), image.values())));
        }
        check_values(&values, image)?;
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        let mut source = Encode::new(&values, image, &mut encoder);
        if let Some(scorer) = loaded.scorer()? {
            scorer.visit(label, &values, &mut source).map_err(step_failure)?;
        } else {
            loaded.engine(|mut engine| {
                let mut again = zeros(values.len(), "the image")?;
                engine.run(label, &mut source, &mut again).map_err(step_failure)
            })?;
        }
        let Ok(_) = encoder.finish();
        self.output = bytes;
        Ok(())
    }

    /// Restores an image from its bare code; see [`crate::decompress_bare`].
    ///
    /// # Errors
    /// The bytes are no code, or the label does not fit the model.
    pub fn decompress_bare(&mut self, label: Option<usize>) -> Result<(), Failure> {
        let bytes = self.take_input();
        let loaded = self.loaded()?;
        loaded.check_label(label)?;
        if bytes.first_chunk::<HEADER_BYTES>().is_some_and(|first| Header::parse(first).is_ok()) {
            return Err(compressed("it is a compressed file, no bare code"));
        }
        let mut out = zeros(loaded.image().values(), "the image")?;
        let mut decoder = Decoder::new(&bytes[..]).map_err(|_| not_a_code())?;
        let mut source = Decode::new(&mut decoder);
        let failure = |error| match error {
            StepError::Source(_) => not_a_code(),
            other => step_failure(other),
        };
        if let Some(batch) = loaded.batch(1)? {
            batch.run(label, &mut [source], &mut out, &mut [Cost(0)]).map_err(failure)?;
        } else {
            loaded.engine(|mut engine| engine.run(label, &mut source, &mut out).map_err(failure))?;
        }
        if !decoder.into_source().is_empty() {
            return Err(not_a_code());
        }
        self.output = out;
        Ok(())
    }

    /// Restores the images of a file; see [`crate::decompress`].
    ///
    /// # Errors
    /// The file is damaged, made with another model, has images of several sizes, or needs too much memory.
    pub fn decompress(&mut self) -> Result<(), Failure> {
        let input = self.take_input();
        let own = self.loaded()?.model;
        let Some(first) = input.first_chunk::<HEADER_BYTES>() else {
            let magic = input.starts_with(&MAGIC);
            return Err(compressed(if magic { ContainerError::Truncated } else { ContainerError::Magic }));
        };
        let header = Header::parse(first).map_err(compressed)?;
        let mut model = own;
        if header.identity == own.identity() {
            model = own.with_size(header.image.height, header.image.width).map_err(compressed)?;
        }
        header.check(&model).map_err(compressed)?;
        let mut rest = input.get(HEADER_BYTES..).unwrap_or_default();
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        let mut left = header.images;
        // Blocks are decoded one after another, so that memory grows with what is there and not with what the header says.
        while left > 0 {
            let (block, count, after) = split_block(rest, left.min(MAX_IMAGES)).map_err(compressed)?;
            let values = images.len() as u64 + u64::from(count) * model.image().values() as u64;
            if values > MAX_BYTES {
                return Err(Failure::new("memory", format!("its images are more than {} MiB", MAX_BYTES >> 20)));
            }
            decode_block(model, block, &mut images, &mut labels)?;
            (left, rest) = (left - count, after);
        }
        check_end(rest, header.images)?;
        let Image { height, width, channels, .. } = model.image();
        let numbers = [header.images, channels as u32, height as u32, width as u32];
        let labels = labels.into_iter().map(|label| label as u32);
        self.output = numbers.into_iter().chain(labels).flat_map(u32::to_le_bytes).collect();
        self.output.try_reserve_exact(images.len()).map_err(|_| Failure::memory("the images"))?;
        self.output.extend(images);
        Ok(())
    }
}

/// Refuses whatever may follow the images but a whole list of names, which is not returned.
fn check_end(rest: &[u8], images: u32) -> Result<(), Failure> {
    if rest.is_empty() {
        return Ok(());
    }
    if rest.starts_with(&MAGIC) {
        return Err(compressed("its images have several sizes"));
    }
    let names = rest.split_last_chunk::<4>().filter(|_| images > 1 && rest.starts_with(&NAMES));
    let whole = names.is_some_and(|(names, sum)| CRC32.checksum(names) == u32::from_le_bytes(*sum));
    if whole { Ok(()) } else { Err(compressed(ContainerError::Trailing)) }
}

/// The first block, the number of its images, and what follows.
fn split_block(bytes: &[u8], most: u32) -> Result<(&[u8], u32, &[u8]), ContainerError> {
    let mut rest = bytes;
    let count = u32::from_le_bytes(take(&mut rest)?);
    if count == 0 || count > most {
        return Err(ContainerError::Images { got: count, most });
    }
    loop {
        let length = u16::from_le_bytes(take(&mut rest)?);
        rest = rest.get(usize::from(length)..).ok_or(ContainerError::Truncated)?;
        if length == 0 {
            break;
        }
    }
    take::<4>(&mut rest)?;
    let block = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
    Ok((block, count, rest))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ContainerError> {
    let (first, after) = rest.split_first_chunk().ok_or(ContainerError::Truncated)?;
    *rest = after;
    Ok(*first)
}

/// Decodes a block, and appends its images and labels.
fn decode_block(model: Model<'_>, block: &[u8], images: &mut Vec<u8>, labels: &mut Vec<usize>) -> Result<(), Failure> {
    let Image { height, width, channels, .. } = model.image();
    let values = model.image().values();
    let count = block.first_chunk().map_or(0, |count| u32::from_le_bytes(*count)) as usize;
    images.try_reserve(count * values).map_err(|_| Failure::memory("the images"))?;
    if let Some(packed) = pack(model) {
        let mut batch = Batch::new(&packed, 1).map_err(Failure::engine)?;
        let mut open = [(BlockReader::new(MAX_IMAGES), block)];
        let mut out = zeros(values, "the image")?;
        for _ in 0..count {
            labels.extend(read_together(&mut open, &mut batch, &mut out).map_err(block_failure)?);
            images.extend_from_slice(&out);
        }
        let [(mut reader, mut source)] = open;
        return reader.finish(&mut source).map_err(block_failure);
    }
    engine(model, |mut engine| {
        let before = images.len();
        let done = read_block(&mut engine, MAX_IMAGES, block, |image, label, pixel| {
            let start = before + image as usize * values;
            if (pixel.row, pixel.column) == (0, 0) {
                images.resize(start + values, 0);
                labels.extend(label);
            }
            for (channel, value) in pixel.values.iter().enumerate().take(channels) {
                if let Some(to) = images.get_mut(start + (channel * height + pixel.row) * width + pixel.column) {
                    *to = *value;
                }
            }
        });
        done.map(drop).map_err(block_failure)
    })
}
