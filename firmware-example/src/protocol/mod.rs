//! Line protocol of the program `serve`: requests and replies are JSON objects, one per line.
//!
//! See `docs/device-protocol.md` for the specification. This module is independent of hardware: a [`Session`] takes
//! bytes from any source and writes to a [`core::fmt::Write`]. During an image the session is lent to a [`Job`], which
//! advances by one pixel per call and takes bytes in between:
//!
//! ```
//! use core::fmt::Write;
//! use pixelrnn_firmware::{MODELS, STATE_WORDS, VALUES, protocol};
//!
//! fn serve(mut bytes: impl Iterator<Item = u8>, out: &mut impl Write) -> core::fmt::Result {
//!     let mut state = [0; STATE_WORDS];
//!     let mut image = [0; VALUES];
//!     let mut line = heapless::Vec::<u8, { protocol::line_bytes(MODELS) }>::new();
//!     let mut held = heapless::Vec::<u8, { protocol::HELD_BYTES }>::new();
//!     let mut session = protocol::Session::new(MODELS, &mut state, &mut image, &mut line, &mut held);
//!     while let Some(byte) = bytes.next() {
//!         session.push(byte, out)?;
//!         if let Some(mut job) = session.start() {
//!             while job.step(out)? {
//!                 // Pass on a byte, if available. It may belong to a `stop`.
//!                 if let Some(byte) = bytes.next() {
//!                     job.push(byte, out)?;
//!                 }
//!             }
//!         }
//!     }
//!     Ok(())
//! }
//! # let mut out = String::new();
//! # serve(b"{\"cmd\":\"sample\",\"seed\":7}\n".iter().copied(), &mut out).unwrap();
//! # assert_eq!(out.lines().count(), 29);
//! ```
#![forbid(unsafe_code)]

mod bytes;
mod dispatcher;
mod error;
mod job;
mod line;
mod reply;
mod request;
mod saved;
#[cfg(test)]
mod tests;
mod values;

use crate::Entry;
use core::fmt::{self, Write};
use dispatcher::Dispatcher;
pub use error::Error;
use heapless::VecView;
pub use job::Job;
use line::Line;
pub use line::{ASK, LOST};
use pixelrnn::Engine;
use pixelrnn::coder::container::SMALL_SEGMENT;
pub use request::{Command, Field};
pub use saved::SavedError;

/// Protocol version.
pub const VERSION: u32 = 1;

/// Bytes of a request apart from image digits and model name.
const REST: usize = 160;

/// Maximum bytes of a file per request. Such a request fits the receive queue while the device is busy.
pub const MAX_BYTES: usize = 192;

/// Size of the buffer for the bytes of a compressed or saved image.
///
/// When reading, a request's bytes must fit beside bytes left over from an incomplete step. These are at most 61: a
/// header, or the bytes before the first pixel of a block if each is in a separate segment.
pub const HELD_BYTES: usize = SMALL_SEGMENT;

const _: () = assert!(HELD_BYTES >= MAX_BYTES + 61);

/// Length of the longest line needed by requests to `models`, which holds an image or bytes of a file.
pub const fn line_bytes(models: &[Entry]) -> usize {
    let (mut image, mut name, mut at) = (2 * MAX_BYTES, 0, 0);
    while at < models.len() {
        let entry = &models[at];
        let digits = values::digits(entry.levels) * entry.values;
        image = if digits > image { digits } else { image };
        name = if entry.name.len() > name { entry.name.len() } else { name };
        at += 1;
    }
    image + name + REST
}

/// A session with a host. Parses requests, answers them, and keeps settings between them.
#[derive(Debug)]
pub struct Session<'s> {
    line: Line<'s>,
    dispatcher: Dispatcher<'s>,
    state: &'s mut [u32],
}

impl<'s> Session<'s> {
    /// Creates a session that serves `models`. The first model is the default.
    ///
    /// `state` and `image` must hold the largest state and image among the models. `line` needs a capacity of
    /// [`line_bytes`], `held` of [`HELD_BYTES`].
    pub fn new(
        models: &'static [Entry],
        state: &'s mut [u32],
        image: &'s mut [u8],
        line: &'s mut VecView<u8>,
        held: &'s mut VecView<u8>,
    ) -> Self {
        Self { line: Line::new(line), dispatcher: Dispatcher::new(models, image, held, state.len()), state }
    }

    /// Announces the device, so that a host notices a restart.
    ///
    /// # Errors
    /// Returns the error of `out`.
    pub fn greet(&self, out: &mut impl Write) -> fmt::Result {
        reply::ready(out)
    }

    /// Takes a byte. A line end triggers the reply to the line's request or creates an image task. [`ASK`] is answered
    /// at once.
    ///
    /// # Errors
    /// Returns the error of `out`.
    pub fn push(&mut self, byte: u8, out: &mut impl Write) -> fmt::Result {
        push(&mut self.line, &mut self.dispatcher, self.state, byte, out)
    }

    /// Starts the requested image. `None` if there is none.
    pub fn start(&mut self) -> Option<Job<'_, 's>> {
        let task = self.dispatcher.task.as_mut()?;
        let engine = Engine::new(task.model, self.state).and_then(|mut engine| {
            // Jobs that read the label from a file start the engine later.
            if !matches!(task.command, Command::Decompress | Command::Resume) {
                engine.restart(task.label)?;
            }
            Ok(engine)
        });
        let Ok(engine) = engine else {
            // Unreachable: the request was already checked for memory and label.
            self.dispatcher.task = None;
            return None;
        };
        task.started = true;
        Some(Job::new(&mut self.line, &mut self.dispatcher, engine))
    }
}

/// Takes a byte. Answers the request at a line end, and [`ASK`] at once.
fn push(
    line: &mut Line<'_>,
    dispatcher: &mut Dispatcher<'_>,
    state: &[u32],
    byte: u8,
    out: &mut impl Write,
) -> fmt::Result {
    if byte == ASK {
        return reply::read(line.read(), out);
    }
    if !line.push(byte) {
        return Ok(());
    }
    let answered = match line.request() {
        Ok(None) => Ok(()),
        Ok(Some(request)) => dispatcher.answer(&request, state, out),
        Err(error) => reply::error(&error, out),
    };
    line.clear();
    answered
}
