//! Mutated blobs that no converter would write.
//!
//! A converter picks constants that avoid overflow, and registers that match the dataflow. For any other blob that the
//! reader accepts, the engine must still follow the format specification.

use crate::integer_model::bytes::{blob_checksum, offset_at, u16_at, u32_at};
use crate::integer_model::header::Header;
use crate::random::Random;
use pixelrnn::blob::RECORD_BYTES;
use pixelrnn::{BlobError, Model};
use pixelrnn_converter::Blob;

mod constants;
mod fields;
mod graph;

pub use constants::constants;
pub use fields::fields;
pub use graph::{placed, roomy, structure};

/// Writes `value` into the field of `bytes` bytes at `at`, and updates the checksum.
///
/// # Panics
/// Panics if the field is outside.
pub fn field(blob: &mut [u8], at: usize, bytes: usize, value: u32) {
    blob[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    seal(blob);
}

/// Moves an input or output of one op to other registers and updates the checksum. Returns the op's index and kind.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn register(blob: &mut [u8], random: &mut Random) -> (usize, u8) {
    let header = Header::parse(blob).expect("a blob");
    let op = random.below(header.op_count);
    let at = header.ops + 64 * op;
    let fields: &[usize] = match blob[at] {
        2..=4 | 10..=12 | 21 | 22 => &[4, 8],
        5 | 20 => &[4, 8, 12],
        6 => &[4, 8, 12, 16],
        15 | 16 | 18 | 23 => &[4],
        19 => &[4, 8, 16],
        13 | 14 => return (op, blob[at]),
        _ => &[8, 12],
    };
    let field = at + random.choose(fields);
    let register = random.below(header.register_bytes) as u32 & !1;
    blob[field..field + 4].copy_from_slice(&register.to_le_bytes());
    let kind = blob[at];
    seal(blob);
    (op, kind)
}

/// Changes an offset in the header or in one op, usually to another section of the blob, and updates the checksum.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn offset(blob: &mut [u8], random: &mut Random) {
    let header = Header::parse(blob).expect("a blob");
    let at = header.ops + 64 * random.below(header.op_count);
    let fields: &[usize] = match blob[at] {
        1 | 17 => &[24, 28, 32, 36],
        18 => &[8],
        7..=9 => &[28, 32, 36, 40, 44, 48, 52, 56],
        _ => &[],
    };
    let own: Vec<usize> = fields.iter().map(|field| at + field).filter(|field| offset_at(blob, *field) != 0).collect();
    let field = if own.is_empty() || random.once_in(8) { random.choose(&[40, 48]) } else { random.choose(&own) };
    let by = random.choose(&[-4, -3, -2, -1, 1, 2, 3, 4, 8, -64]);
    let anywhere = random.below(blob.len());
    let near = (offset_at(blob, field) as i64 + by).clamp(0, blob.len() as i64 - 1) as usize;
    let to = if random.once_in(2) { near } else { anywhere };
    blob[field..field + 4].copy_from_slice(&(to as u32).to_le_bytes());
    seal(blob);
}

/// Repeats op `op` of `blob` `times` more times with shared weights.
///
/// # Errors
/// Fails if the result is not a valid blob.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn repeated(blob: &[u8], op: usize, times: usize) -> Result<Vec<u8>, BlobError> {
    let header = Header::parse(blob).expect("a blob");
    let mut ops: Vec<&[u8]> = blob[header.ops..].chunks_exact(RECORD_BYTES).take(header.op_count).collect();
    ops.splice(op..op, std::iter::repeat_n(ops[op], times));
    let mut bytes = blob.to_vec();
    bytes.resize(blob.len().next_multiple_of(4), 0);
    let at = bytes.len() as u32;
    bytes.extend(ops.concat());
    let length = bytes.len() as u32;
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    bytes[38..40].copy_from_slice(&(ops.len() as u16).to_le_bytes());
    bytes[44..48].copy_from_slice(&at.to_le_bytes());
    seal(&mut bytes);
    if let Err(BlobError::State { needed, .. }) = Model::new(Blob::new(&bytes).bytes()) {
        bytes[16..20].copy_from_slice(&(needed as u32).to_le_bytes());
        seal(&mut bytes);
    }
    Model::new(Blob::new(&bytes).bytes())?;
    Ok(bytes)
}

