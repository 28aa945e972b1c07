//! File format around compressed streams: the identity of the model, the number of images, and checksums.
//!
//! A [`Header`] comes first, then blocks of images; `docs/compressed-format.md` specifies every byte. Reading and writing take
//! one byte at a time and constant memory: the stream of a block is cut into segments with a length in front.
//!
//! [`write_block`] and [`read_block`] process a block in one call. [`BlockWriter`] and [`BlockReader`] process one pixel per
//! call, for programs that have other work in between or receive their bytes in pieces. With the feature `std`,
//! `write_block_by_rows` and `read_together` process whole images by `batched`, many times as fast.

mod read;
mod segments;
#[cfg(feature = "std")]
mod whole;
mod write;

pub use read::{BlockReader, Restored, read_block};
pub use segments::Segments;
#[cfg(feature = "std")]
pub use whole::{read_together, write_block_by_rows};
pub use write::{BlockWriter, write_block};

use super::ByteSource;
use crate::blob::{CRC32, Model};
use crate::exec::{Pixel, StepError};
use crate::network::Image;
use core::fmt;
use crc::{Digest, Table};

/// First four bytes of every file.
pub const MAGIC: [u8; 4] = *b"PRNZ";

/// Version that this crate writes and reads.
pub const VERSION: u16 = 1;

/// Bytes of a [`Header`].
pub const HEADER_BYTES: usize = 32;

/// Maximum number of images in a block. It bounds the images that a damaged block makes a decoder compute before the checksum
/// fails.
pub const MAX_IMAGES: u32 = 1024;

/// Segment length of blocks with a single image, short enough to buffer on a device. One length on all machines gives the
/// same bytes for the same image.
pub const SMALL_SEGMENT: usize = 512;

/// Minimum length of a block in bytes.
pub const MIN_BLOCK: usize = 10;

/// Header of a compressed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`Model::identity`] of the model that compressed the file.
    pub identity: u64,
    /// Size and levels of the images.
    pub image: Image,
    /// Classes of the model; 0: the images have no labels.
    pub classes: usize,
    /// Number of images in all blocks.
    pub images: u32,
    /// True if the images came as an array `[N, H, W]`, without a channel axis; one channel only.
    pub planes: bool,
}

/// Error of a compressed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ContainerError {
    /// The first bytes are not [`MAGIC`].
    Magic,
    /// The version is not supported.
    Version {
        /// Version of the file.
        got: u16,
    },
    /// The header's checksum does not match.
    HeaderChecksum,
    /// A field of the header is out of range.
    Header {
        /// Name of the field.
        field: &'static str,
    },
    /// The file was made with another model.
    Model {
        /// [`Model::identity`] in the file.
        needed: u64,
        /// [`Model::identity`] of the given model.
        got: u64,
    },
    /// The file ends early.
    Truncated,
    /// The number of images of a block is 0 or too large.
    Images {
        /// Number of images in the block.
        got: u32,
        /// Maximum number of images.
        most: u32,
    },
    /// No encoder writes this stream.
    Corrupt,
    /// The checksum of a block's images does not match.
    Checksum,
    /// Bytes follow the last block.
    Trailing,
}

impl fmt::Display for ContainerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("it is no compressed file: the first bytes are not `PRNZ`"),
            Self::Version { got } => write!(f, "it has version {got}, this program reads version {VERSION}"),
            Self::HeaderChecksum => f.write_str("its header is damaged: the checksum does not fit"),
            Self::Header { field } => write!(f, "its header has `{field}` out of range"),
            Self::Model { needed, got } => {
                write!(f, "it was made with another model: it needs {needed:016x}, this is {got:016x}")
            }
            Self::Truncated => f.write_str("it ends early"),
            Self::Images { got, most } => write!(f, "a block says that it has {got} images, expected 1 to {most}"),
            Self::Corrupt => f.write_str("it is damaged: a stream is none that could have been written"),
            Self::Checksum => f.write_str("it is damaged: the checksum of its images does not fit"),
            Self::Trailing => f.write_str("something follows its last image"),
        }
    }
}

impl core::error::Error for ContainerError {}

impl Header {
    /// Header of a file with `images` images.
    pub fn new(model: &Model<'_>, images: u32) -> Self {
        Self { identity: model.identity(), image: model.image(), classes: model.classes(), images, planes: false }
    }

