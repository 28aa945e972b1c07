//! What can be wrong with a request.

use super::MAX_BYTES;
use super::request::{Command, Field};
use super::saved::SavedError;
use core::fmt;
use pixelrnn::coder::container::ContainerError;
use pixelrnn::{BlobError, Temperature};

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The line is longer than the memory for it.
    TooLong {
        /// Bytes that there are.
        limit: usize,
    },
    /// Bytes of the line were lost on the way.
    Lost,
    /// The line is not a JSON object.
    NotJson,
    /// There is no `cmd`.
    NoCommand,
    /// There is no such command.
    UnknownCommand,
    /// No command has such a field.
    UnknownField,
    /// The field stands there twice.
    Twice(Field),
    /// The field has another type.
    Wrong(Field),
    /// The command needs the field.
    Missing {
        /// The command.
        command: Command,
        /// The field.
        field: Field,
    },
    /// The command has no such field.
    NotTaken {
        /// The command.
        command: Command,
        /// The field.
        field: Field,
    },
    /// There is no such model.
    UnknownModel,
    /// The model has no such class, or has classes and was given none.
    Label {
        /// How many classes it has.
        classes: usize,
    },
    /// The image has another length.
    ImageLength {
        /// Digits of the model's images.
        expected: usize,
        /// Bytes that there are.
        got: usize,
    },
    /// A value of the image is no level.
    ImageValue {
        /// Number of the value, from 0.
        at: usize,
        /// How many levels there are.
        levels: usize,
    },
    /// They are no bytes: a digit is missing, or is none.
    Bytes,
    /// They are more bytes than a request may have.
    TooManyBytes {
        /// Bytes that there are.
        got: usize,
    },
    /// Bytes came that were not asked for.
    Unasked,
    /// A compressed file is refused.
    Container(ContainerError),
    /// A compressed file has another number of images than one.
    Images {
        /// How many it has.
        got: u32,
    },
    /// A saved image is refused.
    Saved(SavedError),
    /// What the command does cannot be saved.
    NotSaved(Command),
    /// The model's images have fewer rows.
    Rows {
        /// How many they have.
        height: usize,
    },
    /// It is no temperature of the engine's.
    Temperature,
    /// An image is in the making.
    Busy(Command),
    /// No image is in the making.
    Idle,
    /// The model is damaged.
    Blob(BlobError),
    /// The model is larger than the memory for it.
    Memory,
    /// The engine stopped.
    Engine,
}

impl Error {
    /// Its kind, as a host reads it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_long",
            Self::Lost => "lost",
            Self::NotJson => "not_json",
            Self::UnknownCommand => "unknown_command",
            Self::NoCommand
            | Self::UnknownField
            | Self::Twice(_)
            | Self::Wrong(_)
            | Self::Missing { .. }
            | Self::NotTaken { .. } => "field",
            Self::UnknownModel => "unknown_model",
            Self::Label { .. } => "label",
            Self::ImageLength { .. } | Self::ImageValue { .. } => "image",
            Self::Bytes | Self::TooManyBytes { .. } | Self::Unasked => "bytes",
            Self::Container(_) | Self::Images { .. } => "compressed",
            Self::Saved(_) => "saved",
            Self::NotSaved(_) => "not_saved",
            Self::Rows { .. } => "rows",
            Self::Temperature => "temperature",
            Self::Busy(_) => "busy",
            Self::Idle => "idle",
            Self::Blob(_) | Self::Memory => "model",
            Self::Engine => "engine",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => write!(f, "the line is too long: a request has at most {limit} bytes"),
            Self::Lost => f.write_str("bytes of the line were lost on the way; expected the same line once more"),
            Self::NotJson => f.write_str(r#"the line is not JSON: expected one object, as {"cmd":"info"}"#),
            Self::NoCommand => f.write_str("the field `cmd` is missing, which says what to do"),
            Self::UnknownCommand => {
                f.write_str("there is no such command: expected one of")?;
                list(Command::ALL.into_iter().map(Command::name), f)
            }
            Self::UnknownField => {
                f.write_str("there is no such field: expected one of")?;
                list(Field::ALL.into_iter().map(Field::name), f)
            }
            Self::Twice(field) => write!(f, "the field `{}` stands there twice, expected it once", field.name()),
            Self::Wrong(field) => {
                write!(f, "the field `{}` is of another kind: expected {}", field.name(), field.expected())
            }
            Self::Missing { command, field } => {
                write!(f, "`{}` needs the field `{}`: expected {}", command.name(), field.name(), field.expected())
            }
            Self::NotTaken { command, field } => {
                write!(f, "`{}` has no field `{}`: expected a request without it", command.name(), field.name())
            }
            Self::UnknownModel => f.write_str("there is no such model: expected one of those that `info` names"),
            Self::Label { classes: 0 } => f.write_str("the model has no classes: expected no label"),
            Self::Label { classes } => {
                write!(f, "the model has {classes} classes: expected a label from 0 to {}", classes - 1)
            }
            Self::ImageLength { expected, got } => write!(f, "the image has {got} digits, expected {expected}"),
            Self::ImageValue { at, levels } => {
                write!(f, "value {at} of the image, counted from 0, is no level: expected 0 to {:x}", levels - 1)
            }
            Self::Bytes => f.write_str("`bytes` holds something else: expected two hexadecimal digits for each byte"),
            Self::TooManyBytes { got } => write!(f, "`bytes` holds {got} bytes, expected {MAX_BYTES} at most"),
            Self::Unasked => {
                f.write_str("there are bytes that were not read yet: expected `more` when it is asked for")
            }
            Self::Container(error) => write!(f, "the compressed file is refused: {error}"),
            Self::Images { got } => write!(f, "the compressed file has {got} images, expected one"),
            Self::Saved(error) => write!(f, "the saved image is refused: {error}"),
            Self::NotSaved(command) => {
                write!(f, "`{}` cannot be saved: expected `sample`, `score` or `complete`", command.name())
            }
            Self::Rows { height } => write!(f, "the image has fewer rows: expected 0 to {height}"),
            Self::Temperature => {
                let (low, high) = (Temperature::RANGE_MILLI.start(), Temperature::RANGE_MILLI.end());
                let (whole, thousandths) = (low / 1000, low % 1000);
                write!(f, "the temperature is out of range: expected {whole}.{thousandths:03} to {}", high / 1000)
            }
            Self::Busy(command) => {
                write!(f, "an image is in the making for `{}`: expected `stop` or `info`", command.name())
            }
            Self::Idle => f.write_str("no image is in the making: expected a request for one before"),
            Self::Blob(error) => error.fmt(f),
            Self::Memory => f.write_str("the model is larger than the memory of this program"),
            Self::Engine => f.write_str("the engine stopped: the model changed while an image was in the making"),
        }
    }
}

impl core::error::Error for Error {}

/// Names, each in its quotes.
fn list<'n>(names: impl Iterator<Item = &'n str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (n, name) in names.enumerate() {
        write!(f, "{} `{name}`", if n == 0 { "" } else { "," })?;
    }
    Ok(())
}
