//! Host side of the serial protocol of `serve`, the microcontroller program; see `docs/device-protocol.md` in the
//! repository.
//!
//! A [`Client`] works over anything that reads and writes, such as a serial port or an emulator's socket.
//!
//! - **Pacing.** A device that is computing a pixel queues 510 bytes and loses any excess. Longer lines are sent in
//!   chunks, each after the device has confirmed the previous one.
//! - **Lost bytes.** A line answered with `lost` is sent again in smaller chunks, up to five times in total.
//! - **Lost line ends.** At each read timeout the client sends a line end. A slow device ignores it, so the timeout is
//!   uncritical: a few seconds work well, and a longer one only delays recovery.
//!
//! ```no_run
//! use pixelrnn_client::{Client, MAX_FILE_PIECE, file};
//! use std::os::unix::net::UnixStream;
//! use std::time::Duration;
//!
//! let port = UnixStream::connect("/tmp/device")?;
//! port.set_read_timeout(Some(Duration::from_secs(5)))?;
//! let mut device = Client::new(port);
//! device.synchronize()?;
//!
//! // Rows and the final reply.
//! for reply in device.ask(r#"{"cmd":"sample","seed":7}"#)? {
//!     println!("{reply}");
//! }
//! // Compress an image and restore it.
//! let compressed = file(&device.ask(format!(r#"{{"cmd":"compress","image":"{}"}}"#, "0".repeat(784)))?)?;
//! let replies = device.ask_with_file(r#"{"cmd":"decompress"}"#, compressed.chunks(MAX_FILE_PIECE))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod error;
#[cfg(test)]
mod tests;

pub use error::Error;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};

/// Maximum bytes of a file per request.
pub const MAX_FILE_PIECE: usize = 192;

/// Asks the device for the number of bytes read from the line: ENQ.
const ASK: u8 = 0x05;
/// Marks lost bytes: SUB.
const LOST: u8 = 0x1a;

/// Chunk size. Two chunks fit the device's queue of 510 bytes, so mistaking an early reply for a later one loses
/// nothing.
const PIECE: usize = 240;
/// Attempts per line. Each one halves the chunk size.
const ATTEMPTS: usize = 5;

/// Default number of read timeouts before the client gives up.
const PATIENCE: usize = 24;

/// Maximum length of a reply in bytes. `info` needs about 150 per model.
const MAX_REPLY: usize = 1 << 20;

/// A device behind a port.
#[derive(Debug)]
pub struct Client<P> {
    port: P,
    /// Received bytes that have not been parsed: part of a reply, or several.
    received: Vec<u8>,
    /// Replies received while waiting for another one.
    replies: VecDeque<Value>,
    patience: usize,
}

impl<P: Read + Write> Client<P> {
    /// Creates a client for the device at `port`. Set the port to 115,200 baud, 8 data bits, no parity, one stop bit,
    /// no flow control.
    ///
    /// Set a read timeout of a few seconds. Without a timeout, a lost line end blocks forever.
    pub fn new(port: P) -> Self {
        Self { port, received: Vec::new(), replies: VecDeque::new(), patience: PATIENCE }
    }

    /// Sets the number of read timeouts without a reply after which the client gives up. At least 1; the default is 24.
    pub fn with_patience(mut self, timeouts: usize) -> Self {
        self.patience = timeouts.max(1);
        self
    }

    /// Direct access to the port.
    pub const fn port_mut(&mut self) -> &mut P {
        &mut self.port
    }

