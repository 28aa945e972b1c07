//! The line protocol of the program `serve`: a JSON object a line asks for something, JSON objects answer.
//!
//! `docs/device-protocol.md` specifies it. There is no hardware here: a [`Session`] takes bytes from wherever they come,
//! and writes to a [`core::fmt::Write`]. While an image is in the making, the session is lent to a [`Making`], which
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
//!     let mut session = protocol::Session::new(MODELS, &mut state, &mut image, &mut line);
//!     while let Some(byte) = bytes.next() {
//!         session.push(byte, out)?;
//!         if let Some(mut making) = session.start() {
//!             while making.step(out)? {
//!                 // Another byte, if one is there: it may be one of a `stop`.
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

mod desk;
mod error;
mod line;
mod reply;
mod request;
#[cfg(test)]
mod tests;
mod values;

use crate::Entry;
use core::fmt::{self, Write};
use desk::Desk;
pub use error::Error;
use heapless::VecView;
pub use line::LOST;
use line::Line;
use pixelrnn::{Complete, Draw, Engine};
pub use request::{Command, Field};

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// Bytes that a request may have beside the digits of an image and the name of a model.
const REST: usize = 160;

/// Bytes of the longest line that requests to `models` need: one that holds an image.
pub const fn line_bytes(models: &[Entry]) -> usize {
    let (mut image, mut name, mut at) = (0, 0, 0);
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
    desk: Desk<'s>,
    state: &'s mut [u32],
}

impl<'s> Session<'s> {
    /// A session that serves `models`, the first of them where a request names none.
    ///
    /// `state` and `image` have room for the largest of the models and its images; `line` has [`line_bytes`].
    pub fn new(models: &'static [Entry], state: &'s mut [u32], image: &'s mut [u8], line: &'s mut VecView<u8>) -> Self {
        Self { line: Line::new(line), desk: Desk::new(models, image, state.len()), state }
    }

    /// Says that the device is there, so that a host notices when it started anew.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn greet(&self, out: &mut impl Write) -> fmt::Result {
        reply::ready(out)
    }

    /// Takes a byte; the one that ends a line has the request in it answered, or an image begun.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn push(&mut self, byte: u8, out: &mut impl Write) -> fmt::Result {
        push(&mut self.line, &mut self.desk, byte, out)
    }

    /// The image that a request asked for; `None` while there is none to make.
    pub fn start(&mut self) -> Option<Making<'_, 's>> {
        let task = self.desk.task.as_mut()?;
        let engine = Engine::new(task.model, self.state).and_then(|mut engine| {
            engine.restart(task.label)?;
            Ok(engine)
        });
        let Ok(engine) = engine else {
            // Not reached: the request was refused where the memory or the label does not fit.
            self.desk.task = None;
            return None;
        };
        task.started = true;
        Some(Making { line: &mut self.line, desk: &mut self.desk, engine })
    }
}

/// An image in the making.
#[derive(Debug)]
pub struct Making<'a, 's> {
    line: &'a mut Line<'s>,
    desk: &'a mut Desk<'s>,
    engine: Engine<'static, 'a>,
}

impl Making<'_, '_> {
    /// Takes a byte, as [`Session::push`] does: requests to stop or for information are answered, others refused.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn push(&mut self, byte: u8, out: &mut impl Write) -> fmt::Result {
        push(self.line, self.desk, byte, out)
    }

    /// Makes the next pixel, and writes what became complete with it: a row, the image.
    ///
    /// `false` when this image is done, or was stopped.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn step(&mut self, out: &mut impl Write) -> Result<bool, fmt::Error> {
        // After a `stop`, the task may be the next one already, which is not this engine's.
        let Some(task) = self.desk.task.as_mut().filter(|task| task.started) else { return Ok(false) };
        let shape = self.engine.model().image();
        let image = self.desk.image.get_mut(..shape.values()).unwrap_or_default();
        // All three commands complete an image: one of which all rows are drawn, some, or none.
        let mut source = Complete::new(image, shape, task.rows, Draw::new(&mut task.rng, task.temperature));
        let Ok(Some(pixel)) = self.engine.step(&mut source) else {
            self.desk.task = None;
            reply::error(&Error::Engine, out)?;
            return Ok(false);
        };
        let from = pixel.row * shape.width + pixel.column;
        let places = image.iter_mut().skip(from).step_by(shape.height * shape.width);
        for (place, value) in places.zip(pixel.values) {
            *place = value;
        }
        task.cost += pixel.cost;
        task.pixels += 1;
        if pixel.column + 1 == shape.width && task.command != Command::Score {
            reply::row(pixel.row, image, shape, out)?;
        }
        let more = task.pixels < shape.height * shape.width;
        if !more {
            reply::done(task, image, out)?;
            self.desk.task = None;
        }
        Ok(more)
    }
}

/// Takes a byte, and answers the line that it ends.
fn push(line: &mut Line<'_>, desk: &mut Desk<'_>, byte: u8, out: &mut impl Write) -> fmt::Result {
    if !line.push(byte) {
        return Ok(());
    }
    let answered = match line.request() {
        Ok(None) => Ok(()),
        Ok(Some(request)) => desk.answer(&request, out),
        Err(error) => reply::error(&error, out),
    };
    line.clear();
    answered
}
