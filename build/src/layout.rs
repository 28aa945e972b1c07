//! Conversion of a blob's weights to another layout, without a change of the model's results.

use pixelrnn::blob::{HEADER_BYTES, Header, Layout, NumberFormat, RECORD_BYTES, checksum};
use pixelrnn::target::CortexM;
use pixelrnn::{BlobError, Model};
use std::collections::BTreeMap;
use std::fmt;
use std::mem::offset_of;

/// Reason why a blob cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// The blob is invalid.
    Blob(BlobError),
    /// A layout that blobs of such weights do not have.
    Weights {
        /// How they should lie.
        layout: Layout,
        /// Number format of the weights.
        weights: NumberFormat,
    },
    /// Weights overlap another part of the blob.
    Shared,
    /// The result exceeds 32-bit offsets.
    TooLarge {
        /// Size of the result in bytes.
        bytes: usize,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(error) => error.fmt(f),
            Self::Weights { layout, weights } => write!(
                f,
                "weights of the type {weights:?} do not have the layout {layout:?}: float weights lie in rows, and pairs are \
                 for 16-bit activations"
            ),
            Self::Shared => f.write_str("matrices of weights share their bytes, so that they cannot be laid out anew"),
            Self::TooLarge { bytes } => write!(f, "the blob would take {bytes} bytes, expected at most {}", u32::MAX),
        }
    }
}

impl std::error::Error for LayoutError {}

/// A part of a blob referenced by an op or the header.
struct Part {
    at: u32,
    content: Content,
}

enum Content {
    /// Data of this length, copied unchanged.
    Bytes(usize),
    /// Matrices of weights, one a colour group: outputs and their inputs.
    Matrices(Vec<(usize, usize)>),
}

impl Part {
    fn bytes(&self, layout: Layout) -> usize {
        match &self.content {
            Content::Bytes(bytes) => *bytes,
            Content::Matrices(groups) => groups.iter().map(|(outputs, length)| outputs * layout.row(*length)).sum(),
        }
    }
}

const ALIGN: usize = 4;

/// Copies the blob of `model` with its weights converted to `layout`.
///
/// # Errors
/// Fails if the layout does not exist for this number format, or if weights overlap another part of the blob, which no
/// converter produces.
pub fn arrange(model: &Model<'_>, layout: Layout) -> Result<Vec<u8>, LayoutError> {
    let from = model.layout();
    if from == layout {
        return Ok(model.blob().to_vec());
    }
    if (Header { layout: layout as u8, ..*model.header() }).layout().is_none() {
        return Err(LayoutError::Weights { layout, weights: model.weights() });
    }
    let parts = parts(model);
    check_disjoint(&parts, from, model.header())?;

    // Header and op records first, followed by each distinct part in its original order.
    let old = model.blob();
    let ops = usize::from(model.header().op_count) * RECORD_BYTES;
    let mut new = vec![0; HEADER_BYTES + ops];
    let mut moves = BTreeMap::new();
    for part in &parts {
        if moves.contains_key(&part.at) {
            continue;
        }
        new.resize(new.len().next_multiple_of(ALIGN), 0);
        moves.insert(part.at, u32::try_from(new.len()).map_err(|_| LayoutError::TooLarge { bytes: new.len() })?);
        let mut at = part.at as usize;
        match &part.content {
            Content::Bytes(bytes) => new.extend_from_slice(&old[at..at + bytes]),
            Content::Matrices(groups) => {
                for &(outputs, length) in groups {
                    let bytes = outputs * from.row(length);
                    repack(&old[at..at + bytes], [from, layout], outputs, length, &mut new);
                    at += bytes;
                }
            }
        }
    }
    finish(model, layout, new, |at| moves.get(&at).copied().unwrap_or(0))
}

/// Layout for the DSP instructions of Cortex-M4, M7 and M33. Integer weights only.
pub const fn for_dsp(weights: NumberFormat) -> Layout {
    if matches!(weights, NumberFormat::I8A16) { Layout::TiledPairs } else { Layout::Tiled }
}

/// Best layout for `core`. Tiled for integer weights on cores with DSP instructions, otherwise row-major.
pub const fn suited(weights: NumberFormat, core: Option<CortexM>) -> Layout {
    if weights.is_integer() && matches!(core, Some(CortexM::Dsp)) { for_dsp(weights) } else { Layout::RowMajor }
}

/// All parts sorted by offset, and by decreasing length at equal offsets.
fn parts(model: &Model<'_>) -> Vec<Part> {
    let header = model.header();
    let (groups, classes) = (model.groups(), model.classes());
    let bytes = |at, bytes| Part { at, content: Content::Bytes(bytes) };
    let weights = |at, groups| Part { at, content: Content::Matrices(groups) };
    let table = header.image().levels * model.weights().activation_bytes();
    let mut parts = vec![bytes(header.input_table, table), bytes(header.notes, header.notes_bytes as usize)];
    let sizes = [header.image().height, classes, header.image().levels];
    for op in model.instructions().flatten() {
        for matrix in op.matrices().into_iter().flatten() {
            let sums = matrix.sums();
            let group = |g| {
                let (first, end) = matrix.group(groups, g);
                (end - first, matrix.length(groups, g))
            };
            parts.push(weights(matrix.weights, (0..groups).map(group).collect()));
            let tables = [(Some(matrix.multipliers), 1), (matrix.bias, 1), (Some(matrix.class_bias), classes)];
            for (at, each) in tables {
                parts.extend(at.filter(|at| *at != 0).map(|at| bytes(at, 4 * sums * each)));
            }
        }
        for (at, length) in op.tables(sizes, model.weights()).into_iter().flatten() {
            parts.push(bytes(at, length));
        }
    }
    let layout = model.layout();
    parts.sort_by_key(|part| (part.at, std::cmp::Reverse(part.bytes(layout))));
    parts
}

