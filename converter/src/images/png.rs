//! PNG files, gray or RGB, with at most 8 significant bits per channel.

use super::{ImageSet, Origin, Range};
use crate::error::Error;
use crate::files::MAX_BYTES;
use crate::memory;
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};
use std::io::Cursor;

/// Maximum side in pixels, as in models. Headers can claim far more.
const MAX_SIDE: u32 = 4096;

const MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

pub(super) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Decodes a picture to a set of one image.
///
/// Palettes and depths below 8 bits are expanded. 16-bit pictures are accepted if they were widened from 8 bits: all
/// low bytes equal the high bytes, or all are 0. Other 16-bit pictures and pictures with transparency are rejected,
/// because their conversion to levels is ambiguous. An opaque alpha channel is dropped.
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
    // `png` 0.18.1 panics when it expands such a palette.
    if let Some(palette) = reader.info().palette.as_deref().filter(|palette| !palette.len().is_multiple_of(3)) {
        return Err(bad(format!("a palette of {} bytes, expected three for each colour", palette.len())));
    }
    // By the standard these expand to the full range 0 to 255, so the values cannot be levels.
    let few_bits = matches!(reader.info().bit_depth, BitDepth::One | BitDepth::Two | BitDepth::Four);
    let widened = few_bits && reader.info().color_type == ColorType::Grayscale;
    let (colour, depth) = reader.output_color_type();
    let size = reader
        .output_buffer_size()
        .filter(|&size| size as u64 <= MAX_BYTES)
        .ok_or(Error::TooLarge { limit: MAX_BYTES, unpacked: " when unpacked" })?;
    let mut pixels = memory::zeros(size, memory::IMAGES)?;
    let info = reader.next_frame(&mut pixels).map_err(damaged)?;
    // Checks the rest of the file: it may be truncated or damaged after the pixels.
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
    // An all-black picture does not determine the range of the others in a folder.
    let range = if widened && planar.iter().any(|value| *value > 0) { Range::Bytes } else { Range::Unstated };
    let set = ImageSet::new([channels, info.height as usize, info.width as usize], planar, range)?;
    Ok(ImageSet { origin: Origin::Picture, ..set })
}

/// High bytes of 16-bit `samples`, `stride` per pixel, if the low bytes of the first `channels` are redundant.
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
    Err(bad("16 bits per channel that 8 cannot hold, expected 8 or less: convert it to 8 bits first".to_string()))
}

fn bad(what: String) -> Error {
    Error::Format { format: "PNG file", what }
}
