//! PNG files, gray or colour, of 8 bits a channel or such that 8 bits hold them.

use super::{ImageSet, Origin, Range};
use crate::error::Error;
use crate::files::MAX_BYTES;
use crate::memory;
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};
use std::io::Cursor;

/// The longest side of any model's images: a header alone may say far more.
const MAX_SIDE: u32 = 4096;

const MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

pub(super) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The picture in `bytes`, a set of one.
///
/// Palettes and depths below 8 bits are widened. Depths of 16 bits are taken where 8 bits were widened to them: the low bytes
/// all equal the high ones, or all are 0. An alpha channel that is opaque everywhere is dropped; one that is not is refused,
/// as is any other picture of 16 bits: there is no one right way to make levels of them.
pub(super) fn image(bytes: &[u8]) -> Result<ImageSet, Error> {
    let damaged = |e: png::DecodingError| bad(e.to_string());
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MAX_BYTES as usize });
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (height, width) = (header.height, header.width);
    if height.max(width) > MAX_SIDE {
        return Err(bad(format!("{height} rows and {width} columns, expected at most {MAX_SIDE} of each")));
    }
    let mut reader = decoder.read_info().map_err(damaged)?;
    // `png` 0.18.1 panics where it expands such a palette.
    if let Some(palette) = reader.info().palette.as_deref().filter(|palette| !palette.len().is_multiple_of(3)) {
        return Err(bad(format!("a palette of {} bytes, expected three for each colour", palette.len())));
    }
    // The standard says that these are widened to the whole range, so that no value is a level of some model.
    let few_bits = matches!(reader.info().bit_depth, BitDepth::One | BitDepth::Two | BitDepth::Four);
    let widened = few_bits && reader.info().color_type == ColorType::Grayscale;
    let (colour, depth) = reader.output_color_type();
    let size = reader
        .output_buffer_size()
        .filter(|&size| size as u64 <= MAX_BYTES)
        .ok_or(Error::TooLarge { limit: MAX_BYTES, unpacked: " when unpacked" })?;
    let mut pixels = memory::zeros(size, memory::IMAGES)?;
    let info = reader.next_frame(&mut pixels).map_err(damaged)?;
    // A file that ends before its end mark, or is damaged there, is not whole.
    reader.finish().map_err(damaged)?;
    pixels.truncate(info.buffer_size());

    let (channels, alpha) = match colour {
        ColorType::Grayscale => (1, false),
        ColorType::GrayscaleAlpha => (1, true),
        ColorType::Rgb => (3, false),
        ColorType::Rgba => (3, true),
        ColorType::Indexed => return Err(bad("a palette that cannot be expanded".to_string())),
    };
    let stride = channels + usize::from(alpha);
    if depth == BitDepth::Sixteen {
        pixels = eight_of_sixteen(&pixels, channels, stride)?;
    }
    if alpha && pixels.chunks_exact(stride).any(|pixel| pixel[channels] != 255) {
        return Err(bad("transparent pixels, expected an opaque picture".to_string()));
    }
    let mut planar = memory::room_for(pixels.len() / stride * channels, memory::IMAGES)?;
    planar.extend((0..channels).flat_map(|c| pixels.iter().skip(c).step_by(stride).copied()));
    // An all black picture says nothing of what the others of a folder are.
    let range = if widened && planar.iter().any(|value| *value > 0) { Range::Bytes } else { Range::Unstated };
    let set = ImageSet::new([channels, info.height as usize, info.width as usize], planar, range)?;
    Ok(ImageSet { origin: Origin::Picture, ..set })
}

/// The high bytes of `samples` of 16 bits, `stride` a pixel, where the low bytes of the first `channels` say nothing more.
fn eight_of_sixteen(samples: &[u8], channels: usize, stride: usize) -> Result<Vec<u8>, Error> {
    let (mut repeated, mut padded) = (true, true);
    let mut high = memory::room_for(samples.len() / 2, memory::IMAGES)?;
    for pixel in samples.chunks_exact(2 * stride) {
        for sample in pixel.chunks_exact(2).take(channels) {
            repeated &= sample[0] == sample[1];
            padded &= sample[1] == 0;
        }
        high.extend(pixel.iter().step_by(2));
    }
    if repeated || padded {
        return Ok(high);
    }
    Err(bad("16 bits a channel that 8 do not hold, expected 8 or less: convert it to 8 bits first".to_string()))
}

fn bad(what: String) -> Error {
    Error::Format { format: "PNG file", what }
}
