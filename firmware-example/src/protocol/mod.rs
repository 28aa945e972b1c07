//! The line protocol of the program `serve`: a JSON object a line asks for something, JSON objects answer.
//!
//! `docs/device-protocol.md` specifies it. There is no hardware here: a [`Session`] takes bytes from wherever they come,
//! and writes to a [`core::fmt::Write`]. While an image is in the making, the session is lent to a [`Job`], which
//! advances by one pixel a call and takes bytes in between:
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
//!                 // Another byte, if one is there: it may be one of a `stop`.
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

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// Bytes that a request may have beside the digits of an image and the name of a model.
const REST: usize = 160;

/// The most bytes of a file that one request may have: with these, it fits the queue of what comes in while the device is busy.
pub const MAX_BYTES: usize = 192;

/// Bytes of the memory for what is written of a compressed image or has come of one.
///
/// Of what came, a request's bytes must fit beside those that were not enough for another pixel: 61 at most, a header or what
/// comes before the first pixel of a block, each byte of it in a segment of its own.
pub const HELD_BYTES: usize = SMALL_SEGMENT;

const _: () = assert!(HELD_BYTES >= MAX_BYTES + 61);

/// Bytes of the longest line that requests to `models` need: one that holds an image, or bytes of a file.
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

/// What a host talks to: reads requests, answers them, and keeps what lasts from one to the next.
#[derive(Debug)]
pub struct Session<'s> {
    line: Line<'s>,
    dispatcher: Dispatcher<'s>,
    state: &'s mut [u32],
}

impl<'s> Session<'s> {
    /// A session that serves `models`, the first of them where a request names none.
    ///
    /// `state` and `image` have room for the largest of the models and its images; `line` has [`line_bytes`] and `held`
    /// [`HELD_BYTES`].
    pub fn new(
        models: &'static [Entry],
        state: &'s mut [u32],
        image: &'s mut [u8],
        line: &'s mut VecView<u8>,
        held: &'s mut VecView<u8>,
    ) -> Self {
        Self { line: Line::new(line), dispatcher: Dispatcher::new(models, image, held, state.len()), state }
    }

    /// Says that the device is there, so that a host notices when it started anew.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn greet(&self, out: &mut impl Write) -> fmt::Result {
        reply::ready(out)
    }

    /// Takes a byte; the one that ends a line has the request in it answered, or an image begun. [`ASK`] is answered at once.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn push(&mut self, byte: u8, out: &mut impl Write) -> fmt::Result {
        push(&mut self.line, &mut self.dispatcher, self.state, byte, out)
    }

    /// The image that a request asked for; `None` while there is none to make.
    pub fn start(&mut self) -> Option<Job<'_, 's>> {
        let task = self.dispatcher.task.as_mut()?;
        let engine = Engine::new(task.model, self.state).and_then(|mut engine| {
            // One whose label comes later starts when it is there.
            if !matches!(task.command, Command::Decompress | Command::Resume) {
                engine.restart(task.label)?;
            }
            Ok(engine)
        });
        let Ok(engine) = engine else {
            // Not reached: the request was refused where the memory or the label does not fit.
            self.dispatcher.task = None;
            return None;
        };
        task.started = true;
        Some(Job::new(&mut self.line, &mut self.dispatcher, engine))
    }
}

/// Takes a byte, and answers the line that it ends, or how much of the line there is.
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
