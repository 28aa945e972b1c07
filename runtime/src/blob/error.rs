//! Error of an invalid blob.

use super::limits::MAX_MULTIPLY_ADDS;
use core::fmt;

/// Error of a blob that this engine cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BlobError {
    /// The blob is shorter than a header.
    TooShort {
        /// Length in bytes.
        got: usize,
    },
    /// The blob is not aligned to four bytes.
    Misaligned,
    /// The first four bytes are not `PRNN`.
    Magic,
    /// The format version is not supported.
    Version {
        /// The version in the header.
        got: u16,
    },
    /// The header's length differs from the length of the blob.
    Length {
        /// Length in the header, in bytes.
        declared: u32,
        /// Length of the blob, in bytes.
        got: usize,
    },
    /// The checksum does not match: the blob is damaged.
    Checksum,
    /// The blob needs a feature of this crate that is disabled in this build.
    Feature {
        /// Name of the feature.
        feature: &'static str,
    },
    /// A header field is out of range.
    Header {
        /// Name of the field.
        field: &'static str,
    },
    /// A field of an op is out of range, or points outside the blob or the registers.
    Op {
        /// Index of the op, from 0.
        op: usize,
        /// Name of the field.
        field: &'static str,
    },
    /// The header's state size differs from the size that the ops need.
    State {
        /// State size in the header, in bytes.
        declared: u32,
        /// State size of the ops, in bytes.
        needed: u64,
    },
    /// A pixel takes more than [`MAX_MULTIPLY_ADDS`]; checked only with the feature `std`.
    Work {
        /// Multiply-adds per pixel.
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

/// Error of a model that cannot take images of another size; see [`Model::with_size`](super::Model::with_size).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SizeError {
    /// The height or the width is not 1 to 4096.
    Range {
        /// Rows asked for.
        height: usize,
        /// Columns asked for.
        width: usize,
    },
    /// The model is a graph.
    Graph,
    /// The model has an initial state for each row.
    InitialStates {
        /// Rows of the model's images.
        rows: usize,
    },
    /// The state of such images is larger than an engine takes.
    State,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { height, width } => {
                write!(f, "expected sides of 1 to 4096, not {height}x{width}")
            }
            Self::Graph => f.write_str("the model is a graph, whose blob is made for images of one size"),
            Self::InitialStates { rows } => {
                write!(
                    f,
                    "the model has an initial state for each of its {rows} rows, and takes images of no other height"
                )
            }
            Self::State => f.write_str("the state of such images is larger than an engine takes"),
        }
    }
}

impl core::error::Error for SizeError {}
