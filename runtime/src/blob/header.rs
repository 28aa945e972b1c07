//! Header of a blob: its fields, and their checks.

use super::bytes::{is_array, slice};
use super::error::BlobError;
use super::features::missing_for_weights;
use super::format::{Layout, NumberFormat};
use crate::network::{Image, Output, check_image};
use bytemuck::{Pod, Zeroable};
use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// First four bytes of a blob.
pub const MAGIC: [u8; 4] = *b"PRNN";

/// Format version that this crate reads and writes.
pub const VERSION: u16 = 1;

/// Bytes of a header.
pub const HEADER_BYTES: usize = size_of::<Header>();

const _: () = assert!(HEADER_BYTES == 64);

/// CRC-32 of PNG and zip, for blobs and for images.
pub const CRC32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// Header as stored in the blob. Numbers are little-endian; offsets count from the start of the blob.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// [`VERSION`].
    pub version: u16,
    /// Layout of the weights: 0, [`Layout::RowMajor`]; 1, [`Layout::Tiled`]; 2, `Layout::TiledPairs`.
    pub layout: u8,
    /// Number format: 0, `i8`; 1, `f16`; 2, `f32`; 3, `i8` with `i16` activations.
    pub weights: u8,
    /// Length of the blob in bytes.
    pub length: u32,
    /// [`CRC32`] of all other bytes.
    pub checksum: u32,
    /// Bytes of state that an engine needs: registers, logits, im2col buffer and the state of the ops.
    pub state_bytes: u32,
    /// Bytes of the registers.
    pub register_bytes: u32,
    /// Bytes of the im2col buffer: the longest input vector of an op's products.
    pub im2col_bytes: u32,
    /// Image height in pixels.
    pub height: u16,
    /// Image width in pixels.
    pub width: u16,
    /// Channels, 1 or 3.
    pub channels: u8,
    /// Output: 0, softmax; 1, Bernoulli.
    pub output: u8,
    /// Levels, 2 to 256.
    pub levels: u16,
    /// Classes to condition on; 0: none.
    pub classes: u16,
    /// Number of ops.
    pub op_count: u16,
    /// Offset of the input table: the activation of each of `levels` values.
    pub input_table: u32,
    /// Offset of the ops, 64 bytes each.
    pub ops: u32,
    /// Offset of the notes: UTF-8, one line per op, for people and tools alone.
    pub notes: u32,
    /// Bytes of the notes.
    pub notes_bytes: u32,
    /// Identity of the model in any layout: the first eight bytes of the SHA-256 of the blob in [`Layout::RowMajor`] with
    /// `checksum` and `identity` 0.
    pub identity: [u8; 8],
}

/// Formats that the header names by codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Formats {
    pub(super) output: Output,
    pub(super) weights: NumberFormat,
    pub(super) layout: Layout,
}

impl Header {
    /// Header of `blob`, with the magic, version, length and checksum checked.
    pub(super) fn read(blob: &[u8]) -> Result<&Self, BlobError> {
        let head = blob.get(..HEADER_BYTES).ok_or(BlobError::TooShort { got: blob.len() })?;
        let header: &Self = bytemuck::try_from_bytes(head).map_err(|_| BlobError::Misaligned)?;
        if header.magic != MAGIC {
            return Err(BlobError::Magic);
        }
        if header.version != VERSION {
            return Err(BlobError::Version { got: header.version });
        }
        if header.length as usize != blob.len() {
            return Err(BlobError::Length { declared: header.length, got: blob.len() });
        }
        if header.checksum != checksum(blob) {
            return Err(BlobError::Checksum);
        }
        Ok(header)
    }

    /// Formats of the blob; an error for an unknown code, or one whose feature is missing.
    pub(super) fn formats(&self) -> Result<Formats, BlobError> {
        let output = self.output().ok_or(BlobError::Header { field: "output" })?;
        if let Some(feature) = missing_for_weights(self.weights) {
            return Err(BlobError::Feature { feature });
        }
        let weights = self.weights().ok_or(BlobError::Header { field: "weights" })?;
        let layout = self.layout().ok_or(BlobError::Header { field: "layout" })?;
        Ok(Formats { output, weights, layout })
    }