    /// The header's bytes in the file.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let Image { height, width, channels, levels } = self.image;
        let mut bytes = [0; HEADER_BYTES];
        let parts: [&[u8]; 9] = [
            &MAGIC,
            &VERSION.to_le_bytes(),
            &[channels as u8, u8::from(self.planes)],
            &self.identity.to_le_bytes(),
            &(height as u16).to_le_bytes(),
            &(width as u16).to_le_bytes(),
            &(levels as u16).to_le_bytes(),
            &(self.classes as u16).to_le_bytes(),
            &self.images.to_le_bytes(),
        ];
        let all = parts.iter().copied().flatten();
        for (to, from) in bytes.iter_mut().zip(all) {
            *to = *from;
        }
        let sum = CRC32.checksum(bytes.get(..HEADER_BYTES - 4).unwrap_or_default());
        for (to, from) in bytes.iter_mut().skip(HEADER_BYTES - 4).zip(sum.to_le_bytes()) {
            *to = from;
        }
        bytes
    }

    /// Parses a header and checks its fields.
    ///
    /// # Errors
    /// The bytes are not a valid header.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, ContainerError> {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        let two = |at: usize| u16::from_le_bytes([byte(at), byte(at + 1)]);
        let four = |at: usize| u32::from(two(at)) | u32::from(two(at + 2)) << 16;
        if !bytes.starts_with(&MAGIC) {
            return Err(ContainerError::Magic);
        }
        if two(4) != VERSION {
            return Err(ContainerError::Version { got: two(4) });
        }
        if CRC32.checksum(bytes.get(..HEADER_BYTES - 4).unwrap_or_default()) != four(HEADER_BYTES - 4) {
            return Err(ContainerError::HeaderChecksum);
        }
        let image =
            Image { height: two(16).into(), width: two(18).into(), channels: byte(6).into(), levels: two(20).into() };
        let fields = [
            ("channels", matches!(image.channels, 1 | 3)),
            ("planes", byte(7) == 0 || (byte(7) == 1 && image.channels == 1)),
            ("height", (1..=4096).contains(&image.height)),
            ("width", (1..=4096).contains(&image.width)),
            ("levels", (2..=256).contains(&image.levels)),
        ];
        if let Some((field, _)) = fields.iter().find(|(_, good)| !good) {
            return Err(ContainerError::Header { field });
        }
        let identity = u64::from(four(8)) | u64::from(four(12)) << 32;
        Ok(Self { identity, image, classes: two(22).into(), images: four(24), planes: byte(7) == 1 })
    }

    /// Reads a header from `source` and parses it.
    ///
    /// # Errors
    /// Same errors as [`Header::parse`]; the source ended early or failed.
    pub fn read<R: ByteSource>(source: &mut R) -> Result<Self, BlockError<R::Error>> {
        Self::parse(&take(source)?).map_err(BlockError::Container)
    }

    /// Checks that the file was made with `model`.
    ///
    /// # Errors
    /// [`ContainerError::Model`] for another model.
    pub fn check(&self, model: &Model<'_>) -> Result<(), ContainerError> {
        let got = model.identity();
        if (self.identity, self.image, self.classes) == (got, model.image(), model.classes()) {
            Ok(())
        } else {
            Err(ContainerError::Model { needed: self.identity, got })
        }
    }
}

/// Error of reading or writing a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BlockError<E> {
    /// The file is invalid.
    Container(ContainerError),
    /// The engine refused the label, or a value of the image.
    Engine(StepError<core::convert::Infallible>),
    /// An image has fewer values than the model's, or a value that is not a level.
    Image,
    /// The byte sink or source failed.
    Bytes(E),
}

impl<E: fmt::Display> fmt::Display for BlockError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::Image => f.write_str("an image does not have the size or the levels of the model's"),
            Self::Bytes(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for BlockError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Container(error) => Some(error),
            Self::Engine(error) => Some(error),
            Self::Bytes(error) => Some(error),
            Self::Image => None,
        }
    }
}

/// CRC-32 of a block's images.
#[derive(Clone)]
struct Checksum(Digest<'static, u32, Table<1>>);

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Checksum").finish_non_exhaustive()
    }
}

impl Checksum {
    fn new() -> Self {
        Self(CRC32.digest())
    }

    fn label(&mut self, label: Option<usize>) {
        if let Some(label) = label {
            self.0.update(&(label as u16).to_le_bytes());
        }
    }

    fn pixel(&mut self, pixel: &Pixel, channels: usize) {
        self.0.update(pixel.values.get(..channels).unwrap_or_default());
    }

    /// Adds all pixels of an image `[C, H, W]`.
    #[cfg(feature = "std")]
    fn image(&mut self, values: &[u8], channels: usize) {
        let pixels = values.len() / channels.max(1);
        for pixel in 0..pixels {
            for value in values.iter().skip(pixel).step_by(pixels) {
                self.0.update(&[*value]);
            }
        }
    }

    fn get(&self) -> u32 {
        self.0.clone().finalize()
    }
}

/// Reads the next `N` bytes.
fn take<const N: usize, R: ByteSource>(source: &mut R) -> Result<[u8; N], BlockError<R::Error>> {
    let mut bytes = [0; N];
    for byte in &mut bytes {
        let next = source.next().map_err(BlockError::Bytes)?;
        *byte = next.ok_or(BlockError::Container(ContainerError::Truncated))?;
    }
    Ok(bytes)
}