/// Checks that weights do not overlap another part, the header or the op records.
fn check_disjoint(parts: &[Part], layout: Layout, header: &Header) -> Result<(), LayoutError> {
    let fixed = [(0, HEADER_BYTES), (header.ops as usize, usize::from(header.op_count) * RECORD_BYTES)];
    for (n, part) in parts.iter().enumerate() {
        if !matches!(part.content, Content::Matrices(_)) {
            continue;
        }
        let (start, end) = (part.at as usize, part.at as usize + part.bytes(layout));
        let others = parts.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, part)| part);
        let others = others.map(|other| (other.at as usize, other.bytes(layout)));
        let meets = |(at, bytes): (usize, usize)| bytes > 0 && at < end && start < at + bytes;
        if others.chain(fixed).any(meets) {
            return Err(LayoutError::Shared);
        }
    }
    Ok(())
}

/// Appends `[outputs, length]` weights to `to`, converted between layouts.
fn repack(from: &[u8], [old, new]: [Layout; 2], outputs: usize, length: usize, to: &mut Vec<u8>) {
    let start = to.len();
    to.resize(start + outputs * new.row(length), 0);
    let place = |layout: Layout, output, input| layout.index(outputs, layout.row(length), output, input);
    for output in 0..outputs {
        for input in 0..length {
            to[start + place(new, output, input)] = from[place(old, output, input)];
        }
    }
}

/// Writes the header and op records of a converted blob.
fn finish(
    model: &Model<'_>,
    layout: Layout,
    mut bytes: Vec<u8>,
    moved: impl Fn(u32) -> u32,
) -> Result<Vec<u8>, LayoutError> {
    let header = model.header();
    let mut header = Header {
        layout: layout as u8,
        length: u32::try_from(bytes.len()).map_err(|_| LayoutError::TooLarge { bytes: bytes.len() })?,
        input_table: moved(header.input_table),
        ops: HEADER_BYTES as u32,
        notes: moved(header.notes),
        ..*header
    };
    let groups = model.groups();
    let mut im2col = 0;
    for (op, record) in model.records().iter().enumerate() {
        let instruction = record.instruction().ok_or(LayoutError::Shared)?;
        let lengths =
            instruction.matrices().into_iter().flatten().map(|matrix| layout.row(matrix.length(groups, groups - 1)));
        im2col = im2col.max(lengths.sum());
        let mut record = *record;
        for at in record.offsets_mut().into_iter().flatten().filter(|at| **at != 0) {
            *at = moved(*at);
        }
        bytes[HEADER_BYTES + op * RECORD_BYTES..][..RECORD_BYTES].copy_from_slice(bytemuck::bytes_of(&record));
    }
    let im2col = (im2col * model.weights().activation_bytes()).next_multiple_of(ALIGN) as u32;
    header.state_bytes = (header.state_bytes - header.im2col_bytes).saturating_add(im2col);
    header.im2col_bytes = im2col;
    bytes[..HEADER_BYTES].copy_from_slice(bytemuck::bytes_of(&header));
    let sum = checksum(&bytes).to_le_bytes();
    bytes[offset_of!(Header, checksum)..][..sum.len()].copy_from_slice(&sum);
    // Reject an inconsistent blob here rather than on the device.
    read(&aligned(&bytes), bytes.len())?;
    Ok(bytes)
}

/// Copies `bytes` to aligned memory, as needed to open a blob.
pub(crate) fn aligned(bytes: &[u8]) -> Vec<u32> {
    let mut words = vec![0; bytes.len().div_ceil(4)];
    bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
    words
}

/// Opens the model in the first `length` bytes of `words`.
pub(crate) fn read(words: &[u32], length: usize) -> Result<Model<'_>, LayoutError> {
    Model::new(&bytemuck::cast_slice(words)[..length]).map_err(LayoutError::Blob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_four_inputs_of_four_outputs_and_the_last_what_is_left() {
        // Output o and input i as 10 o + i; five outputs, three inputs.
        let rows: Vec<u8> = (0..5).flat_map(|o| (0..3).map(move |i| 10 * o + i)).collect();
        let mut blocks = Vec::new();
        repack(&rows, [Layout::RowMajor, Layout::Tiled], 5, 3, &mut blocks);
        assert_eq!(blocks, [0, 1, 2, 0, 10, 11, 12, 0, 20, 21, 22, 0, 30, 31, 32, 0, 40, 41, 42, 0]);
        let mut back = Vec::new();
        repack(&blocks, [Layout::Tiled, Layout::RowMajor], 5, 3, &mut back);
        assert_eq!(back, rows);

        let rows: Vec<u8> = (0..2).flat_map(|o| (0..5).map(move |i| 10 * o + i)).collect();
        let mut blocks = Vec::new();
        repack(&rows, [Layout::RowMajor, Layout::Tiled], 2, 5, &mut blocks);
        assert_eq!(blocks, [0, 1, 2, 3, 10, 11, 12, 13, 4, 0, 0, 0, 14, 0, 0, 0]);
    }
}
