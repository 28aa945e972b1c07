//! Errors of the executors: at set-up, and while an image is computed.

#[cfg(feature = "std")]
use crate::kernels::KernelError;
use crate::source::Position;
use core::fmt;

/// Internal: an index that a checked blob cannot lead to, or a float sum that is not finite. It becomes [`StepError::Corrupt`] or, for
/// a float model, [`StepError::NotFinite`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// Reason why an executor cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SetupError {
    /// The buffer is smaller than the model's state.
    Buffer {
        /// Words that the model needs.
        needed: usize,
        /// Words of the buffer.
        got: usize,
    },
    /// The label does not fit the model: it has no such class, or it has classes and no label was given.
    Label {
        /// Number of the model's classes.
        classes: usize,
        /// The label, if one was given.
        got: Option<usize>,
    },
    /// The position to resume at lies beyond the image.
    Position {
        /// Pixels of an image.
        pixels: usize,
        /// Pixels said to be done.
        got: usize,
    },
    /// The environment names a kernel that does not exist or that this machine lacks.
    #[cfg(feature = "std")]
    Kernel(KernelError),
    /// The blob changed after it was checked.
    Corrupt,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buffer { needed, got } => write!(f, "the buffer has {got} words, the model needs {needed}"),
            Self::Label { classes: 0, .. } => f.write_str("the model has no classes, and a label was given"),
            Self::Label { classes, got: None } => write!(f, "the model needs a label from 0 to {}", classes - 1),
            Self::Label { classes, got: Some(got) } => {
                write!(f, "label {got}, expected 0 to {}", classes - 1)
            }
            Self::Position { pixels, got } => write!(f, "{got} pixels done, an image has {pixels}"),
            #[cfg(feature = "std")]
            Self::Kernel(error) => error.fmt(f),
            Self::Corrupt => f.write_str(CORRUPT),
        }
    }
}

impl core::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            #[cfg(feature = "std")]
            Self::Kernel(error) => Some(error),
            Self::Buffer { .. } | Self::Label { .. } | Self::Position { .. } | Self::Corrupt => None,
        }
    }
}

/// Reason why an executor stops in an image. `E` is the error of the [`crate::SymbolSource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StepError<E> {
    /// The image could not be begun.
    Setup(SetupError),
    /// The source answered with a value that is not one of the model's levels.
    Value {
        /// Position of the value.
        position: Position,
        /// The source's answer.
        got: u8,
        /// Number of levels.
        levels: usize,
    },
    /// The source has no value.
    Source(E),
    /// An accumulator of a float model is not finite: its weights or activations overflow `f32`, or are not numbers.
    NotFinite,
    /// The blob changed after it was checked, or an output slice has the wrong length.
    Corrupt,
}

impl<E> From<SetupError> for StepError<E> {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl<E> From<Corrupt> for StepError<E> {
    #[inline(always)]
    fn from(Corrupt: Corrupt) -> Self {
        Self::Corrupt
    }
}

impl From<Corrupt> for SetupError {
    fn from(Corrupt: Corrupt) -> Self {
        Self::Corrupt
    }
}

const CORRUPT: &str = "the blob changed after it was checked";

impl<E: fmt::Display> fmt::Display for StepError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::Value { position: Position { row, column, channel }, got, levels } => {
                write!(f, "value {got} at row {row}, column {column}, channel {channel}, expected 0 to {}", levels - 1)
            }
            Self::Source(error) => error.fmt(f),
            Self::NotFinite => {
                f.write_str("a sum of the model is not a finite number: it overflows its floats, or has weights that are no numbers")
            }
            Self::Corrupt => f.write_str(CORRUPT),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for StepError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Setup(error) => Some(error),
            Self::Source(error) => Some(error),
            Self::Value { .. } | Self::NotFinite | Self::Corrupt => None,
        }
    }
}
