//! The file around compressed streams: which model it needs, how many images there are, and checksums.
//!
//! A [`Header`] comes first, then blocks of images. `docs/compressed-format.md` says what each byte is. Everything is written and read a byte
//! at a time, in constant memory: a block's stream is cut into segments that begin with their length.

use super::{ByteSink, ByteSource, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder};
use crate::blob::{CRC32, Model};
use crate::engine::{Engine, EngineError, Pixel};
use crate::kernels::Kernel;
use crate::model::Image;
use core::fmt;
use crc::{Digest, Table};

/// The first bytes of every file.
pub const MAGIC: [u8; 4] = *b"PRNZ";

/// The version that this crate writes and reads.
pub const VERSION: u16 = 1;

/// Bytes of a [`Header`].
pub const HEADER_BYTES: usize = 32;

/// The most images of a block. A damaged file can make a decoder work for this many images at most before a checksum tells.
pub const MOST_IMAGES: u32 = 1024;

/// The fewest bytes of a block.
pub const LEAST_BLOCK: usize = 10;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`Model::identity`] of the model that it was made with.
    pub identity: u64,
    /// The images.
    pub image: Image,
    /// Classes of the model; where there are some, each image has a label.
    pub classes: usize,
    /// How many images there are in all blocks.
    pub images: u32,
}

/// Why a compressed file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerError {
    /// The first bytes are others than [`MAGIC`].
    Magic,
    /// The file has another version.
    Version {
        /// The file's.
        got: u16,
    },
    /// The header's checksum is not that of its bytes.
    HeaderChecksum,
    /// A field of the header is out of range.
    Header {
        /// Its name.
        field: &'static str,
    },
    /// The file was made with another model.
    Model {
        /// [`Model::identity`] of the model that it needs.
        needed: u64,
        /// That of the model at hand.
        got: u64,
    },
    /// The file ends early.
    Truncated,
    /// A block says that it has none or too many images.
    Images {
        /// What it says.
        got: u32,
        /// The most that it may have.
        most: u32,
    },
    /// A stream is none that an encoder writes.
    Corrupt,
    /// The images of a block do not have the checksum that stands behind them.
    Checksum,
    /// Something follows the last block.
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
    /// The header of a file with `images` images.
    pub fn new(model: &Model<'_>, images: u32) -> Self {
        Self { identity: model.identity(), image: model.image(), classes: model.classes(), images }
    }

    /// The header as it stands in a file.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let Image { height, width, channels, levels } = self.image;
        let mut bytes = [0; HEADER_BYTES];
        let parts: [&[u8]; 9] = [
            &MAGIC,
            &VERSION.to_le_bytes(),
            &[channels as u8, 0],
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

    /// Reads a header and checks it by itself.
    ///
    /// # Errors
    /// When the bytes are no header.
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
            ("reserved", byte(7) == 0),
            ("height", (1..=4096).contains(&image.height)),
            ("width", (1..=4096).contains(&image.width)),
            ("levels", (2..=256).contains(&image.levels)),
        ];
        if let Some((field, _)) = fields.iter().find(|(_, good)| !good) {
            return Err(ContainerError::Header { field });
        }
        let identity = u64::from(four(8)) | u64::from(four(12)) << 32;
        Ok(Self { identity, image, classes: two(22).into(), images: four(24) })
    }

    /// Refuses a file that was made with another model than `model`.
    ///
    /// # Errors
    /// When it was.
    pub fn check(&self, model: &Model<'_>) -> Result<(), ContainerError> {
        let got = model.identity();
        if (self.identity, self.image, self.classes) == (got, model.image(), model.classes()) {
            Ok(())
        } else {
            Err(ContainerError::Model { needed: self.identity, got })
        }
    }
}

/// Why a block cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError<E> {
    /// The file is refused.
    Container(ContainerError),
    /// The engine refused a label, or the image a value.
    Engine(EngineError<core::convert::Infallible>),
    /// An image has fewer values than the model's, or one that is no level.
    Image,
    /// Bytes could not be written or read.
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

