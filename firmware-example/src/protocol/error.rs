//! Request errors.

use super::MAX_BYTES;
use super::request::{Command, Field};
use super::saved::SavedError;
use core::fmt;
use pixelrnn::coder::container::ContainerError;
use pixelrnn::{BlobError, Temperature};

/// Reason why a request was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The line is longer than its buffer.
    TooLong {
        /// Size of the buffer in bytes.
        limit: usize,
    },
    /// Bytes of the line were lost in transmission.
    Lost,
    /// The line is not a JSON object.
    NotJson,
    /// The field `cmd` is missing.
    NoCommand,
    /// Unknown command.
    UnknownCommand,
    /// Unknown field.
    UnknownField,
    /// The field occurs twice.
    Twice(Field),
    /// The field has the wrong type.
    Wrong(Field),
    /// The command requires the field.
    Missing {
        /// The command.
        command: Command,
        /// The field.
        field: Field,
    },
    /// The command does not accept the field.
    NotTaken {
        /// The command.
        command: Command,
        /// The field.
        field: Field,
    },
    /// Unknown model.
    UnknownModel,
    /// The label is out of range or missing.
    Label {
        /// Number of classes.
        classes: usize,
    },
    /// The image has the wrong length.
    ImageLength {
        /// Expected number of digits.
        expected: usize,
        /// Actual length in bytes.
        got: usize,
    },
    /// An image value is not a valid level.
    ImageValue {
        /// Index of the value.
        at: usize,
        /// Number of levels.
        levels: usize,
    },
    /// `bytes` is not hexadecimal, or has an odd number of digits.
    Bytes,
    /// `bytes` exceeds the maximum per request.
    TooManyBytes {
        /// Number of bytes received.
        got: usize,
    },
    /// Bytes arrived that were not requested.
    Unasked,
    /// The compressed file was rejected.
    Container(ContainerError),
    /// The compressed file does not hold exactly one image.
    Images {
        /// Number of images.
        got: u32,
    },
    /// The saved image was rejected.
    Saved(SavedError),
    /// The command's image cannot be saved.
    NotSaved(Command),
    /// More rows given than the image has.
    Rows {
        /// Image height.
        height: usize,
    },
    /// The temperature is out of range.
    Temperature,
    /// An image is in progress.
    Busy(Command),
    /// No image is in progress.
    Idle,
    /// The model's blob is invalid.
    Blob(BlobError),
    /// The model exceeds the program's memory.
    Memory,
    /// The engine failed.
    Engine,
}

impl Error {
    /// Error code in the reply.
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

/// Writes names in backquotes, separated by commas.
fn list<'n>(names: impl Iterator<Item = &'n str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (n, name) in names.enumerate() {
        write!(f, "{} `{name}`", if n == 0 { "" } else { "," })?;
    }
    Ok(())
}
