//! Why an engine does not run, or stops.

#[cfg(feature = "std")]
use crate::kernels::KernelError;
use crate::source::Position;
use core::fmt;

/// Why an engine does not run, or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError<E> {
    /// The buffer is smaller than the model's state.
    Buffer {
        /// Words that the model needs.
        needed: usize,
        /// Words that there are.
        got: usize,
    },
    /// The model has no such class, or has classes and was given none.
    Label {
        /// How many classes the model has.
        classes: usize,
        /// The class asked for.
        got: Option<usize>,
    },
    /// The source gave a value that is no level of the model's.
    Value {
        /// Where.
        position: Position,
        /// What it gave.
        got: u8,
        /// How many levels there are.
        levels: usize,
    },
    /// An image cannot go on there.
    Position {
        /// Pixels of an image.
        pixels: usize,
        /// How many were said to be done.
        got: usize,
    },
    /// The source has no value.
    Source(E),
    /// There is no kernel of the name that the environment gives.
    #[cfg(feature = "std")]
    Kernel(KernelError),
    /// A weighted sum of a model of floats is not finite: its numbers grew beyond what a float holds, or its blob has such numbers.
    NotFinite,
    /// The blob is not what it was when it was checked.
    Corrupt,
}

impl<E: fmt::Display> fmt::Display for EngineError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buffer { needed, got } => write!(f, "the buffer has {got} words, the model needs {needed}"),
            Self::Label { classes: 0, .. } => f.write_str("the model has no classes, and a label was given"),
            Self::Label { classes, got: None } => write!(f, "the model needs a label from 0 to {}", classes - 1),
            Self::Label { classes, got: Some(got) } => {
                write!(f, "label {got}, expected 0 to {}", classes - 1)
            }
            Self::Value { position: Position { row, column, channel }, got, levels } => {
                write!(f, "value {got} at row {row}, column {column}, channel {channel}, expected 0 to {}", levels - 1)
            }
            Self::Position { pixels, got } => write!(f, "{got} pixels done, an image has {pixels}"),
            Self::Source(error) => error.fmt(f),
            #[cfg(feature = "std")]
            Self::Kernel(error) => error.fmt(f),
            Self::NotFinite => f.write_str("a sum of the model's is not a finite number: it overflows its floats, or has weights that are no numbers"),
            Self::Corrupt => f.write_str("the blob changed after it was checked"),
        }
    }
}

impl<E: core::error::Error> core::error::Error for EngineError<E> {}
