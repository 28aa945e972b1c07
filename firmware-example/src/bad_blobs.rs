//! Blobs that are no models, in flash beside the good ones: a device has to refuse each with the error that fits.
//!
//! They are made from two small sound blobs, one of them of an LSTM, when the program is compiled. The sound ones are tried as well:
//! what is refused is refused for its damage.
#![forbid(unsafe_code)]

use core::fmt::{self, Write};
use core::hint::black_box;
use core::mem::offset_of;
use pixelrnn::Model;
use pixelrnn::blob::{CRC32, ConvRecord, HEADER_BYTES, Header, LstmRecord, RECORD_BYTES, VERSION, kind};

const SOUND: &[u8; BYTES] = include_bytes!("../../tests/golden/pixel_cnn_gray.prnn");
const BYTES: usize = include_bytes!("../../tests/golden/pixel_cnn_gray.prnn").len();

/// The last op.
const LAST: usize = short(SOUND, offset_of!(Header, op_count)) - 1;

const LSTM: &[u8; LSTM_BYTES] = include_bytes!("../../tests/golden/row_lstm_rgb_classes.prnn");
const LSTM_BYTES: usize = include_bytes!("../../tests/golden/row_lstm_rgb_classes.prnn").len();

/// Where the LSTM's record begins, and which op it is.
const RECORD: (usize, usize) = {
    let (ops, mut op) = (number(LSTM, offset_of!(Header, ops)) as usize, 0);
    while LSTM[ops + RECORD_BYTES * op] != kind::ROW_LSTM {
        op += 1;
    }
    (ops + RECORD_BYTES * op, op)
};

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

/// The last op, which makes the logits, shifts them by one bit more than it may.
static SHIFTED_FAR: Aligned<[u8; BYTES]> = Aligned({
    let record = number(SOUND, offset_of!(Header, ops)) as usize + RECORD_BYTES * LAST;
    sealed(put(*SOUND, record + offset_of!(ConvRecord, logit_shift), &[17]))
});

static LSTM_AS_IT_IS: Aligned<[u8; LSTM_BYTES]> = Aligned(*LSTM);

/// The fraction of a unit's gate is 6.
static WIDE_CELL: Aligned<[u8; LSTM_BYTES]> = Aligned({
    let bits = number(LSTM, RECORD.0 + offset_of!(LstmRecord, cell_bits)) as usize;
    sealed(put(*LSTM, bits, &[0x6f]))
});

/// The bits of the cells reach beyond the blob's end, by one.
static CELLS_OUTSIDE: Aligned<[u8; LSTM_BYTES]> = Aligned({
    let hidden = short(LSTM, RECORD.0 + offset_of!(LstmRecord, hidden));
    let at = (LSTM_BYTES + 1 - hidden) as u32;
    sealed(put(*LSTM, RECORD.0 + offset_of!(LstmRecord, cell_bits), &at.to_le_bytes()))
});

/// Initial states are scaled by a factor that is none: its shift is 31.
static INITIAL: Aligned<[u8; LSTM_BYTES]> =
    Aligned(sealed(put(*LSTM, RECORD.0 + offset_of!(LstmRecord, initial_to_hidden), &[1, 0, 31, 0])));

/// The sound blob, one byte further on.
static SHIFTED: Aligned<(u8, [u8; BYTES])> = Aligned((0, *SOUND));

/// What is tried: its name, and its bytes.
static BLOBS: [(&str, &[u8]); 12] = [
    ("sound", &AS_IT_IS.0),
    ("flipped bit", &FLIPPED.0),
    ("later version", &LATER.0),
    ("wrong alignment", &SHIFTED.0.1),
    ("cut short", AS_IT_IS.0.split_at(BYTES - 1).0),
    ("half a header", AS_IT_IS.0.split_at(HEADER_BYTES / 2).0),
    ("weights outside", &OUTSIDE.0),
    ("logits shifted far", &SHIFTED_FAR.0),
    ("sound LSTM", &LSTM_AS_IT_IS.0),
    ("wide cell", &WIDE_CELL.0),
    ("cells outside", &CELLS_OUTSIDE.0),
    ("initial states", &INITIAL.0),
];

/// Writes `part` over the bytes from `at` on.
const fn put<const N: usize>(mut blob: [u8; N], at: usize, part: &[u8]) -> [u8; N] {
    blob.split_at_mut(at).1.split_at_mut(part.len()).0.copy_from_slice(part);
    blob
}

/// The number at `at`.
const fn number(blob: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([blob[at], blob[at + 1], blob[at + 2], blob[at + 3]])
}

/// The number of 16 bits at `at`.
const fn short(blob: &[u8], at: usize) -> usize {
    u16::from_le_bytes([blob[at], blob[at + 1]]) as usize
}

/// Writes the checksum that belongs to the other bytes, so that it is not what gives the damage away.
const fn sealed<const N: usize>(blob: [u8; N]) -> [u8; N] {
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
            Some(BlobError::Op { op: LAST, field: "logit_shift" }),
            None,
            Some(BlobError::Op { op: RECORD.1, field: "cell_bits" }),
            Some(BlobError::Op { op: RECORD.1, field: "cell_bits" }),
            Some(BlobError::Op { op: RECORD.1, field: "rescale" }),
        ];
        assert_eq!(BLOBS.map(|(_, blob)| Model::new(blob).err()), expected);
    }
}