impl<E: core::error::Error> core::error::Error for BlockError<E> {}

/// Writes a block of `images`, each with its label where the model has classes, 1 to [`MOST_IMAGES`] of them. Gives the cost of all in
/// units of 2⁻²⁴ bit.
///
/// `SEGMENT` bytes of the stream are held back before they are written, 1 to 65535. Each such segment takes two bytes more.
///
/// # Errors
/// When an image or its label does not fit the model, and when the sink takes no more.
pub fn write_block<'i, const SEGMENT: usize, K: Kernel, W: ByteSink>(
    engine: &mut Engine<'_, '_, K>,
    images: impl ExactSizeIterator<Item = (Option<usize>, &'i [u8])>,
    sink: W,
) -> Result<u64, BlockError<W::Error>> {
    let count = u32::try_from(images.len()).unwrap_or(u32::MAX);
    if count == 0 || count > MOST_IMAGES {
        return Err(BlockError::Container(ContainerError::Images { got: count, most: MOST_IMAGES }));
    }
    let (shape, classes) = (engine.model().image(), engine.model().classes());
    let mut segments = Segments::<W, SEGMENT> { sink, held: heapless::Vec::new() };
    put_all(&mut segments.sink, &count.to_le_bytes()).map_err(BlockError::Bytes)?;
    let mut digest = CRC32.digest();
    let mut encoder = Encoder::new(segments);
    let mut cost = 0;
    for (label, values) in images {
        engine.restart(label).map_err(BlockError::Engine)?;
        if let Some(label) = label {
            encoder.put_uniform(label as u32, classes as u32).map_err(BlockError::Bytes)?;
        }
        add_label(&mut digest, label);
        loop {
            let pixel = engine.step(&mut Encode::new(values, shape, &mut encoder)).map_err(|error| match error {
                EngineError::Source(EncodeError::Sink(error)) => BlockError::Bytes(error),
                EngineError::Corrupt => BlockError::Engine(EngineError::Corrupt),
                _ => BlockError::Image,
            })?;
            let Some(pixel) = pixel else { break };
            add_pixel(&mut digest, &pixel, shape.channels);
            cost += pixel.cost;
        }
    }
    let segments = encoder.finish().map_err(BlockError::Bytes)?;
    let mut sink = segments.finish().map_err(BlockError::Bytes)?;
    put_all(&mut sink, &digest.finalize().to_le_bytes()).map_err(BlockError::Bytes)?;
    Ok(cost)
}

/// Reads a block of at most `most` images, and gives how many there were. Each pixel goes to `show` with the image's number in the
/// block and its label, as soon as it is known; whether the images are right is known at the end alone.
///
/// # Errors
/// When the block is damaged, and when the source fails.
pub fn read_block<K: Kernel, R: ByteSource>(
    engine: &mut Engine<'_, '_, K>,
    most: u32,
    mut source: R,
    mut show: impl FnMut(u32, Option<usize>, &Pixel),
) -> Result<u32, BlockError<R::Error>> {
    let most = most.min(MOST_IMAGES);
    let count = get_four(&mut source)?;
    if count == 0 || count > most {
        return Err(BlockError::Container(ContainerError::Images { got: count, most }));
    }
    let (channels, classes) = (engine.model().image().channels, engine.model().classes());
    let mut digest = CRC32.digest();
    let mut decoder = Decoder::new(Joined { source, left: 0, ended: false }).map_err(decode_error)?;
    for image in 0..count {
        let label = match classes as u32 {
            0 => None,
            classes => Some(decoder.next_uniform(classes).map_err(decode_error)? as usize),
        };
        engine.restart(label).map_err(BlockError::Engine)?;
        add_label(&mut digest, label);
        loop {
            let pixel = engine.step(&mut Decode::new(&mut decoder)).map_err(|error| match error {
                EngineError::Source(error) => decode_error(error),
                _ => BlockError::Engine(EngineError::Corrupt),
            })?;
            let Some(pixel) = pixel else { break };
            add_pixel(&mut digest, &pixel, channels);
            show(image, label, &pixel);
        }
    }
    let mut joined = decoder.into_source();
    if !joined.ended && joined.next().map_err(joined_error)?.is_some() {
        return Err(BlockError::Container(ContainerError::Corrupt));
    }
    if get_four(&mut joined.source)? == digest.finalize() {
        Ok(count)
    } else {
        Err(BlockError::Container(ContainerError::Checksum))
    }
}

