//! Serialized image in progress, which can be resumed after a reset or on another device.
//!
//! | offset | type | content |
//! |---|---|---|
//! | 0 | [u8; 4] | `PRNS` |
//! | 4 | u16 | version |
//! | 6 | u8 | command: 1 `sample`, 2 `score`, 3 `complete` |
//! | 7 | u8 | 0 |
//! | 8 | u64 | identity of the model |
//! | 16 | u64 | seed |
//! | 24 | u64 | cost so far |
//! | 32 | u32 | pixels so far |
//! | 36 | u32 | temperature, in thousandths |
//! | 40 | u32 | bytes of state |
//! | 44 | u16 | rows that are given |
//! | 46 | u16 | label; 65535: none |
//! | 48 | | the image's values, the engine's state, and the CRC-32 of all bytes before it |
//!
//! Numbers are little-endian. The generator state is not stored: every drawn value consumed exactly one random number.

use super::bytes::{Arrived, Lines, Starved};
use super::dispatcher::Task;
use super::request::Command;
use core::fmt::{self, Write};
use crc::{Digest, Table};
use pixelrnn::blob::CRC32;
use pixelrnn::coder::{ByteSink, ByteSource};
use pixelrnn::{DefaultRng, Temperature};
use rand_core::{Rng, SeedableRng};

/// Format version.
const VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"PRNS";
const HEADER: usize = 48;
const NO_LABEL: u16 = u16::MAX;

/// Commands that can be saved, in the order of their codes, from 1.
const COMMANDS: [Command; 3] = [Command::Sample, Command::Score, Command::Complete];

/// True if an image of `command` can be saved.
pub(super) fn can_be(command: Command) -> bool {
    COMMANDS.contains(&command)
}

/// Reason why a saved image was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedError {
    /// Wrong magic number.
    Magic,
    /// Unsupported version.
    Version {
        /// Version of the file.
        got: u16,
    },
    /// Saved with another model.
    Model,
    /// A field is out of range.
    Field(&'static str),
    /// The file is truncated.
    Truncated,
    /// Trailing bytes after the end.
    Trailing,
    /// Checksum mismatch.
    Checksum,
}

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("it is none, its first bytes are not `PRNS`"),
            Self::Version { got } => write!(f, "it has version {got}, expected {VERSION}"),
            Self::Model => f.write_str("it was made with another model"),
            Self::Field(field) => write!(f, "its {field} is out of range"),
            Self::Truncated => f.write_str("it ends early"),
            Self::Trailing => f.write_str("something follows its end"),
            Self::Checksum => f.write_str("it is damaged, the checksum does not fit"),
        }
    }
}

impl core::error::Error for SavedError {}

/// Saves `task` with its image and engine state, and returns the number of bytes written.
pub(super) fn write(task: &Task, image: &[u8], state: &[u32], out: &mut impl Write) -> Result<usize, fmt::Error> {
    let mut count = 0;
    let mut lines = Lines::new(out, &mut count);
    let mut digest = CRC32.digest();
    let mut put = |bytes: &[u8]| {
        digest.update(bytes);
        bytes.iter().try_for_each(|&byte| lines.put(byte))
    };
    let command = COMMANDS.iter().position(|&command| command == task.command).unwrap_or_default() + 1;
    let words = task.model.state_words();
    put(&MAGIC)?;
    put(&VERSION.to_le_bytes())?;
    put(&[command as u8, 0])?;
    put(&task.model.identity().to_le_bytes())?;
    put(&task.seed.to_le_bytes())?;
    put(&task.cost.to_le_bytes())?;
    put(&(task.pixels as u32).to_le_bytes())?;
    put(&task.milli.to_le_bytes())?;
    put(&(4 * words as u32).to_le_bytes())?;
    put(&(task.rows as u16).to_le_bytes())?;
    put(&task.label.map_or(NO_LABEL, |label| label as u16).to_le_bytes())?;
    put(image.get(..task.model.image().values()).unwrap_or_default())?;
    // Before the engine has started there is no state yet, and zeros are equally valid.
    for word in state.iter().copied().chain(core::iter::repeat(0)).take(words) {
        put(&word.to_le_bytes())?;
    }
    let sum = digest.finalize().to_le_bytes();
    sum.iter().try_for_each(|&byte| lines.put(byte))?;
    lines.end()?;
    Ok(count)
}

/// Incremental reader of a saved image.
pub(super) struct Loader {
    /// Bytes read so far.
    at: usize,
    header: [u8; HEADER],
    digest: Digest<'static, u32, Table<1>>,
    sum: [u8; 4],
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Reason why the image is not complete.
pub(super) enum NotYet {
    Starved,
    Bad(SavedError),
}

impl From<SavedError> for NotYet {
    fn from(error: SavedError) -> Self {
        Self::Bad(error)
    }
}

impl Loader {
    pub(super) fn new() -> Self {
        Self { at: 0, header: [0; HEADER], digest: CRC32.digest(), sum: [0; 4] }
    }

