//! Checked model, read in place from its blob.

use super::check;
use super::error::BlobError;
use super::header::{self, HEADER_BYTES, Header, Layout, MAGIC, NumberFormat, VERSION};
use super::included::missing_for_weights;
use super::record::{Instruction, LSTM, LstmRecord, RECORD_BYTES, Record};
use crate::blob::Plan;
use crate::network::{Image, Output};
use bytemuck::Pod;
use core::ops::Range;

/// Maximum size of the state, in bytes.
pub const MAX_STATE_BYTES: u32 = 1 << 30;

/// Maximum number of multiply-adds per pixel, checked only with the feature `std`.
///
/// A blob of less than 1 GiB reaches it only with ops that share weights.
pub const MAX_MULTIPLY_ADDS: u32 = 1 << 30;

/// Checked model, read in place.
///
/// ```
/// use pixelrnn::{BlobError, Model};
///
/// assert_eq!(Model::new(&[0; 8]).unwrap_err(), BlobError::TooShort { got: 8 });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    blob: &'a [u8],
    header: &'a Header,
    records: &'a [Record],
    output: Output,
    weights: NumberFormat,
    layout: Layout,
}

impl<'a> Model<'a> {
    /// Checks `blob` completely, from its checksum to the last offset. It is read in place afterwards.
    ///
    /// # Errors
    /// The first check that fails; see [`BlobError`].
    pub fn new(blob: &'a [u8]) -> Result<Self, BlobError> {
        let head = blob.get(..HEADER_BYTES).ok_or(BlobError::TooShort { got: blob.len() })?;
        let header: &Header = bytemuck::try_from_bytes(head).map_err(|_| BlobError::Misaligned)?;
        if header.magic != MAGIC {
            return Err(BlobError::Magic);
        }
        if header.version != VERSION {
            return Err(BlobError::Version { got: header.version });
        }
        if header.length as usize != blob.len() {
            return Err(BlobError::Length { declared: header.length, got: blob.len() });
        }
        if header.checksum != header::checksum(blob) {
            return Err(BlobError::Checksum);
        }
        let records = slice(blob, header.ops, header.op_count as usize, RECORD_BYTES)
            .and_then(|bytes| bytemuck::try_cast_slice(bytes).ok())
            .ok_or(BlobError::Header { field: "ops" })?;
        let output = header.output().ok_or(BlobError::Header { field: "output" })?;
        if let Some(feature) = missing_for_weights(header.weights) {
            return Err(BlobError::Feature { feature });
        }
        let weights = header.weights().ok_or(BlobError::Header { field: "weights" })?;
        let layout = header.layout().ok_or(BlobError::Header { field: "layout" })?;
        let model = Self { blob, header, records, output, weights, layout };
        check::header(&model)?;
        check::ops(&model)?;
        Ok(model)
    }

    /// Bytes of state before the state of the ops: registers, logits, im2col buffer.
    pub(super) fn op_state_start(&self) -> u64 {
        u64::from(self.header.register_bytes) + 4 * u64::from(self.header.levels) + u64::from(self.header.im2col_bytes)
    }

    /// Identity of the model, the same for all layouts of its weights. Compressed files store it.
    pub const fn identity(&self) -> u64 {
        u64::from_le_bytes(self.header.identity)
    }