    /// Checks the fields that remain: image, registers, im2col buffer, input table, notes and the number of ops.
    pub(super) fn check(&self, blob: &[u8], formats: Formats) -> Result<(), BlobError> {
        let (image, activation) = (self.image(), formats.weights.activation_bytes());
        let field = if check_image(&image, formats.output).is_err() {
            "image"
        } else if !self.register_bytes.is_multiple_of(4) || (self.register_bytes as usize) < activation * image.channels
        {
            "register_bytes"
        } else if !self.im2col_bytes.is_multiple_of(4) {
            "im2col_bytes"
        } else if !is_array(blob, self.input_table, image.levels, activation) {
            "input_table"
        } else if slice(blob, self.notes, self.notes_bytes as usize, 1).is_none() {
            "notes"
        } else if self.op_count == 0 {
            "op_count"
        } else {
            return Ok(());
        };
        Err(BlobError::Header { field })
    }

    /// Number format; `None` if it is unknown or disabled in this build.
    pub const fn weights(&self) -> Option<NumberFormat> {
        match self.weights {
            0 => Some(NumberFormat::I8),
            #[cfg(feature = "float")]
            1 => Some(NumberFormat::F16),
            #[cfg(feature = "float")]
            2 => Some(NumberFormat::F32),
            #[cfg(feature = "a16")]
            3 => Some(NumberFormat::I8A16),
            _ => None,
        }
    }

    /// Layout of the weights; `None` if it is unknown or invalid for the number format. Float weights are row-major, and pairs
    /// need 16-bit activations.
    pub const fn layout(&self) -> Option<Layout> {
        match (self.layout, self.weights) {
            (0, _) => Some(Layout::RowMajor),
            (1, 0 | 3) => Some(Layout::Tiled),
            #[cfg(feature = "a16")]
            (2, 3) => Some(Layout::TiledPairs),
            _ => None,
        }
    }

    /// Size and levels of the model's images.
    pub const fn image(&self) -> Image {
        Image {
            height: self.height as usize,
            width: self.width as usize,
            channels: self.channels as usize,
            levels: self.levels as usize,
        }
    }

    /// Distribution over a value's levels; `None` if it is unknown.
    pub const fn output(&self) -> Option<Output> {
        match self.output {
            0 => Some(Output::Softmax),
            1 => Some(Output::Bernoulli),
            _ => None,
        }
    }
}

