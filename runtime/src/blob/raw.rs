//! Blob split into header and records, before its ops are checked.

use super::bytes::slice;
use super::error::BlobError;
use super::format::{Layout, NumberFormat};
use super::header::{Formats, Header};
use super::record::{Instruction, RECORD_BYTES, Record};
use crate::network::{Image, Output};
use bytemuck::Pod;
use core::ops::Range;

/// Blob with a checked header. Its ops are not checked yet; see [`super::check`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    blob: &'a [u8],
    header: &'a Header,
    records: &'a [Record],
    output: Output,
    weights: NumberFormat,
    layout: Layout,
}

impl<'a> Raw<'a> {
    /// Splits `blob`.
    ///
    /// # Errors
    /// The first check that fails; see [`BlobError`].
    pub(super) fn read(blob: &'a [u8]) -> Result<Self, BlobError> {
        let header = Header::read(blob)?;
        let records = slice(blob, header.ops, header.op_count as usize, RECORD_BYTES)
            .and_then(|bytes| bytemuck::try_cast_slice(bytes).ok())
            .ok_or(BlobError::Header { field: "ops" })?;
        let formats = header.formats()?;
        header.check(blob, formats)?;
        let Formats { output, weights, layout } = formats;
        Ok(Self { blob, header, records, output, weights, layout })
    }

    /// Bytes of state before the state of the ops: registers, logits, im2col buffer.
    pub(super) fn op_state_start(&self) -> u64 {
        u64::from(self.header.register_bytes) + 4 * u64::from(self.header.levels) + u64::from(self.header.im2col_bytes)
    }

    /// Bytes of the blob.
    pub(super) const fn blob(&self) -> &'a [u8] {
        self.blob
    }

    /// Header of the blob.
    pub(super) const fn header(&self) -> &'a Header {
        self.header
    }

    /// Size and levels of the model's images.
    pub(super) const fn image(&self) -> Image {
        self.header.image()
    }

    /// Distribution over a value's levels.
    pub(super) const fn output(&self) -> Output {
        self.output
    }

    /// Number format.
    pub(super) const fn weights(&self) -> NumberFormat {
        self.weights
    }

    /// Layout of the weights.
    pub(super) const fn layout(&self) -> Layout {
        self.layout
    }

    /// Classes to condition on; 0: none.
    pub(super) const fn classes(&self) -> usize {
        self.header.classes as usize
    }

    /// Op records as stored in the blob.
    pub(super) const fn records(&self) -> &'a [Record] {
        self.records
    }

    /// Ops in order of execution.
    pub(super) fn instructions(&self) -> impl ExactSizeIterator<Item = Option<Instruction<'a>>> + use<'a> {
        self.records.iter().map(Record::instruction)
    }

    /// Elements `range` of the array at offset `at`.
    pub(super) fn slice<T: Pod>(&self, at: u32, range: Range<usize>) -> Option<&'a [T]> {
        let size = const { if size_of::<T>() == 0 { 1 } else { size_of::<T>() } };
        let all = self.blob.get(..self.blob.len() / size * size)?;
        // `check` has verified that arrays lie within the blob and are aligned: no overflow, and `at` is a multiple of `size`.
        let index = |n| at as usize / size + n;
        bytemuck::try_cast_slice(all).ok()?.get(index(range.start)..index(range.end))
    }
}
