//! Reads a blob in place and checks all of it once, so that an engine can trust it.

use super::check;
use super::error::BlobError;
use super::header::{self, HEADER_BYTES, Header, Layout, MAGIC, NumberFormat, VERSION};
use super::included::missing_for_weights;
use super::record::{Instruction, LSTM, LstmRecord, RECORD_BYTES, Record};
use crate::blob::Plan;
use crate::network::{Image, Output};
use bytemuck::Pod;
use core::ops::Range;

/// The largest state that a blob may ask for, in bytes.
pub const MAX_STATE_BYTES: u32 = 1 << 30;

/// The most multiply-adds that a pixel may take, which is checked with the feature `std` alone.
///
/// Ops that do not share weights cannot have as many in a file of less than 1 GiB.
pub const MAX_MULTIPLY_ADDS: u32 = 1 << 30;

/// A checked model, read in place.
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
    /// Checks `blob` from its checksum to the last offset, and reads it in place from then on.
    ///
    /// # Errors
    /// What is wrong with the blob; see [`BlobError`].
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

    /// Bytes of the state before the ops' own: registers, logits, patch.
    pub(super) fn op_state_start(&self) -> u64 {
        u64::from(self.header.register_bytes) + 4 * u64::from(self.header.levels) + u64::from(self.header.im2col_bytes)
    }

    /// Names the model: what was compressed with it says so by this number. The same for all layouts of its weights.
    pub const fn identity(&self) -> u64 {
        u64::from_le_bytes(self.header.identity)
    }

    /// The blob itself.
    pub const fn blob(&self) -> &'a [u8] {
        self.blob
    }

    /// The header.
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// The images that the model makes.
    pub const fn image(&self) -> Image {
        self.header.image()
    }

    /// The distribution over a value's levels.
    pub const fn output(&self) -> Output {
        self.output
    }

    /// Type of the weights.
    pub const fn weights(&self) -> NumberFormat {
        self.weights
    }

    /// How the weights lie.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Classes to condition on; 0: none.
    pub const fn classes(&self) -> usize {
        self.header.classes as usize
    }

    /// Size of the state that an engine needs, in words of four bytes.
    pub const fn state_words(&self) -> usize {
        (self.header.state_bytes as usize).div_ceil(4)
    }

    /// Size of the state that an engine needs under `plan`, in words of four bytes.
    pub fn state_words_for(&self, plan: Plan) -> usize {
        if !LSTM || plan == Plan::Pixel {
            return self.state_words();
        }
        let Image { height, width, .. } = self.image();
        let own = self.instructions().flatten().map(|op| op.state_bytes(height, width, self.weights, plan) as u64);
        let words = (self.op_state_start() + own.sum::<u64>()).div_ceil(4);
        // More than there can be is more than any buffer has.
        usize::try_from(words).unwrap_or(usize::MAX)
    }

    /// The ops as they lie in the blob.
    pub const fn records(&self) -> &'a [Record] {
        self.records
    }

    /// The ops, in the order in which they run.
    pub fn instructions(&self) -> impl ExactSizeIterator<Item = Option<Instruction<'a>>> + use<'a> {
        self.records.iter().map(Record::instruction)
    }

    /// A line for each op, where the converter wrote them: the network's value that it makes, what a step of it is
    /// worth, and the op's name. No engine needs them, and none are given where they are not UTF-8.
    pub fn notes(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let bytes = slice(self.blob, self.header.notes, self.header.notes_bytes as usize, 1).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default().lines()
    }

    /// Multiply-adds that a pixel costs.
    pub fn multiply_adds(&self) -> usize {
        let groups = self.image().channels;
        self.instructions().flatten().map(|op| op.multiply_adds(groups)).sum()
    }

    /// The activation of each level, as bytes: numbers of [`NumberFormat::activation_bytes`] each.
    pub fn input_table(&self) -> &'a [u8] {
        let bytes = self.image().levels * self.weights().activation_bytes();
        let start = self.header().input_table as usize;
        self.blob().get(start..start + bytes).unwrap_or_default()
    }

    /// How logits become a distribution, and by how many bits they are shifted before.
    #[cfg(feature = "std")]
    pub(crate) fn logits(&self) -> (crate::network::Output, u8) {
        let shift = self.records().last().and_then(|record| record.conv()).map_or(0, |conv| conv.logit_shift);
        (self.output(), shift)
    }

    /// The bits of an LSTM's units, as [`LstmRecord::cell_bits`] says; a float blob has none.
    pub fn cell_bits(&self, lstm: &LstmRecord) -> Option<&'a [u8]> {
        if self.weights().has_multipliers() { self.slice(lstm.cell_bits, 0..lstm.hidden.into()) } else { Some(&[]) }
    }

    /// One row of an LSTM's initial states: `h`, then `c`; empty where they are zero.
    pub(crate) fn initial<T: Pod>(&self, lstm: &LstmRecord, row: usize) -> Option<(&'a [T], &'a [T])> {
        if lstm.initial == 0 {
            return Some((&[], &[]));
        }
        let hidden = usize::from(lstm.hidden);
        self.slice(lstm.initial, row * 2 * hidden..(row + 1) * 2 * hidden)?.split_at_checked(hidden)
    }

    /// Numbers `range` of those that lie in the blob from `at` on.
    pub(crate) fn slice<T: Pod>(&self, at: u32, range: Range<usize>) -> Option<&'a [T]> {
        let size = const { if size_of::<T>() == 0 { 1 } else { size_of::<T>() } };
        let all = self.blob.get(..self.blob.len() / size * size)?;
        // Nothing overflows, and `at` is a multiple of the size: that all of an op's numbers are inside the blob has been
        // checked.
        let number = |n| at as usize / size + n;
        bytemuck::try_cast_slice(all).ok()?.get(number(range.start)..number(range.end))
    }
}

/// `count` elements of `size` bytes from `at` on.
pub(super) fn slice(blob: &[u8], at: u32, count: usize, size: usize) -> Option<&[u8]> {
    let at = at as usize;
    blob.get(at..at.checked_add(count.checked_mul(size)?)?)
}
