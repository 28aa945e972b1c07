//! Damaged blobs, stored in flash beside the valid ones. A device must reject each with the matching error.
//!
//! They are derived at compile time from two small valid blobs, one of which has an LSTM. The valid blobs are checked
//! too, so a rejection can only come from the damage.
#![forbid(unsafe_code)]

use core::fmt::{self, Write};
use core::hint::black_box;
use core::mem::offset_of;
use pixelrnn::Model;
use pixelrnn::blob::{CRC32, ConvRecord, HEADER_BYTES, Header, LstmRecord, RECORD_BYTES, VERSION, kind};

const SOUND: &[u8; BYTES] = include_bytes!("../../tests/golden/pixel_cnn_gray.prnn");
const BYTES: usize = include_bytes!("../../tests/golden/pixel_cnn_gray.prnn").len();

/// Index of the last op.
const LAST: usize = short(SOUND, offset_of!(Header, op_count)) - 1;

const LSTM: &[u8; LSTM_BYTES] = include_bytes!("../../tests/golden/row_lstm_rgb_classes.prnn");
const LSTM_BYTES: usize = include_bytes!("../../tests/golden/row_lstm_rgb_classes.prnn").len();

/// Offset of the LSTM's record, and its op index.
const RECORD: (usize, usize) = {
    let (ops, mut op) = (number(LSTM, offset_of!(Header, ops)) as usize, 0);
    while LSTM[ops + RECORD_BYTES * op] != kind::ROW_LSTM {
        op += 1;
    }
    (ops + RECORD_BYTES * op, op)
};

/// Aligned to four bytes, as a blob must be.
#[repr(C, align(4))]
struct Aligned<T>(T);

static AS_IT_IS: Aligned<[u8; BYTES]> = Aligned(*SOUND);

/// One flipped bit in a weight.
static FLIPPED: Aligned<[u8; BYTES]> = Aligned({
    let mut blob = *SOUND;
    blob[BYTES / 2] ^= 1 << 3;
    blob
});

/// Version number of a later format.
static LATER: Aligned<[u8; BYTES]> =
    Aligned(sealed(put(*SOUND, offset_of!(Header, version), &(VERSION + 1).to_le_bytes())));

/// Weights of the first op, a convolution, lie past the end of the blob. The checksum is valid.
static OUTSIDE: Aligned<[u8; BYTES]> = Aligned({
    let weights = number(SOUND, offset_of!(Header, ops)) as usize + offset_of!(ConvRecord, weights);
    sealed(put(*SOUND, weights, &(BYTES as u32).to_le_bytes()))
});

/// Logit shift of the last op is one above its maximum.
static SHIFTED_FAR: Aligned<[u8; BYTES]> = Aligned({
    let record = number(SOUND, offset_of!(Header, ops)) as usize + RECORD_BYTES * LAST;
    sealed(put(*SOUND, record + offset_of!(ConvRecord, logit_shift), &[17]))
});

static LSTM_AS_IT_IS: Aligned<[u8; LSTM_BYTES]> = Aligned(*LSTM);

/// One LSTM unit has a gate fraction of 6.
static WIDE_CELL: Aligned<[u8; LSTM_BYTES]> = Aligned({
    let bits = number(LSTM, RECORD.0 + offset_of!(LstmRecord, cell_bits)) as usize;
    sealed(put(*LSTM, bits, &[0x6f]))
});

/// The cell bits extend one byte past the end of the blob.
static CELLS_OUTSIDE: Aligned<[u8; LSTM_BYTES]> = Aligned({
    let hidden = short(LSTM, RECORD.0 + offset_of!(LstmRecord, hidden));
    let at = (LSTM_BYTES + 1 - hidden) as u32;
    sealed(put(*LSTM, RECORD.0 + offset_of!(LstmRecord, cell_bits), &at.to_le_bytes()))
});

/// Rescale factor of the initial states has the invalid shift 31.
static INITIAL: Aligned<[u8; LSTM_BYTES]> =
    Aligned(sealed(put(*LSTM, RECORD.0 + offset_of!(LstmRecord, initial_to_hidden), &[1, 0, 31, 0])));

/// Valid blob at an unaligned address.
static SHIFTED: Aligned<(u8, [u8; BYTES])> = Aligned((0, *SOUND));

/// Names and bytes of all blobs under test.
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

/// Overwrites the bytes from `at` on with `part`.
const fn put<const N: usize>(mut blob: [u8; N], at: usize, part: &[u8]) -> [u8; N] {
    blob.split_at_mut(at).1.split_at_mut(part.len()).0.copy_from_slice(part);
    blob
}

/// Reads a `u32` at `at`.
const fn number(blob: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([blob[at], blob[at + 1], blob[at + 2], blob[at + 3]])
}

/// Reads a `u16` at `at`.
const fn short(blob: &[u8], at: usize) -> usize {
    u16::from_le_bytes([blob[at], blob[at + 1]]) as usize
}

/// Recomputes the checksum, so that only the intended damage can be detected.
const fn sealed<const N: usize>(blob: [u8; N]) -> [u8; N] {
    const FIELD: usize = offset_of!(Header, checksum);
    let mut digest = CRC32.digest();
    digest.update(blob.split_at(FIELD).0);
    digest.update(blob.split_at(FIELD + 4).1);
    put(blob, FIELD, &digest.finalize().to_le_bytes())
}

/// Prints one line per blob: `blob NAME: refused, ERROR` or `blob NAME: accepted`.
///
/// # Errors
/// Returns the error of `out`.
pub fn print(out: &mut impl Write) -> fmt::Result {
    for (name, blob) in BLOBS {
        // Prevents the compiler from validating the constant blob at compile time.
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
