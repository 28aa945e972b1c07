//! The host's end of the serial line to a microcontroller that runs the program `serve`, as `docs/device-protocol.md` of the
//! repository asks it to be.
//!
//! A [`Client`] works over anything that reads and writes: a serial port, a socket of an emulator.
//!
//! - **Pacing.** A device that computes a pixel queues 510 bytes and loses the others. Longer lines go out in pieces, each
//!   of them after the device has said that it read the one before.
//! - **Lost bytes.** A line that is answered with `lost` is sent again, in smaller pieces, five times in all.
//! - **Lost line ends.** While nothing comes, a line end goes out at each read timeout of the port. It means nothing to a device that is merely
//!   slow, so the timeout needs no care: some seconds are good, and it delays nothing but the recovery.
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
//! // Rows, and the end.
//! for reply in device.ask(r#"{"cmd":"sample","seed":7}"#)? {
//!     println!("{reply}");
//! }
//! // An image as a file, and back.
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

/// The most bytes of a file that one request may have.
pub const MAX_FILE_PIECE: usize = 192;

/// Asks the device how much of the line it has read: ENQ.
const ASK: u8 = 0x05;
/// Stands for lost bytes: SUB.
const LOST: u8 = 0x1a;

/// Bytes that go out at once. Two such pieces fit the queue of 510 bytes, so a reply that is taken for a later one loses nothing.
const PIECE: usize = 240;
/// Times that a line is sent, each time in pieces of half the size.
const ATTEMPTS: usize = 5;

/// Read timeouts of the port that a client waits for a reply, unless told otherwise.
const PATIENCE: usize = 24;

/// Bytes of the longest reply that is waited for; `info` has about 150 a model.
const MAX_REPLY: usize = 1 << 20;

/// A device at the other end of a port.
#[derive(Debug)]
pub struct Client<P> {
    port: P,
    /// Bytes that came and were not read: the beginning of a reply, or several.
    received: Vec<u8>,
    /// Replies that came while another one was waited for.
    replies: VecDeque<Value>,
    patience: usize,
}

impl<P: Read + Write> Client<P> {
    /// A client of the device at `port`, which is set to 115,200 baud, 8 bits, no parity, one stop bit, no flow control.
    ///
    /// The port should have a read timeout of some seconds. Without one, a lost line end is waited for without end.
    pub fn new(port: P) -> Self {
        Self { port, received: Vec::new(), replies: VecDeque::new(), patience: PATIENCE }
    }

    /// The same client, which gives up after so many read timeouts without a reply, at least one, in the place of 24.
    pub fn with_patience(mut self, timeouts: usize) -> Self {
        self.patience = timeouts.max(1);
        self
    }

    /// The port, to send what a client would not.
    pub const fn port_mut(&mut self) -> &mut P {
        &mut self.port
    }

    /// Waits until the device has read all that was sent to it, by whomever, and has no line begun. Replies to that are dropped.
    ///
    /// For a device whose start nobody saw, and after an error. An image in the making goes on; `stop` ends it.
    ///
    /// # Errors
    /// When the port fails, or no device is there.
    pub fn synchronize(&mut self) -> Result<(), Error> {
        self.replies.clear();
        // A line of blanks means nothing. Their number tells the reply from the one to a question between two lines, or in a long one.
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
                    // The rest of a line of which the beginning went to someone else.
                    Ok(Some(_)) | Err(Error::NotAReply { .. }) => {}
                    Ok(None) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Err(Error::Silent { timeouts: self.patience })
    }

    /// Sends a request and gives the replies up to the one that ends it: after rows or bytes `done`, `saved` or `more`, the
    /// reply to `info`, or an error.
    ///
    /// While an image is in the making, what comes of it is among them, its end as well if that comes first.
    ///
    /// # Errors
    /// When the request holds a control byte of the protocol, and as [`Error`] says. An `error` of the device's is a reply.
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

    /// Sends a request that takes a file, `decompress` or `resume` without its `bytes`, and the pieces of the file as the device asks for
    /// them, each of at most [`MAX_FILE_PIECE`] bytes. Gives the replies but for those that ask.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn ask_with_file<'f>(
        &mut self,
        request: &str,
        pieces: impl IntoIterator<Item = &'f [u8]>,
    ) -> Result<Vec<Value>, Error> {
        let mut pieces = pieces.into_iter();
        // No bytes are the end of the file.
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

    /// The next reply, whatever it belongs to.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub fn reply(&mut self) -> Result<Value, Error> {
        if let Some(reply) = self.replies.pop_front() {
            return Ok(reply);
        }
        let mut timeouts = 0;
        loop {
            // The end of the line that was sent may be lost; to a device that has it, another one means nothing.
            let reply = self.wait(b"\n", &mut timeouts)?;
            // A question was asked twice, as the first answer was slow.
            if read(&reply).is_none() {
                return Ok(reply);
            }
        }
    }

    /// Sends a line in pieces of `piece` bytes, of which the device has all but the last read when this returns.
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
                    // The line will be refused: its end brings the error.
                    Some(0) => return self.write(b"\n"),
                    Some(bytes) if bytes == sent as u64 => break,
                    // An earlier question was asked twice, as the first answer was slow.
                    Some(_) => {}
                }
            }
        }
        self.write(&[&line[sent..], b"\n"].concat())
    }

    /// The next reply. At each timeout of the port, `nudge` goes out.
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

    /// The next reply; `None` when the port has waited in vain.
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

/// Bytes that the device has read, of the reply that says it.
fn read(reply: &Value) -> Option<u64> {
    reply.get("read")?.as_u64()
}

/// Whether `reply` is the last to a request for `command`.
fn ends(command: &str, reply: &Value) -> bool {
    let has = |key| reply.get(key).is_some();
    // Of an image in the making, to a request in the meantime.
    let elsewhere = match command {
        "info" | "temperature" | "stop" | "save" => has("done") || has("more"),
        _ => false,
    };
    !(elsewhere || has("row") || reply["bytes"].is_string())
}

/// The file whose bytes are in `replies`: those to `compress` or `save`.
///
/// # Errors
/// When they are not two hexadecimal digits each.
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

/// Bytes as a request has them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