/// Checksum of a blob: [`CRC32`] of all bytes except the `checksum` field.
pub fn checksum(blob: &[u8]) -> u32 {
    const FIELD: usize = core::mem::offset_of!(Header, checksum);
    let mut digest = CRC32.digest();
    if let (Some(before), Some(after)) = (blob.get(..FIELD), blob.get(FIELD + 4..)) {
        digest.update(before);
        digest.update(after);
    }
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::raw::tests::digits;
    use core::mem::offset_of;

    const OUTSIDE: [u8; 4] = 0x7fff_fff0_u32.to_le_bytes();

    fn header() -> Header {
        bytemuck::pod_read_unaligned(&include_bytes!("../../testdata/mnist-pixelcnn.prnn")[..HEADER_BYTES])
    }

    #[test]
    fn a_header_field_out_of_range_is_named() {
        for (at, bytes, field) in [
            (offset_of!(Header, height), &[0, 0][..], "image"),
            (offset_of!(Header, channels), &[2], "image"),
            (offset_of!(Header, levels), &[1, 0], "image"),
            (offset_of!(Header, levels), &[3, 0], "image"), // Bernoulli
            (offset_of!(Header, register_bytes), &[0], "register_bytes"),
            (offset_of!(Header, register_bytes), &[118], "register_bytes"),
            (offset_of!(Header, im2col_bytes), &[82], "im2col_bytes"),
            (offset_of!(Header, input_table), &OUTSIDE, "input_table"),
            (offset_of!(Header, notes), &OUTSIDE, "notes"),
            (offset_of!(Header, notes_bytes), &OUTSIDE, "notes"),
            (offset_of!(Header, op_count), &[0, 0], "op_count"),
        ] {
            let error = digits().set(at, bytes).seal().error();
            assert_eq!(error, Some(BlobError::Header { field }), "{bytes:?} at {at}");
        }
    }

    #[test]
    fn each_weight_has_a_place_of_its_own_in_every_layout() {
        const INPUTS: usize = 6;
        let layouts = [
            Layout::RowMajor,
            Layout::Tiled,
            #[cfg(feature = "a16")]
            Layout::TiledPairs,
        ];
        for (layout, outputs) in layouts.into_iter().flat_map(|layout| (1..10).map(move |outputs| (layout, outputs))) {
            let row = layout.row(INPUTS);
            let mut taken = [false; 9 * 8];
            for (output, input) in (0..outputs).flat_map(|output| (0..row).map(move |input| (output, input))) {
                let taken = &mut taken[..outputs * row][layout.index(outputs, row, output, input)];
                assert!(!*taken, "{layout:?}: output {output} of {outputs}, input {input}");
                *taken = true;
            }
        }
    }

    #[test]
    fn tiles_hold_four_inputs_of_four_outputs_and_pairs_swap_the_middle_ones() {
        assert_eq!([0, 1, 3, 4, 6].map(|length| Layout::RowMajor.row(length)), [0, 1, 3, 4, 6]);
        assert_eq!([0, 1, 3, 4, 6].map(|length| Layout::Tiled.row(length)), [0, 4, 4, 4, 8]);
        // Six outputs: a block of four, then one of two.
        let at = [(0, 0), (0, 3), (1, 0), (3, 3), (0, 4), (4, 0), (5, 0), (4, 4)];
        let tiled = at.map(|(output, input)| Layout::Tiled.index(6, 8, output, input));
        assert_eq!(tiled, [0, 3, 4, 15, 16, 32, 36, 40]);
        #[cfg(feature = "a16")]
        assert_eq!([0, 1, 2, 3].map(|input| Layout::TiledPairs.index(6, 8, 1, input)), [4, 6, 5, 7]);
    }

    #[test]
    fn a_layout_fits_the_number_format_or_is_none() {
        let layout = |layout, weights| Header { layout, weights, ..header() }.layout();
        for weights in 0..4 {
            assert_eq!(layout(0, weights), Some(Layout::RowMajor));
            assert_eq!(layout(3, weights), None);
        }
        assert_eq!([0, 1, 2].map(|weights| layout(1, weights)), [Some(Layout::Tiled), None, None], "integers alone");
        assert_eq!([0, 1, 2].map(|weights| layout(2, weights)), [None; 3], "16-bit activations alone");
        #[cfg(feature = "a16")]
        assert_eq!(layout(2, 3), Some(Layout::TiledPairs));
    }

    #[test]
    fn bytes_that_mean_nothing_are_none() {
        assert_eq!(Header { weights: 4, ..header() }.weights(), None);
        assert_eq!(Header { output: 2, ..header() }.output(), None);
        let known = [(0, true), (1, cfg!(feature = "float")), (2, cfg!(feature = "float")), (3, cfg!(feature = "a16"))];
        for (weights, there) in known {
            assert_eq!(Header { weights, ..header() }.weights().is_some(), there, "{weights}");
        }
    }

    #[test]
    fn the_checksum_covers_every_byte_but_its_own() {
        let header = header();
        let mut blob = *bytemuck::must_cast_ref::<_, [u8; HEADER_BYTES]>(&header);
        let before = checksum(&blob);
        for at in 0..HEADER_BYTES {
            blob[at] ^= 1;
            assert_eq!(checksum(&blob) == before, (12..16).contains(&at), "byte {at}");
            blob[at] ^= 1;
        }
    }
}
