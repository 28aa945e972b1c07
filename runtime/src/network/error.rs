//! What can be wrong with the description of a network.

use core::fmt;

/// Why a network cannot be built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NetworkError {
    /// The image's size, channels or levels are out of range.
    Image {
        /// Which of them.
        what: &'static str,
        /// What it is.
        got: usize,
        /// What it may be.
        expected: &'static str,
    },
    /// A preset's number is out of range.
    Range {
        /// Which one, as in the file.
        what: &'static str,
        /// What it is.
        got: usize,
        /// What it may be.
        expected: &'static str,
    },
    /// Two settings that do not go together.
    Conflict {
        /// What contradicts what.
        what: &'static str,
    },
    /// More features than a value may have.
    TooManyFeatures {
        /// How many were asked for.
        count: usize,
    },
    /// The features do not divide into contiguous colour groups.
    UnevenGroups {
        /// How many features there are.
        count: usize,
    },
    /// A kernel or dilation out of range.
    Kernel {
        /// Rows and columns.
        kernel: [usize; 2],
        /// Distance between taps.
        dilation: usize,
    },
    /// An op's name is too long.
    NameTooLong,
    /// Residual branches nest too deep.
    NestedTooDeep,
    /// A residual branch was ended that had not begun, or begun and not ended.
    NotInResidual,
    /// A sum of two values with different numbers of features.
    ResidualShape {
        /// Features of the first.
        from: usize,
        /// Features of the second.
        to: usize,
    },
    /// `skip_sum` without a `skip` before it.
    NoSkip,
    /// A number that must be finite is not.
    NotFinite {
        /// Which one.
        what: &'static str,
    },
    /// No ops at all.
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
            Self::UnevenGroups { count } => {
                write!(f, "{count} features do not divide into contiguous colour groups")
            }
            Self::Kernel { kernel: [h, w], dilation } => {
                write!(f, "kernel {h}x{w} with dilation {dilation}, expected each from 1 to 127")
            }
            Self::NameTooLong => write!(f, "an op's name has more than {MAX_NAME} bytes"),
            Self::NestedTooDeep => write!(f, "residual ops nest deeper than {MAX_NESTING}"),
            Self::NotInResidual => f.write_str("a residual branch begins without an end or ends without a beginning"),
            Self::ResidualShape { from, to } => {
                write!(f, "a sum of a value with {from} features and one with {to}")
            }
            Self::NoSkip => f.write_str("`skip_sum` without a `skip` before it"),
            Self::NotFinite { what } => write!(f, "`{what}` is not a finite number in its range"),
            Self::Empty => f.write_str("the network has no ops"),
        }
    }
}

impl core::error::Error for NetworkError {}
