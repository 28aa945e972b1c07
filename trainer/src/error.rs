//! What can go wrong.

use std::fmt;

/// Why training cannot go on, in one sentence.
#[derive(Debug)]
pub enum Error {
    /// The command line or the recipe is wrong.
    Usage(String),
    /// Anything else.
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
    /// The exit status of the program: 2 on a usage error, 1 on any other.
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