    /// Waits until the device has consumed all earlier input and is between lines. Discards any replies.
    ///
    /// Use it if the device was already running, and after an error. An image in progress continues; `stop` ends it.
    ///
    /// # Errors
    /// Fails if the port fails or no device responds.
    pub fn synchronize(&mut self) -> Result<(), Error> {
        self.replies.clear();
        // The device ignores a blank line. The number of blanks distinguishes this reply from replies to other
        // enquiries.
        for blanks in 1..=self.patience {
            let mut line = vec![b' '; blanks + 2];
            line[0] = b'\n';
            line[blanks + 1] = ASK;
            self.write(&line)?;
            loop {
                match self.receive() {
                    Ok(Some(reply)) if read(&reply).is_some_and(|bytes| (1..=blanks as u64).contains(&bytes)) => {
                        return self.write(b"\n");
                    }
                    // Remainder of a line whose beginning was read by another host.
                    Ok(Some(_)) | Err(Error::NotAReply { .. }) => {}
                    Ok(None) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Err(Error::Silent { timeouts: self.patience })
    }

    /// Sends a request and returns all its replies. The last one is `done`, `saved` or `more` after rows or bytes, the
    /// reply to `info`, or an error.
    ///
    /// During an image, the result includes the image's replies received meanwhile, even its end.
    ///
    /// # Errors
    /// Fails if the request contains a control byte of the protocol, or as listed in [`Error`]. An `error` reply of the
    /// device is a normal result.
    pub fn ask(&mut self, line: impl AsRef<[u8]>) -> Result<Vec<Value>, Error> {
        let line = line.as_ref();
        if let Some(&byte) = line.iter().find(|byte| matches!(**byte, b'\n' | b'\r' | ASK | LOST)) {
            return Err(Error::Control { byte });
        }
        let request: Value = serde_json::from_slice(line).unwrap_or_default();
        let command = request["cmd"].as_str().unwrap_or_default();
        let mut replies = Vec::new();
        for attempt in 0..ATTEMPTS {
            self.send(line, PIECE >> attempt)?;
            loop {
                let reply = self.reply()?;
                if reply["error"] == "lost" {
                    break;
                }
                if reply.get("ready").is_some() {
                    return Err(Error::Restarted);
                }
                let last = ends(command, &reply);
                replies.push(reply);
                if last {
                    return Ok(replies);
                }
            }
        }
        Err(Error::Lost { attempts: ATTEMPTS })
    }

    /// Sends a request that takes a file: `decompress` or `resume` without `bytes`. Sends the pieces, of at most
    /// [`MAX_FILE_PIECE`] bytes each, as the device asks for them. Returns all replies except `more`.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn ask_with_file<'f>(
        &mut self,
        request: &str,
        pieces: impl IntoIterator<Item = &'f [u8]>,
    ) -> Result<Vec<Value>, Error> {
        let mut pieces = pieces.into_iter();
        // An empty piece marks the end of the file.
        let mut next = || hex(pieces.next().unwrap_or_default());
        let mut line: Value = serde_json::from_str(request).unwrap_or_default();
        let mut all = Vec::new();
        loop {
            line["bytes"] = next().into();
            let mut replies = self.ask(line.to_string())?;
            let Some(last) = replies.pop_if(|last| last.get("more").is_some()) else {
                all.append(&mut replies);
                return Ok(all);
            };
            drop(last);
            all.append(&mut replies);
            line = json!({"cmd": "more"});
        }
    }

    /// Returns the next reply to any request.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn reply(&mut self) -> Result<Value, Error> {
        if let Some(reply) = self.replies.pop_front() {
            return Ok(reply);
        }
        let mut timeouts = 0;
        loop {
            // The line end may have been lost. Otherwise an extra one is ignored.
            let reply = self.wait(b"\n", &mut timeouts)?;
            // Skip late answers to repeated enquiries.
            if read(&reply).is_none() {
                return Ok(reply);
            }
        }
    }

    /// Sends a line in chunks of `piece` bytes. On return, the device has read all but the last chunk.
    fn send(&mut self, line: &[u8], piece: usize) -> Result<(), Error> {
        let mut sent = 0;
        while line.len() - sent > piece {
            self.write(&[&line[sent..sent + piece], &[ASK]].concat())?;
            sent += piece;
            let mut timeouts = 0;
            loop {
                let reply = self.wait(&[ASK], &mut timeouts)?;
                match read(&reply) {
                    None => self.replies.push_back(reply),
                    // The line will be rejected. Its end triggers the error reply.
                    Some(0) => return self.write(b"\n"),
                    Some(bytes) if bytes == sent as u64 => break,
                    // Late answer to a repeated enquiry.
                    Some(_) => {}
                }
            }
        }
        self.write(&[&line[sent..], b"\n"].concat())
    }

    /// Waits for a reply and sends `nudge` at each read timeout.
    fn wait(&mut self, nudge: &[u8], timeouts: &mut usize) -> Result<Value, Error> {
        loop {
            if let Some(reply) = self.receive()? {
                return Ok(reply);
            }
            *timeouts += 1;
            if *timeouts >= self.patience {
                return Err(Error::Silent { timeouts: *timeouts });
            }
            self.write(nudge)?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.port.write_all(bytes)?;
        Ok(self.port.flush()?)
    }

    /// Reads the next reply. `None` on a timeout.
    fn receive(&mut self) -> Result<Option<Value>, Error> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return match serde_json::from_slice(&line) {
                    Ok(reply @ Value::Object(_)) => Ok(Some(reply)),
                    _ => Err(not_a_reply(&line)),
                };
            }
            if self.received.len() > MAX_REPLY {
                return Err(not_a_reply(&std::mem::take(&mut self.received)));
            }
            let mut bytes = [0; 1024];
            match self.port.read(&mut bytes) {
                Ok(0) => return Err(Error::Closed),
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    _ => return Err(error.into()),
                },
            }
        }
    }
}

fn not_a_reply(line: &[u8]) -> Error {
    let line = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
    Error::NotAReply { line }
}

/// Byte count of a reply to an enquiry.
fn read(reply: &Value) -> Option<u64> {
    reply.get("read")?.as_u64()
}

/// True if `reply` is the last one to `command`.
fn ends(command: &str, reply: &Value) -> bool {
    let has = |key| reply.get(key).is_some();
    // Replies that belong to the current image rather than to this request.
    let elsewhere = match command {
        "info" | "temperature" | "stop" | "save" => has("done") || has("more"),
        _ => false,
    };
    !(elsewhere || has("row") || reply["bytes"].is_string())
}

/// Extracts the file from replies to `compress` or `save`.
///
/// # Errors
/// Fails if a `bytes` field is not hexadecimal.
pub fn file(replies: &[Value]) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    for text in replies.iter().filter_map(|reply| reply["bytes"].as_str()) {
        let digits: Option<Vec<u8>> = text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect();
        match digits.as_deref().map(<[u8]>::as_chunks::<2>) {
            Some((pairs, [])) => file.extend(pairs.iter().map(|[high, low]| high << 4 | low)),
            _ => return Err(Error::Bytes { text: text.into() }),
        }
    }
    Ok(file)
}

/// Hexadecimal encoding for requests.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
