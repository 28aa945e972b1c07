//! Error of an invalid network description.

use super::class::Class;
use super::masks::MAX_PIECES;
use core::fmt;

/// Error of an invalid network description.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NetworkError {
    /// The image's size, channels or levels are out of range.
    Image {
        /// Name of the property.
        what: &'static str,
        /// Its value.
        got: usize,
        /// Its valid range.
        expected: &'static str,
    },
    /// A number of a preset is out of range.
    Range {
        /// Name of the field, as in the file.
        what: &'static str,
        /// Its value.
        got: usize,
        /// Its valid range.
        expected: &'static str,
    },
    /// Two settings exclude each other.
    Conflict {
        /// Description of the conflict.
        what: &'static str,
    },
    /// A value has more features than the maximum.
    TooManyFeatures {
        /// Number of features.
        count: usize,
    },
    /// The features do not divide into contiguous colour groups.
    UnevenGroups {
        /// Number of features.
        count: usize,
    },
    /// A kernel or dilation out of range.
    Kernel {
        /// Rows and columns.
        kernel: [usize; 2],
        /// Dilation: distance between taps, in pixels.
        dilation: usize,
    },
    /// An anchor out of range.
    Anchor {
        /// Kernel row and column at distance 0, 0.
        anchor: [usize; 2],
    },
    /// The features do not divide into equal parts.
    UnevenParts {
        /// Number of features.
        count: usize,
        /// Number of parts.
        parts: usize,
    },
    /// The last op does not have as many features as there are logits.
    Logits {
        /// Number of features.
        got: usize,
        /// Number of logits.
        expected: usize,
    },
    /// A gate of an odd number of features.
    OddGate {
        /// Number of features.
        count: usize,
    },
    /// A slice of features that are not there.
    Slice {
        /// First feature.
        from: usize,
        /// Number of features.
        count: usize,
        /// Features of the value.
        of: usize,
    },
    /// A concatenation of too many vectors with assignments to colours of their own.
    TooManyPieces,
    /// Features that an op combines belong to different colours.
    Groups,
    /// An op has too few inputs.
    Inputs {
        /// Number of inputs.
        got: usize,
        /// Number expected.
        expected: &'static str,
    },
    /// A tap reads rows below, which are not known.
    Future,
    /// A recurrent layer reads a value that knows more than earlier values.
    Unknown {
        /// Class of the value.
        class: Class,
    },
    /// A condition of a recurrent layer is not known before the image.
    NotGiven {
        /// Class of the value.
        class: Class,
    },
    /// The kernel of a transposed convolution does not fit its stride.
    Stride {
        /// Side of the kernel.
        kernel: usize,
        /// Stride.
        stride: usize,
    },
    /// An op combines maps of different sizes.
    Magnification {
        /// Size of the one, in sizes of the image.
        got: usize,
        /// Size of the other.
        expected: usize,
    },
    /// An op's name is too long.
    NameTooLong,
    /// Residual branches nest too deep.
    NestedTooDeep,
    /// A residual branch ends without a beginning, or begins without an end.
    NotInResidual,
    /// The operands of an elementwise op have different numbers of features.
    ResidualShape {
        /// Features of the first operand.
        from: usize,
        /// Features of the second operand.
        to: usize,
    },
    /// `skip_sum` without a `skip` before it.
    NoSkip,
    /// A number is not finite, or not in its range.
    NotFinite {
        /// Name of the number.
        what: &'static str,
    },
    /// The network has no ops.
    Empty,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::builder::{MAX_FEATURES, MAX_NAME, MAX_NESTING};
        match self {
            Self::Image { what, got, expected } => write!(f, "image {what} is {got}, expected {expected}"),
            Self::Range { what, got, expected } => write!(f, "`{what}` is {got}, expected {expected}"),
            Self::Conflict { what } => f.write_str(what),
            Self::TooManyFeatures { count } => write!(f, "{count} features, expected at most {MAX_FEATURES}"),
            Self::UnevenGroups { count: 0 } => f.write_str("no features, expected at least 1"),
            Self::UnevenGroups { count } => {
                write!(f, "{count} features do not divide into contiguous colour groups")
            }
            Self::Kernel { kernel: [h, w], dilation } => {
                write!(f, "kernel {h}x{w} with dilation {dilation}, expected each from 1 to 127")
            }
            Self::Anchor { anchor: [u, v] } => {
                write!(f, "anchor [{u}, {v}], expected each at most {}", super::builder::MAX_ANCHOR)
            }
            Self::UnevenParts { count, parts } => write!(f, "{count} features do not divide into {parts} parts"),
            Self::Logits { got, expected } => write!(f, "makes {got} features, and there are {expected} logits"),
            Self::OddGate { count } => write!(f, "{count} features have no halves"),
            Self::Slice { from, count, of } => write!(f, "{count} features from {from} on, of {of}"),
            Self::TooManyPieces => {
                write!(
                    f,
                    "its features belong to colours in more than {MAX_PIECES} ways; numbers that divide by 3 need one"
                )
            }
            Self::Groups => f.write_str("it combines features of different colours"),
            Self::Inputs { got, expected } => write!(f, "{got} inputs, expected {expected}"),
            Self::Future => f.write_str("it reads rows below, which are not known yet"),
            Self::Unknown { class } => {
                write!(f, "a recurrent layer reads values of class `past` or less, and this one is of class `{class}`")
            }
            Self::NotGiven { class } => {
                write!(
                    f,
                    "the `condition` of a recurrent layer is of class `given`, and this one is of class `{class}`"
                )
            }
            Self::Stride { kernel, stride } => write!(
                f,
                "kernel {kernel}x{kernel} with stride {stride}, expected a kernel of at least the stride and an even difference"
            ),
            Self::Magnification { got, expected } => {
                write!(f, "it combines a map of {got} times the small image's side and one of {expected} times")
            }
            Self::NameTooLong => write!(f, "an op's name has more than {MAX_NAME} bytes"),
            Self::NestedTooDeep => write!(f, "residual ops nest deeper than {MAX_NESTING}"),
            Self::NotInResidual => f.write_str("a residual branch begins without an end or ends without a beginning"),
            Self::ResidualShape { from, to } => {
                write!(f, "it combines a value with {from} features and one with {to}, expected as many in each")
            }
            Self::NoSkip => f.write_str("`skip_sum` without a `skip` before it"),
            Self::NotFinite { what } => write!(f, "`{what}` is not a finite number in its range"),
            Self::Empty => f.write_str("the network has no ops"),
        }
    }
}

impl core::error::Error for NetworkError {}
