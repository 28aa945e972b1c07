//! IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, big-endian sizes, row-major data.

use super::{ImageSet, Label, Origin, Range, channels_first};
use crate::error::Error;
use crate::memory;

/// Type byte of `u8`.
const UNSIGNED_BYTE: u8 = 8;

pub(super) fn is_idx(bytes: &[u8]) -> bool {
    // Restricted to the type bytes of the format: other formats start with two zeros as well.
    matches!(bytes, [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, _, ..])
}

pub(super) fn images(bytes: &[u8]) -> Result<ImageSet, Error> {
    let (shape, data) = read(bytes)?;
    let size = match *shape {
        [_, h, w] => [1, h, w],
        [_, _, _, _] => channels_first(&shape).map_err(bad)?,
        _ => {
            return Err(bad(format!("{} dimensions, expected 3 [N, H, W] or 4 [N, C, H, W] of images", shape.len())));
        }
    };
    let set = ImageSet::new(size, memory::copy(data, memory::IMAGES)?, Range::Unstated)?;
    // IDX files contain pictures of 0 to 255, as in MNIST.
    Ok(ImageSet { origin: Origin::Picture, ..set })
}

pub(super) fn labels(bytes: &[u8]) -> Result<Vec<Label>, Error> {
    let (shape, data) = read(bytes)?;
    match shape.len() {
        1 => {
            let mut labels = memory::room_for(data.len(), "the labels")?;
            labels.extend(data.iter().map(|label| Label::from(*label)));
            Ok(labels)
        }
        n => Err(bad(format!("{n} dimensions, expected 1 of labels"))),
    }
}

fn read(bytes: &[u8]) -> Result<(Vec<usize>, &[u8]), Error> {
    let short = || bad("the header is cut short".to_string());
    let (magic, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    if magic[2] != UNSIGNED_BYTE {
        return Err(bad(format!("values of type 0x{:02x}, expected 0x08, unsigned bytes", magic[2])));
    }
    let (sizes, data) = rest.split_at_checked(4 * usize::from(magic[3])).ok_or_else(short)?;
    let shape: Vec<usize> =
        sizes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    let expected = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    if expected != Some(data.len()) {
        return Err(bad(format!("{} bytes of data, expected those of its shape {shape:?}", data.len())));
    }
    Ok((shape, data))
}

fn bad(what: String) -> Error {
    Error::Format { format: "IDX file", what }
}
