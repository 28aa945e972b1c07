//! Blob split into header and records, before its ops are checked.

use super::bytes::slice;
use super::error::BlobError;
use super::format::{Layout, NumberFormat};
use super::header::{Formats, Header};
use super::record::{GRAPH, Instruction, RECORD_BYTES, Record};
use crate::network::{Image, Output};
use bytemuck::Pod;
use core::ops::Range;

/// Blob with a checked header. Its ops are not checked yet; see [`super::check`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    blob: &'a [u8],
    header: &'a Header,
    records: &'a [Record],
    /// Height and width of the images: the header's, or others.
    size: [u16; 2],
    state_bytes: u32,
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
        let (size, state_bytes) = ([header.height, header.width], header.state_bytes);
        Ok(Self { blob, header, records, size, state_bytes, output, weights, layout })
    }

    /// The same blob for images of another size. Nothing is checked yet, and the bytes of state are not known.
    pub(super) const fn resized(self, size: [u16; 2]) -> Self {
        Self { size, ..self }
    }

    /// Sets the bytes of state after a change of the size.
    pub(super) const fn with_state_bytes(self, state_bytes: u32) -> Self {
        Self { state_bytes, ..self }
    }

    /// Bytes of state that an engine needs.
    pub(super) const fn state_bytes(&self) -> u32 {
        self.state_bytes
    }

    /// Bytes of state before the state of the ops: registers, logits, im2col buffer.
    pub(super) fn op_state_start(&self) -> u64 {
        let logits = 4 * self.logit_words() as u64;
        u64::from(self.header.register_bytes) + logits + u64::from(self.header.im2col_bytes)
    }

    /// Words of the logits that are computed at once.
    pub(super) fn logit_words(&self) -> usize {
        let Image { channels, levels, .. } = self.image();
        if self.groups() < channels { channels * levels } else { levels }
    }

    /// Colour groups: one per channel, or one for all.
    pub(super) fn groups(&self) -> usize {
        let ungrouped = GRAPH && self.records.first().and_then(Record::graph).is_some_and(|graph| graph.ungrouped != 0);
        if ungrouped { 1 } else { self.header.channels as usize }
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
        let [height, width] = self.size;
        Image { height: height as usize, width: width as usize, ..self.header.image() }
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::blob::{HEADER_BYTES, Model, checksum};
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
}