/// Adds a random bias to each op that has only class biases, and subtracts it from the class biases. Returns the new
/// blob and the number of changed ops.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn with_biases(blob: &[u8], random: &mut Random) -> (Vec<u8>, usize) {
    let header = Header::parse(blob).expect("a blob");
    let mut bytes = blob.to_vec();
    bytes.resize(blob.len().next_multiple_of(4), 0);
    let mut changed = 0;
    for at in (0..header.op_count).map(|op| header.ops + RECORD_BYTES * op) {
        let Some([bias, class_bias]) = bias_fields(blob, at) else { continue };
        let classes = offset_at(blob, class_bias);
        if offset_at(blob, bias) != 0 || classes == 0 {
            continue;
        }
        let features = usize::from(u16_at(blob, at + 18));
        let count = if (7..=9).contains(&blob[at]) { 4 * features } else { features };
        let (table, biases) = (bytes.len() as u32, (0..count).map(|_| random.bits() as u32).collect::<Vec<_>>());
        bytes[bias..bias + 4].copy_from_slice(&table.to_le_bytes());
        for n in 0..count * header.classes {
            let sum = classes + 4 * n;
            let less = u32_at(blob, sum).wrapping_sub(biases[n % count]);
            bytes[sum..sum + 4].copy_from_slice(&less.to_le_bytes());
        }
        bytes.extend(biases.iter().flat_map(|bias| bias.to_le_bytes()));
        changed += 1;
    }
    let length = bytes.len() as u32;
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    seal(&mut bytes);
    (bytes, changed)
}

/// Gives the logits of `blob` multipliers of one quarter and random biases of magnitude up to 2²⁶ plus `4 · by`. Sets
/// the logit shift to `shift`.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn logits(blob: &mut [u8], shift: u8, by: i32, random: &mut Random) {
    let header = Header::parse(blob).expect("a blob");
    let at = header.ops + RECORD_BYTES * (header.op_count - 1);
    let outputs = usize::from(u16_at(blob, at + 18));
    blob[at + 3] = 0;
    blob[at + 22] = shift;
    let [bias, multipliers, class_bias] = [28, 32, 36].map(|field| offset_at(blob, at + field));
    words(blob, multipliers, outputs, || 1 << 30);
    // An op with biases keeps its class biases.
    let (table, count) = if bias == 0 { (class_bias, outputs * header.classes) } else { (bias, outputs) };
    words(blob, table, count, || ((random.bits() as i32) >> random.between(5, 30)) + 4 * by);
    seal(blob);
}

/// Writes `count` words from `at` on.
fn words(blob: &mut [u8], at: usize, count: usize, mut word: impl FnMut() -> i32) {
    for word_bytes in blob[at..at + 4 * count].as_chunks_mut().0 {
        *word_bytes = word().to_le_bytes();
    }
}

/// Writes a word at `at` and updates the checksum.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn word(blob: &mut [u8], at: usize, word: u32) {
    blob[at..at + 4].copy_from_slice(&word.to_le_bytes());
    seal(blob);
}

/// Removes all class biases from `blob`.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn without_class_biases(blob: &[u8]) -> Vec<u8> {
    let header = Header::parse(blob).expect("a blob");
    let mut bytes = blob.to_vec();
    for at in (0..header.op_count).map(|op| header.ops + RECORD_BYTES * op) {
        if let Some([_, class_bias]) = bias_fields(blob, at) {
            bytes[class_bias..class_bias + 4].fill(0);
        }
    }
    seal(&mut bytes);
    bytes
}

/// Offsets of the fields that point to the biases and class biases. `None` for ops without biases.
fn bias_fields(blob: &[u8], at: usize) -> Option<[usize; 2]> {
    match blob[at] {
        1 | 17 => Some([at + 28, at + 36]),
        7..=9 => Some([at + 32, at + 48]),
        _ => None,
    }
}

/// Updates the checksum.
fn seal(blob: &mut [u8]) {
    let checksum = blob_checksum(blob);
    blob[12..16].copy_from_slice(&checksum.to_le_bytes());
}
