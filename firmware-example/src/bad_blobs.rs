//! Blobs that are no models, in flash beside the good ones: a device has to refuse each with the error that fits.
//!
//! They are made from one small sound blob when the program is compiled. The sound one is tried as well: what is refused is
//! refused for its damage.
#![forbid(unsafe_code)]

use core::fmt::{self, Write};
use core::hint::black_box;
use core::mem::offset_of;
use pixelrnn::Model;
use pixelrnn::blob::{CRC32, ConvRecord, HEADER_BYTES, Header, VERSION};

const SOUND: &[u8; BYTES] = include_bytes!("../../tests/golden/pixel_cnn_gray.prnn");
const BYTES: usize = include_bytes!("../../tests/golden/pixel_cnn_gray.prnn").len();

/// At a multiple of four, as a blob has to be.
#[repr(C, align(4))]
struct Aligned<T>(T);

static AS_IT_IS: Aligned<[u8; BYTES]> = Aligned(*SOUND);

/// One bit of a weight is wrong.
static FLIPPED: Aligned<[u8; BYTES]> = Aligned({
    let mut blob = *SOUND;
    blob[BYTES / 2] ^= 1 << 3;
    blob
});

/// What a later converter may write.
static LATER: Aligned<[u8; BYTES]> =
    Aligned(sealed(put(*SOUND, offset_of!(Header, version), &(VERSION + 1).to_le_bytes())));

/// The first op, a convolution, has its weights behind the blob's end; the checksum is right.
static OUTSIDE: Aligned<[u8; BYTES]> = Aligned({
    let weights = number(SOUND, offset_of!(Header, ops)) as usize + offset_of!(ConvRecord, weights);
    sealed(put(*SOUND, weights, &(BYTES as u32).to_le_bytes()))
});

/// The sound blob, one byte further on.
static SHIFTED: Aligned<(u8, [u8; BYTES])> = Aligned((0, *SOUND));

/// What is tried: its name, and its bytes.
static BLOBS: [(&str, &[u8]); 7] = [
    ("sound", &AS_IT_IS.0),
    ("flipped bit", &FLIPPED.0),
    ("later version", &LATER.0),
    ("wrong alignment", &SHIFTED.0.1),
    ("cut short", AS_IT_IS.0.split_at(BYTES - 1).0),
    ("half a header", AS_IT_IS.0.split_at(HEADER_BYTES / 2).0),
    ("weights outside", &OUTSIDE.0),
];

/// Writes `part` over the bytes from `at` on.
const fn put(mut blob: [u8; BYTES], at: usize, part: &[u8]) -> [u8; BYTES] {
    blob.split_at_mut(at).1.split_at_mut(part.len()).0.copy_from_slice(part);
    blob
}

/// The number at `at`.
const fn number(blob: &[u8; BYTES], at: usize) -> u32 {
    u32::from_le_bytes([blob[at], blob[at + 1], blob[at + 2], blob[at + 3]])
}

/// Writes the checksum that belongs to the other bytes, so that it is not what gives the damage away.
const fn sealed(blob: [u8; BYTES]) -> [u8; BYTES] {
    const FIELD: usize = offset_of!(Header, checksum);
    let mut digest = CRC32.digest();
    digest.update(blob.split_at(FIELD).0);
    digest.update(blob.split_at(FIELD + 4).1);
    put(blob, FIELD, &digest.finalize().to_le_bytes())
}

/// A line on each blob: `blob NAME: refused, ERROR`, or `accepted`.
///
/// # Errors
/// When `out` fails.
pub fn print(out: &mut impl Write) -> fmt::Result {
    for (name, blob) in BLOBS {
        // The compiler, which knows the bytes, is not to do what the device has to.
        match Model::new(black_box(blob)) {
            Ok(_) => writeln!(out, "blob {name}: accepted")?,
            Err(error) => writeln!(out, "blob {name}: refused, {error:?}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixelrnn::BlobError;

    #[test]
    fn each_blob_is_refused_for_what_is_wrong_with_it() {
        let expected = [
            None,
            Some(BlobError::Checksum),
            Some(BlobError::Version { got: VERSION + 1 }),
            Some(BlobError::Misaligned),
            Some(BlobError::Length { declared: BYTES as u32, got: BYTES - 1 }),
            Some(BlobError::TooShort { got: HEADER_BYTES / 2 }),
            Some(BlobError::Op { op: 0, field: "weights" }),
        ];
        assert_eq!(BLOBS.map(|(_, blob)| Model::new(blob).err()), expected);
    }
}
