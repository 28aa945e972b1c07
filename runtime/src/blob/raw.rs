//! Blob split into header and records, before its ops are checked.

use super::error::BlobError;
use super::features::missing_for_weights;
use super::header::{self, HEADER_BYTES, Header, Layout, MAGIC, NumberFormat, VERSION};
use super::record::{Instruction, RECORD_BYTES, Record};
use crate::network::{Image, Output};
use bytemuck::Pod;
use core::ops::Range;

/// Blob with a valid magic, version, length and checksum. Its offsets and ops are not checked yet; see [`super::check`].
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

/// `count` elements of `size` bytes at offset `at`; `None` if they reach outside the blob.
pub(super) fn slice(blob: &[u8], at: u32, count: usize, size: usize) -> Option<&[u8]> {
    let at = at as usize;
    blob.get(at..at.checked_add(count.checked_mul(size)?)?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::blob::{Model, checksum};
    use core::mem::offset_of;

    const DIGITS: &[u8] = include_bytes!("../../testdata/mnist-pixelcnn.prnn");

    /// Blob in aligned memory, to be changed.
    #[repr(C, align(16))]
    pub(in crate::blob) struct Blob<const N: usize>([u8; N]);

    impl<const N: usize> Blob<N> {
        pub(in crate::blob) fn new(file: &[u8]) -> Self {
            Self(*file.first_chunk().unwrap())
        }

        /// Writes `bytes` at offset `at`.
        pub(in crate::blob) fn set(mut self, at: usize, bytes: &[u8]) -> Self {
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
            self
        }

        /// Repairs the checksum.
        pub(in crate::blob) fn seal(self) -> Self {
            let checksum = checksum(&self.0);
            self.set(offset_of!(Header, checksum), &checksum.to_le_bytes())
        }

        pub(in crate::blob) fn error(&self) -> Option<BlobError> {
            Model::new(&self.0).err()
        }

        pub(in crate::blob) fn raw(&self) -> Raw<'_> {
            Raw::read(&self.0).unwrap()
        }
    }

    pub(in crate::blob) fn digits() -> Blob<{ DIGITS.len() }> {
        Blob::new(DIGITS)
    }

    #[test]
    fn a_blob_that_was_cut_is_refused() {
        let blob = digits();
        for got in [0, HEADER_BYTES - 1] {
            assert_eq!(Model::new(&blob.0[..got]).err(), Some(BlobError::TooShort { got }));
        }
        for got in [HEADER_BYTES, blob.0.len() - 1] {
            let declared = blob.0.len() as u32;
            assert_eq!(Model::new(&blob.0[..got]).err(), Some(BlobError::Length { declared, got }));
        }
    }

    #[test]
    fn a_blob_that_is_not_aligned_to_words_is_refused() {
        let mut moved = Blob([0; HEADER_BYTES + 4]);
        for by in 0..=4 {
            let head = &mut moved.0[by..by + HEADER_BYTES];
            head.copy_from_slice(&DIGITS[..HEADER_BYTES]);
            let aligned = BlobError::Length { declared: DIGITS.len() as u32, got: HEADER_BYTES };
            let expected = if by % 4 == 0 { aligned } else { BlobError::Misaligned };
            assert_eq!(Model::new(head).err(), Some(expected), "moved by {by}");
        }
    }

    #[test]
    fn another_file_another_version_and_a_damaged_blob_are_told_apart() {
        assert_eq!(digits().set(0, b"PNG").error(), Some(BlobError::Magic));
        let version = digits().set(offset_of!(Header, version), &[9, 0]);
        assert_eq!(version.error(), Some(BlobError::Version { got: 9 }));
        assert_eq!(digits().set(DIGITS.len() - 1, &[0xFF]).error(), Some(BlobError::Checksum));
        assert_eq!(digits().set(DIGITS.len() - 1, &[0xFF]).seal().error(), None, "the notes may say anything");
    }

    #[test]
    fn a_header_field_that_means_nothing_is_named() {
        for (at, bytes, field) in [
            (offset_of!(Header, ops), &u32::MAX.to_le_bytes()[..], "ops"),
            (offset_of!(Header, ops), &[66], "ops"),
            (offset_of!(Header, op_count), &u16::MAX.to_le_bytes(), "ops"),
            (offset_of!(Header, output), &[2], "output"),
            (offset_of!(Header, weights), &[4], "weights"),
            (offset_of!(Header, layout), &[3], "layout"),
            (offset_of!(Header, layout), &[2], "layout"),
        ] {
            let error = digits().set(at, bytes).seal().error();
            assert_eq!(error, Some(BlobError::Header { field }), "{bytes:?} at {at}");
        }
    }

    #[test]
    fn a_slice_outside_the_blob_is_none_whatever_its_size() {
        assert_eq!(slice(&[1, 2, 3, 4, 5], 1, 2, 2), Some(&[2, 3, 4, 5][..]));
        for (at, count, size) in [(2, 2, 2), (6, 0, 1), (u32::MAX, 1, 1), (1, usize::MAX, 1), (1, usize::MAX, 4)] {
            assert_eq!(slice(&[1, 2, 3, 4, 5], at, count, size), None);
        }
    }
}