type Crc<'d> = Digest<'d, u32, Table<1>>;

fn add_label(digest: &mut Crc<'_>, label: Option<usize>) {
    if let Some(label) = label {
        digest.update(&(label as u16).to_le_bytes());
    }
}

fn add_pixel(digest: &mut Crc<'_>, pixel: &Pixel, channels: usize) {
    digest.update(pixel.values.get(..channels).unwrap_or_default());
}

fn put_all<W: ByteSink>(sink: &mut W, bytes: &[u8]) -> Result<(), W::Error> {
    bytes.iter().try_for_each(|byte| sink.put(*byte))
}

fn get_four<R: ByteSource>(source: &mut R) -> Result<u32, BlockError<R::Error>> {
    let mut bytes = [0; 4];
    for byte in &mut bytes {
        let next = source.next().map_err(BlockError::Bytes)?;
        *byte = next.ok_or(BlockError::Container(ContainerError::Truncated))?;
    }
    Ok(u32::from_le_bytes(bytes))
}

/// Cuts a stream into segments: u16 length, bytes; the last one has the length 0.
struct Segments<W, const N: usize> {
    sink: W,
    held: heapless::Vec<u8, N>,
}

impl<W: ByteSink, const N: usize> Segments<W, N> {
    const FITS: () = assert!(N > 0 && N < 1 << 16, "a segment has 1 to 65535 bytes");

    fn flush(&mut self) -> Result<(), W::Error> {
        put_all(&mut self.sink, &(self.held.len() as u16).to_le_bytes())?;
        put_all(&mut self.sink, &self.held)?;
        self.held.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<W, W::Error> {
        if !self.held.is_empty() {
            self.flush()?;
        }
        self.flush()?;
        Ok(self.sink)
    }
}

impl<W: ByteSink, const N: usize> ByteSink for Segments<W, N> {
    type Error = W::Error;

    fn put(&mut self, byte: u8) -> Result<(), W::Error> {
        let () = Self::FITS;
        if self.held.is_full() {
            self.flush()?;
        }
        // There is room for one by now.
        let _ = self.held.push(byte);
        Ok(())
    }
}

/// The stream of a block, its segments joined again.
struct Joined<R> {
    source: R,
    left: u16,
    ended: bool,
}

/// Why there is no next byte of a stream.
enum JoinedError<E> {
    Truncated,
    Bytes(E),
}

fn joined_error<E>(error: JoinedError<E>) -> BlockError<E> {
    match error {
        JoinedError::Truncated => BlockError::Container(ContainerError::Truncated),
        JoinedError::Bytes(error) => BlockError::Bytes(error),
    }
}

fn decode_error<E>(error: DecodeError<JoinedError<E>>) -> BlockError<E> {
    match error {
        DecodeError::Corrupt => BlockError::Container(ContainerError::Corrupt),
        DecodeError::Source(error) => joined_error(error),
    }
}

impl<R: ByteSource> Joined<R> {
    fn byte(&mut self) -> Result<u8, JoinedError<R::Error>> {
        self.source.next().map_err(JoinedError::Bytes)?.ok_or(JoinedError::Truncated)
    }
}

impl<R: ByteSource> ByteSource for Joined<R> {
    type Error = JoinedError<R::Error>;

    fn next(&mut self) -> Result<Option<u8>, Self::Error> {
        if self.left == 0 && !self.ended {
            self.left = u16::from_le_bytes([self.byte()?, self.byte()?]);
            self.ended = self.left == 0;
        }
        if self.ended {
            return Ok(None);
        }
        self.left -= 1;
        self.byte().map(Some)
    }
}
