//! PNG files of 8 bits or less a channel, gray or colour.

use super::{ImageSet, Range};
use crate::error::Error;
use crate::files::{self, MAX_BYTES};
use crate::memory;
use png::{BitDepth, ColorType, Decoder, Limits, Transformations};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The longest side of any model's images: a header alone may say far more.
const LONGEST_SIDE: u32 = 4096;

const MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

pub(super) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The picture in `bytes`, a set of one.
///
/// Palettes and depths below 8 bits are widened. An alpha channel that is opaque everywhere is dropped; one that is not
/// is refused, as is a depth of 16 bits: there is no one right way to make levels of them.
pub(super) fn image(bytes: &[u8]) -> Result<ImageSet, Error> {
    let damaged = |e: png::DecodingError| bad(e.to_string());
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MAX_BYTES as usize });
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (height, width) = (header.height, header.width);
    if height.max(width) > LONGEST_SIDE {
        return Err(bad(format!("{height} rows and {width} columns, expected at most {LONGEST_SIDE} of each")));
    }
    let mut reader = decoder.read_info().map_err(damaged)?;
    // `png` 0.18.1 panics where it expands such a palette.
    if let Some(palette) = reader.info().palette.as_deref().filter(|palette| !palette.len().is_multiple_of(3)) {
        return Err(bad(format!("a palette of {} bytes, expected three for each colour", palette.len())));
    }
    let (colour, depth) = reader.output_color_type();
    if depth != BitDepth::Eight {
        return Err(bad(format!("{} bits a channel, expected 8 or less", depth as u8)));
    }
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
    if alpha && pixels.chunks_exact(stride).any(|pixel| pixel[channels] != 255) {
        return Err(bad("transparent pixels, expected an opaque picture".to_string()));
    }
    let mut planar = memory::room_for(pixels.len() / stride * channels, memory::IMAGES)?;
    planar.extend((0..channels).flat_map(|c| pixels.iter().skip(c).step_by(stride).copied()));
    ImageSet::new([channels, info.height as usize, info.width as usize], planar, Range::Bytes)
}

/// All `.png` files of a folder, in the byte order of their names; hidden files are passed over.
pub(super) fn read_folder(folder: &Path) -> Result<ImageSet, Error> {
    let mut all: Option<ImageSet> = None;
    for path in pictures(folder)? {
        let bytes = files::read(&path)?;
        let next = image(&bytes).map_err(|e| e.in_file(files::display_name(&path)))?;
        match &mut all {
            None => all = Some(next),
            Some(all) => append(all, &next).map_err(|e| e.in_file(files::display_name(&path)))?,
        }
    }
    all.ok_or_else(|| Error::EmptyFolder.in_file(files::display_name(folder)))
}

fn append(all: &mut ImageSet, next: &ImageSet) -> Result<(), Error> {
    let got = [next.channels, next.height, next.width];
    let expected = [all.channels, all.height, all.width];
    if got != expected {
        return Err(Error::ImageSize { got, expected });
    }
    if (all.data.len() + next.data.len()) as u64 > MAX_BYTES {
        return Err(Error::TooLarge { limit: MAX_BYTES, unpacked: " when unpacked" });
    }
    all.data.try_reserve(next.data.len()).map_err(|_| Error::Memory { what: memory::IMAGES })?;
    all.data.extend_from_slice(&next.data);
    all.count += 1;
    Ok(())
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let cannot = |source| Error::Io { doing: "read", file: files::display_name(folder), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let named_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if named_png && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn bad(what: String) -> Error {
    Error::Format { format: "PNG file", what }
}
