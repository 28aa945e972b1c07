//! Validation and execution of requests, and the settings that persist between them.

use super::error::Error;
use super::request::{Command, Request};
use super::{MAX_BYTES, bytes, reply, saved, values};
use crate::Entry;
use core::fmt::{self, Write};
use heapless::VecView;
use pixelrnn::{DefaultRng, Model, Temperature};
use rand_core::SeedableRng;

/// An image job from a request.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) command: Command,
    pub(super) model: Model<'static>,
    pub(super) label: Option<usize>,
    /// Number of given rows. The other rows are drawn.
    pub(super) rows: usize,
    pub(super) seed: u64,
    pub(super) rng: DefaultRng,
    /// The temperature, also in thousandths as `milli`.
    pub(super) temperature: Temperature,
    pub(super) milli: u32,
    /// Cost so far, in units of 2⁻²⁴ bit.
    pub(super) cost: u64,
    /// Pixels so far.
    pub(super) pixels: usize,
    /// True once an engine has started on it.
    pub(super) started: bool,
    /// True while it waits for bytes from the host.
    pub(super) waits: bool,
    /// True once the last bytes have arrived.
    pub(super) ended: bool,
}

/// Handles requests and owns the persistent settings.
#[derive(Debug)]
pub(super) struct Dispatcher<'s> {
    models: &'static [Entry],
    /// The current image, or the previous one when idle.
    pub(super) image: &'s mut [u8],
    /// Buffer for a compressed or saved image. When writing, bytes of an incomplete segment; when reading, bytes
    /// received.
    pub(super) held: &'s mut VecView<u8>,
    /// Words available for a model's state.
    state_words: usize,
    /// Default temperature in thousandths.
    temperature: u32,
    /// Default seed.
    seed: u64,
    pub(super) task: Option<Task>,
}

/// Outcome of a request.
enum Done {
    Info,
    Temperature,
    Stopped(usize),
    /// The current image must be saved.
    Save,
    Begun,
}

impl<'s> Dispatcher<'s> {
    pub(super) const fn new(
        models: &'static [Entry],
        image: &'s mut [u8],
        held: &'s mut VecView<u8>,
        state_words: usize,
    ) -> Self {
        Self { models, image, held, state_words, temperature: 1000, seed: 0, task: None }
    }

    /// Handles a request. `state` belongs to the engine of the current image.
    pub(super) fn answer(&mut self, request: &Request<'_>, state: &[u32], out: &mut impl Write) -> fmt::Result {
        match self.obey(request) {
            Ok(Done::Info) => reply::info(self.models, self.temperature, self.task.as_ref(), out),
            Ok(Done::Temperature) => reply::temperature(self.temperature, out),
            Ok(Done::Stopped(pixels)) => reply::stopped(pixels, out),
            Ok(Done::Save) => {
                let Some(task) = &self.task else { return Ok(()) };
                let bytes = saved::write(task, self.image, state, out)?;
                reply::saved(task, bytes, out)
            }
            Ok(Done::Begun) => Ok(()),
            Err(error) => reply::error(&error, out),
        }
    }

    fn obey(&mut self, request: &Request<'_>) -> Result<Done, Error> {
        let command = request.command()?;
        match (command, &self.task) {
            (Command::Info, _) => Ok(Done::Info),
            (Command::Stop, Some(task)) => {
                let pixels = task.pixels;
                self.task = None;
                Ok(Done::Stopped(pixels))
            }
            (Command::Save, Some(task)) if saved::can_be(task.command) => Ok(Done::Save),
            (Command::Save, Some(task)) => Err(Error::NotSaved(task.command)),
            (Command::More, Some(task)) if matches!(task.command, Command::Decompress | Command::Resume) => {
                if !task.waits {
                    return Err(Error::Unasked);
                }
                self.receive(request)?;
                Ok(Done::Begun)
            }
            (Command::Stop | Command::Save | Command::More, None) => Err(Error::Idle),
            (_, Some(task)) => Err(Error::Busy(task.command)),
            (Command::Temperature, None) => {
                let milli = request.value.unwrap_or_default();
                Temperature::from_milli(milli).ok_or(Error::Temperature)?;
                self.temperature = milli;
                Ok(Done::Temperature)
            }
            (_, None) => {
                self.task = Some(self.task(command, request)?);
                self.held.clear();
                if let Err(error) = self.receive(request) {
                    self.task = None;
                    return Err(error);
                }
                Ok(Done::Begun)
            }
        }
    }

    /// Takes the bytes of a request, if present. An empty field marks the end of the file.
    fn receive(&mut self, request: &Request<'_>) -> Result<(), Error> {
        if let (Some(text), Some(task)) = (request.bytes, &mut self.task) {
            task.ended = bytes::receive(text, MAX_BYTES, self.held)? == 0;
            task.waits = false;
        }
        Ok(())
    }

    /// Records that `seed` was used. The next image defaults to the successor.
    pub(super) const fn used(&mut self, seed: u64) {
        self.seed = seed.wrapping_add(1);
    }

    /// Validates a request for an image and reads its values.
    fn task(&mut self, command: Command, request: &Request<'_>) -> Result<Task, Error> {
        let entry = match request.model {
            Some(name) => self.models.iter().find(|entry| entry.name == name),
            None => self.models.first(),
        };
        let model = (entry.ok_or(Error::UnknownModel)?.model)().map_err(Error::Blob)?;
        let (shape, classes) = (model.image(), model.classes());
        if model.state_words() > self.state_words {
            return Err(Error::Memory);
        }
        // The label of a compressed or saved image is stored in its bytes.
        let label = if matches!(command, Command::Decompress | Command::Resume) {
            None
        } else {
            self::label(request, classes)?
        };
        let rows = match (command, request.rows) {
            (Command::Score | Command::Compress, _) => Some(shape.height),
            (_, Some(rows)) => usize::try_from(rows).ok().filter(|&rows| rows <= shape.height),
            (_, None) => Some(0),
        };
        let rows = rows.ok_or(Error::Rows { height: shape.height })?;
        let milli = match (command, request.temperature) {
            (Command::Sample | Command::Complete, Some(milli)) => milli,
            (Command::Sample | Command::Complete, None) => self.temperature,
            // Scores and codes use the unmodified model distribution.
            _ => 1000,
        };
        let temperature = Temperature::from_milli(milli).ok_or(Error::Temperature)?;
        let image = self.image.get_mut(..shape.values()).ok_or(Error::Memory)?;
        match request.image {
            Some(text) => values::read(text, shape.levels, image)?,
            // Clears the previous image, which may belong to another model, so that it cannot be saved.
            None => image.fill(0),
        }
        let seed = request.seed.unwrap_or(self.seed);
        if matches!(command, Command::Sample | Command::Complete) {
            self.used(seed);
        }
        Ok(Task {
            command,
            model,
            label,
            rows,
            seed,
            rng: DefaultRng::seed_from_u64(seed),
            temperature,
            milli,
            cost: 0,
            pixels: 0,
            started: false,
            waits: false,
            ended: false,
        })
    }
}

/// Validates the label of a request. Models with classes need one.
fn label(request: &Request<'_>, classes: usize) -> Result<Option<usize>, Error> {
    let label = match request.label {
        Some(label) => Some(usize::try_from(label).ok().filter(|&label| label < classes)),
        None => (classes > 0).then_some(None),
    };
    label.map(|label| label.ok_or(Error::Label { classes })).transpose()
}
