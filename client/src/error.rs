//! Failures of a dialogue with a device.

use std::{error, fmt, io};

/// Why a request has no reply. After any of these but [`Error::Control`], [`Client::synchronize`](crate::Client::synchronize)
/// makes the line usable again, if the port is still there.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The port failed.
    Port(io::Error),
    /// The port was closed.
    Closed,
    /// No reply came within the patience of the client.
    Silent {
        /// Timeouts of the port that were waited for.
        timeouts: usize,
    },
    /// The device lost bytes of the line each time that it was sent.
    Lost {
        /// How often it was sent.
        attempts: usize,
    },
    /// The device was reset: settings and the image in the making are gone.
    Restarted,
    /// A line of the device's is no JSON object: something else is at the other end, or the baud rate is another.
    NotAReply {
        /// The beginning of the line.
        line: String,
    },
    /// A request holds a byte that has a meaning of its own on the line: a line end, ENQ or SUB.
    Control {
        /// The byte.
        byte: u8,
    },
    /// The bytes of a reply are not two hexadecimal digits each.
    Bytes {
        /// The text in their place.
        text: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(error) => write!(f, "the port failed: {error}"),
            Self::Closed => write!(f, "the port was closed"),
            Self::Silent { timeouts } => {
                write!(
                    f,
                    "the device said nothing during {timeouts} read timeouts of the port: is `serve` running on it?"
                )
            }
            Self::Lost { attempts } => write!(
                f,
                "the device lost bytes of the line each of {attempts} times: is anything else writing to the port?"
            ),
            Self::Restarted => write!(f, "the device was reset: set the temperature and ask for the image again"),
            Self::NotAReply { line } => {
                write!(f, "the device sent {line:?}, expected a JSON object: is the baud rate 115200?")
            }
            Self::Control { byte } => {
                write!(f, "the request holds the byte {byte:#04x}, expected none of 0x05, 0x0a, 0x0d and 0x1a")
            }
            Self::Bytes { text } => {
                write!(f, "the device sent the bytes {text:?}, expected two hexadecimal digits a byte")
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