    /// Reads the received bytes into `image` and `state`. At the end restores `task`.
    pub(super) fn load(
        &mut self,
        arrived: &mut Arrived<'_>,
        task: &mut Task,
        image: &mut [u8],
        state: &mut [u32],
    ) -> Result<(), NotYet> {
        let shape = task.model.image();
        let (values, bytes) = (shape.values(), 4 * task.model.state_words());
        loop {
            let at = self.at;
            if at == HEADER + values + bytes + 4 {
                break;
            }
            let byte = match arrived.next() {
                Ok(Some(byte)) => byte,
                Ok(None) => return Err(SavedError::Truncated.into()),
                Err(Starved) => return Err(NotYet::Starved),
            };
            self.at += 1;
            let summed = at < HEADER + values + bytes;
            if summed {
                self.digest.update(&[byte]);
            }
            if let Some(target) = self.header.get_mut(at) {
                *target = byte;
                if self.at == HEADER {
                    self.header(task)?;
                }
            } else if at < HEADER + values {
                let target = image.get_mut(at - HEADER).filter(|_| usize::from(byte) < shape.levels);
                *target.ok_or(SavedError::Field("image"))? = byte;
            } else if summed {
                let at = at - HEADER - values;
                let shift = 8 * (at % 4);
                if let Some(word) = state.get_mut(at / 4) {
                    *word = *word & !(0xff << shift) | u32::from(byte) << shift;
                }
            } else if let Some(target) = self.sum.get_mut(at - HEADER - values - bytes) {
                *target = byte;
            }
        }
        if arrived.read < arrived.bytes.len() {
            return Err(SavedError::Trailing.into());
        }
        if u32::from_le_bytes(self.sum) != self.digest.clone().finalize() {
            return Err(SavedError::Checksum.into());
        }
        self.restore(task).map_err(NotYet::from)
    }

    fn number<const N: usize>(&self, at: usize) -> [u8; N] {
        self.header.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    /// Validates the header, also against the model, before the rest is read.
    fn header(&self, task: &Task) -> Result<(), SavedError> {
        let version = u16::from_le_bytes(self.number(4));
        if !self.header.starts_with(&MAGIC) {
            return Err(SavedError::Magic);
        }
        if version != VERSION {
            return Err(SavedError::Version { got: version });
        }
        if u64::from_le_bytes(self.number(8)) != task.model.identity() {
            return Err(SavedError::Model);
        }
        let model = &task.model;
        let shape = model.image();
        let number = |at| u32::from_le_bytes(self.number(at)) as usize;
        let short = |at| usize::from(u16::from_le_bytes(self.number(at)));
        let [command, reserved] = self.number(6);
        let labels =
            if model.classes() == 0 { usize::from(NO_LABEL)..usize::from(NO_LABEL) + 1 } else { 0..model.classes() };
        let fields = [
            ("command", (1..=COMMANDS.len()).contains(&usize::from(command)) && reserved == 0),
            ("number of pixels", number(32) < shape.height * shape.width),
            ("temperature", Temperature::from_milli(number(36) as u32).is_some()),
            ("state's size", number(40) == 4 * model.state_words()),
            ("number of rows", short(44) <= shape.height),
            ("label", labels.contains(&short(46))),
        ];
        match fields.iter().find(|(_, good)| !good) {
            Some((field, _)) => Err(SavedError::Field(field)),
            None => Ok(()),
        }
    }

    /// Restores `task` from the header.
    fn restore(&self, task: &mut Task) -> Result<(), SavedError> {
        let [command, _] = self.number(6);
        let command = COMMANDS.get(usize::from(command).wrapping_sub(1));
        task.command = *command.ok_or(SavedError::Field("command"))?;
        task.seed = u64::from_le_bytes(self.number(16));
        task.cost = u64::from_le_bytes(self.number(24));
        task.pixels = u32::from_le_bytes(self.number(32)) as usize;
        task.milli = u32::from_le_bytes(self.number(36));
        task.temperature = Temperature::from_milli(task.milli).ok_or(SavedError::Field("temperature"))?;
        task.rows = usize::from(u16::from_le_bytes(self.number(44)));
        let label = u16::from_le_bytes(self.number(46));
        task.label = (label != NO_LABEL).then_some(usize::from(label));
        task.rng = DefaultRng::seed_from_u64(task.seed);
        let shape = task.model.image();
        let drawn = task.pixels.saturating_sub(task.rows * shape.width) * shape.channels;
        for _ in 0..drawn {
            task.rng.next_u32();
        }
        Ok(())
    }
}
