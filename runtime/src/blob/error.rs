//! What can be wrong with a blob.

use super::model::MAX_MULTIPLY_ADDS;
use core::fmt;

/// Why bytes are not a model that this engine can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobError {
    /// Fewer bytes than a header has.
    TooShort {
        /// How many there are.
        got: usize,
    },
    /// The bytes do not begin at a multiple of four.
    Misaligned,
    /// The first four bytes are not `PRNN`.
    Magic,
    /// Another version of the format.
    Version {
        /// The version in the header.
        got: u16,
    },
    /// The header declares another length than there are bytes.
    Length {
        /// As the header has it.
        declared: u32,
        /// How many bytes there are.
        got: usize,
    },
    /// The checksum does not match: some bit is not as it was written.
    Checksum,
    /// The blob needs a feature of this crate that the program was compiled without.
    Feature {
        /// Which feature.
        feature: &'static str,
    },
    /// A header field is out of range.
    Header {
        /// Which field.
        field: &'static str,
    },
    /// An op's field is out of range, or points outside the blob or the registers.
    Op {
        /// Number of the op, from 0.
        op: usize,
        /// Which field.
        field: &'static str,
    },
    /// The header declares another size of state than its ops need.
    State {
        /// As the header has it, bytes.
        declared: u32,
        /// What the ops need, bytes.
        needed: u64,
    },
    /// A pixel takes more than [`MAX_MULTIPLY_ADDS`]; found with the feature `std` alone.
    Work {
        /// What it takes.
        multiply_adds: u64,
    },
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { got } => write!(f, "{got} bytes are too few for a model blob"),
            Self::Misaligned => f.write_str("the blob does not begin at a multiple of four bytes"),
            Self::Magic => f.write_str("not a model blob: it does not begin with `PRNN`"),
            Self::Version { got } => {
                write!(f, "blob version {got}, expected {}", super::header::VERSION)
            }
            Self::Length { declared, got } => write!(f, "the blob declares {declared} bytes, there are {got}"),
            Self::Checksum => f.write_str("the blob's checksum does not match: it is damaged"),
            Self::Feature { feature } => {
                write!(
                    f,
                    "the model needs the feature `{feature}` of `pixelrnn`, which this program is compiled without"
                )
            }
            Self::Header { field } => write!(f, "the blob's header field `{field}` is out of range"),
            Self::Op { op, field } => write!(f, "the blob's op {op} has `{field}` out of range"),
            Self::State { declared, needed } => {
                write!(f, "the blob declares {declared} bytes of state, its ops need {needed}")
            }
            Self::Work { multiply_adds } => {
                write!(f, "a pixel of the blob takes {multiply_adds} multiply-adds, the most is {MAX_MULTIPLY_ADDS}")
            }
        }
    }
}

impl core::error::Error for BlobError {}
