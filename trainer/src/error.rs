//! Errors.

use std::fmt;

/// Reason why training stopped, as one sentence.
#[derive(Debug)]
pub enum Error {
    /// Invalid command line or recipe.
    Usage(String),
    /// Any other error.
    Other(String),
}

impl Error {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::Other(message.into())
    }
}

impl Error {
    /// Exit status of the program: 2 for usage errors, otherwise 1.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Other(_) => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