    /// Bytes of the blob.
    pub const fn blob(&self) -> &'a [u8] {
        self.blob
    }

    /// Header of the blob.
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// Size and levels of the model's images.
    pub const fn image(&self) -> Image {
        self.header.image()
    }

    /// Distribution over a value's levels.
    pub const fn output(&self) -> Output {
        self.output
    }

    /// Number format.
    pub const fn weights(&self) -> NumberFormat {
        self.weights
    }

    /// Layout of the weights.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Classes to condition on; 0: none.
    pub const fn classes(&self) -> usize {
        self.header.classes as usize
    }

    /// State that an engine needs, in 32-bit words.
    pub const fn state_words(&self) -> usize {
        (self.header.state_bytes as usize).div_ceil(4)
    }

    /// State that an engine needs under `plan`, in 32-bit words.
    pub fn state_words_for(&self, plan: Plan) -> usize {
        if !LSTM || plan == Plan::Pixel {
            return self.state_words();
        }
        let Image { height, width, .. } = self.image();
        let op_state = self.instructions().flatten().map(|op| op.state_bytes(height, width, self.weights, plan) as u64);
        let words = (self.op_state_start() + op_state.sum::<u64>()).div_ceil(4);
        // Saturates: no buffer is that large.
        usize::try_from(words).unwrap_or(usize::MAX)
    }

    /// Op records as stored in the blob.
    pub const fn records(&self) -> &'a [Record] {
        self.records
    }

    /// Ops in order of execution.
    pub fn instructions(&self) -> impl ExactSizeIterator<Item = Option<Instruction<'a>>> + use<'a> {
        self.records.iter().map(Record::instruction)
    }

    /// One line per op, if the converter wrote them: the network value that it computes, the size of a quantization step, and
    /// the op's name. Engines do not read notes; notes that are not UTF-8 are omitted.
    pub fn notes(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let bytes = slice(self.blob, self.header.notes, self.header.notes_bytes as usize, 1).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default().lines()
    }

    /// Multiply-adds per pixel.
    pub fn multiply_adds(&self) -> usize {
        let groups = self.image().channels;
        self.instructions().flatten().map(|op| op.multiply_adds(groups)).sum()
    }

    /// Activation of each level, as bytes: [`NumberFormat::activation_bytes`] each.
    pub fn input_table(&self) -> &'a [u8] {
        let bytes = self.image().levels * self.weights().activation_bytes();
        let start = self.header().input_table as usize;
        self.blob().get(start..start + bytes).unwrap_or_default()
    }

    /// Output distribution, and the left shift of its logits in bits.
    #[cfg(feature = "std")]
    pub(crate) fn logits(&self) -> (crate::network::Output, u8) {
        let shift = self.records().last().and_then(|record| record.conv()).map_or(0, |conv| conv.logit_shift);
        (self.output(), shift)
    }

    /// Bits of an LSTM's units, see [`LstmRecord::cell_bits`]; empty for a float blob.
    pub fn cell_bits(&self, lstm: &LstmRecord) -> Option<&'a [u8]> {
        if self.weights().has_multipliers() { self.slice(lstm.cell_bits, 0..lstm.hidden.into()) } else { Some(&[]) }
    }

    /// Initial states `h` and `c` of an LSTM in one row; empty if they are zero.
    pub(crate) fn initial<T: Pod>(&self, lstm: &LstmRecord, row: usize) -> Option<(&'a [T], &'a [T])> {
        if lstm.initial == 0 {
            return Some((&[], &[]));
        }
        let hidden = usize::from(lstm.hidden);
        self.slice(lstm.initial, row * 2 * hidden..(row + 1) * 2 * hidden)?.split_at_checked(hidden)
    }

    /// Elements `range` of the array at offset `at`.
    pub(crate) fn slice<T: Pod>(&self, at: u32, range: Range<usize>) -> Option<&'a [T]> {
        let size = const { if size_of::<T>() == 0 { 1 } else { size_of::<T>() } };
        let all = self.blob.get(..self.blob.len() / size * size)?;
        // `check` has verified that arrays lie within the blob and are aligned: no overflow, and `at` is a multiple of `size`.
        let index = |n| at as usize / size + n;
        bytemuck::try_cast_slice(all).ok()?.get(index(range.start)..index(range.end))
    }
}

/// `count` elements of `size` bytes at offset `at`; `None` if they reach outside the blob.
pub(super) fn slice(blob: &[u8], at: u32, count: usize, size: usize) -> Option<&[u8]> {
    let at = at as usize;
    blob.get(at..at.checked_add(count.checked_mul(size)?)?)
}
