//! Errors of a session with a device.

use std::{error, fmt, io};

/// Reason why a request failed. After any of these except [`Error::Control`], call
/// [`Client::synchronize`](crate::Client::synchronize) to make the line usable again, provided that the port still
/// works.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The port failed.
    Port(io::Error),
    /// The port was closed.
    Closed,
    /// No reply within the client's patience.
    Silent {
        /// Number of read timeouts.
        timeouts: usize,
    },
    /// The device lost bytes of the line in every attempt.
    Lost {
        /// Number of attempts.
        attempts: usize,
    },
    /// The device was reset. Settings and the current image are lost.
    Restarted,
    /// The device sent a line that is not a JSON object. The other end is a different program, or the baud rate is
    /// wrong.
    NotAReply {
        /// Beginning of the line.
        line: String,
    },
    /// The request contains a byte with a special meaning on the line: a line end, ENQ or SUB.
    Control {
        /// The forbidden byte.
        byte: u8,
    },
    /// The `bytes` field of a reply is not hexadecimal.
    Bytes {
        /// Contents of the field.
        text: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(error) => write!(f, "the port failed: {error}"),
            Self::Closed => write!(f, "the port was closed"),
            Self::Silent { timeouts } => {
                write!(f, "no reply from the device within {timeouts} read timeouts: is `serve` running on it?")
            }
            Self::Lost { attempts } => write!(
                f,
                "the device lost bytes of the line in all {attempts} attempts: is anything else writing to the port?"
            ),
            Self::Restarted => write!(f, "the device was reset: set the temperature and request the image again"),
            Self::NotAReply { line } => {
                write!(f, "the device sent {line:?}, expected a JSON object: is the baud rate 115200?")
            }
            Self::Control { byte } => {
                write!(f, "the request holds the byte {byte:#04x}, expected none of 0x05, 0x0a, 0x0d and 0x1a")
            }
            Self::Bytes { text } => {
                write!(f, "the device sent the bytes {text:?}, expected two hexadecimal digits per byte")
            }
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Port(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Port(error)
    }
}
