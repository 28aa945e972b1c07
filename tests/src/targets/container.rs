//! Compressed files: restored images survive another round trip, and delayed bytes give the same result.
//!
//! The first byte selects the model; the rest is the file.

use super::put;
use crate::delayed_source::{self, DelayedSource};
use crate::forward;
use crate::integer_model::bytes::crc32;
use pixelrnn::batched::{Batch, PackedModel};
use pixelrnn::coder::container::{BlockError, BlockReader, HEADER_BYTES, Header, Restored, read_block, read_together};
use pixelrnn::{Engine, Model};
use pixelrnn_converter::Blob;
use pixelrnn_converter::compress::{compress, decompress, names};
use std::convert::Infallible;

const BLOBS: [&[u8]; 3] = [
    include_bytes!("../../golden/pixel_cnn_gray.prnn"),
    include_bytes!("../../golden/pixel_cnn_rgb.prnn"),
    include_bytes!("../../golden/row_lstm_rgb_classes.prnn"),
];

pub fn run(bytes: &[u8]) {
    let Some((which, file)) = bytes.split_first() else { return };
    let blob = Blob::new(BLOBS[usize::from(*which) % BLOBS.len()]);
    let model = blob.model().expect("a golden blob");
    restores(model, file);
    // Replaces all header fields but the number of images with the model's own.
    if file.len() < HEADER_BYTES {
        return;
    }
    let mut sealed = file.to_vec();
    let count = u32::from_le_bytes([file[24], file[25], file[26], file[27]]);
    put(&mut sealed, 0, &Header::new(&model, count).to_bytes());
    restores(model, &sealed);
    let checksum = crc32(file[..28].iter().copied());
    sealed[..HEADER_BYTES].copy_from_slice(&file[..HEADER_BYTES]);
    put(&mut sealed, 28, &checksum.to_le_bytes());
    restores(model, &sealed);
    in_pieces(model, &file[HEADER_BYTES..]);
}

fn restores(model: Model<'_>, file: &[u8]) {
    let Ok(restored) = decompress(model, file, || ()) else { return };
    // Without images there is nothing to compress again.
    if restored.set.count == 0 {
        return;
    }
    let mut again = compress(model, &restored.set, restored.labels.as_deref(), || ()).expect("a set that was restored");
    if let Some(names) = &restored.names {
        assert_eq!(names::add(names, &mut again.bytes), None, "names that were read are kept");
    }
    assert_eq!(decompress(model, &again.bytes, || ()).expect("a file that was just made"), restored);
}

fn in_pieces(model: Model<'_>, block: &[u8]) {
    /// Maximum number of images, for speed.
    const MAX: u32 = 8;
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).expect("a buffer of the right size");
    let mut whole = Vec::new();
    let ended: Result<_, BlockError<Infallible>> = read_block(&mut engine, MAX, block, |image, label, pixel| {
        whole.push(Restored { image, label, pixel: *pixel });
    });
    let pieces = delayed_source::read(&mut engine, &mut BlockReader::new(MAX), &mut DelayedSource::new(block, 0));
    assert_eq!(pieces.pixels, whole, "bytes that come late make another image");
    assert_eq!(pieces.error.map(|error| format!("{error:?}")), ended.err().map(|error| format!("{error:?}")));
    let shape = model.image();
    let mut pixels = vec![0; whole.len() / (shape.height * shape.width) * shape.values()];
    for Restored { image, pixel, .. } in &whole {
        // Skip the pixels of an incomplete last image.
        let Some(values) = pixels.chunks_exact_mut(shape.values()).nth(*image as usize) else { continue };
        forward::put(pixel, shape, values);
    }
    assert_eq!(by_images(model, MAX, block), (pixels, ended.err()), "whole images are others than their pixels");
}

/// Whole restored images from the batched decoder, and the error that stopped it.
fn by_images(model: Model<'_>, most: u32, block: &[u8]) -> (Vec<u8>, Option<BlockError<Infallible>>) {
    let packed = PackedModel::new(model).expect("weights of 8 bits");
    let mut batch = Batch::new(&packed, 1).expect("a kernel");
    let (mut images, mut out) = (Vec::new(), vec![0; model.image().values()]);
    let mut blocks = [(BlockReader::new(most), block)];
    let count = block.first_chunk().map_or(0, |count| u32::from_le_bytes(*count)).min(most + 1);
    let mut read = || {
        for _ in 0..count {
            read_together(&mut blocks, &mut batch, &mut out)?;
            images.extend_from_slice(&out);
        }
        let [(reader, source)] = &mut blocks;
        reader.finish(source)
    };
    let ended = read();
    (images, ended.err())
}
