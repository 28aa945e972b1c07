//! What is asked for, checked and kept.

use super::error::Error;
use super::request::{Command, Request};
use super::{reply, values};
use crate::Entry;
use core::fmt::{self, Write};
use pixelrnn::{DefaultRng, Model, Temperature};
use rand_core::SeedableRng;

/// An image that a request asked for.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) command: Command,
    pub(super) model: Model<'static>,
    pub(super) label: Option<usize>,
    /// Rows that are given; the others are drawn.
    pub(super) rows: usize,
    pub(super) seed: u64,
    pub(super) rng: DefaultRng,
    pub(super) temperature: Temperature,
    /// Cost of the pixels so far, in units of 2⁻²⁴ bit.
    pub(super) cost: u64,
    /// Pixels so far.
    pub(super) pixels: usize,
    /// Whether an engine makes it.
    pub(super) started: bool,
}

/// Takes requests, and holds what lasts.
#[derive(Debug)]
pub(super) struct Desk<'s> {
    models: &'static [Entry],
    /// The image in the making, or the one before.
    pub(super) image: &'s mut [u8],
    /// Words that there are for a model's state.
    state_words: usize,
    /// The temperature of requests that say none, in thousandths.
    temperature: u32,
    /// The seed of a request that says none.
    seed: u64,
    pub(super) task: Option<Task>,
}

/// What a request came to, if an answer is due at once.
enum Done {
    Info,
    Temperature,
    Stopped(usize),
    Begun,
}

impl<'s> Desk<'s> {
    pub(super) const fn new(models: &'static [Entry], image: &'s mut [u8], state_words: usize) -> Self {
        Self { models, image, state_words, temperature: 1000, seed: 0, task: None }
    }

    /// Does what a request asks for.
    pub(super) fn answer(&mut self, request: &Request<'_>, out: &mut impl Write) -> fmt::Result {
        match self.obey(request) {
            Ok(Done::Info) => reply::info(self.models, self.temperature, self.task.as_ref(), out),
            Ok(Done::Temperature) => reply::temperature(self.temperature, out),
            Ok(Done::Stopped(pixels)) => reply::stopped(pixels, out),
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
            (Command::Stop, None) => Err(Error::Idle),
            (_, Some(task)) => Err(Error::Busy(task.command)),
            (Command::Temperature, None) => {
                let milli = request.value.unwrap_or_default();
                Temperature::from_milli(milli).ok_or(Error::Temperature)?;
                self.temperature = milli;
                Ok(Done::Temperature)
            }
            (Command::Sample | Command::Score | Command::Complete, None) => {
                self.task = Some(self.task(command, request)?);
                Ok(Done::Begun)
            }
        }
    }

    /// Checks a request for an image, and takes the values that it gives.
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
        let label = match request.label {
            Some(label) => Some(usize::try_from(label).ok().filter(|&label| label < classes)),
            None => (classes > 0).then_some(None),
        };
        let label = label.map(|label| label.ok_or(Error::Label { classes })).transpose()?;
        let rows = match (command, request.rows) {
            (Command::Score, _) => Some(shape.height),
            (_, Some(rows)) => usize::try_from(rows).ok().filter(|&rows| rows <= shape.height),
            (_, None) => Some(0),
        };
        let rows = rows.ok_or(Error::Rows { height: shape.height })?;
        let temperature = match (command, request.temperature) {
            // A likelihood is that of the model as it is.
            (Command::Score, _) => 1000,
            (_, Some(temperature)) => temperature,
            (_, None) => self.temperature,
        };
        let temperature = Temperature::from_milli(temperature).ok_or(Error::Temperature)?;
        let image = self.image.get_mut(..shape.values()).ok_or(Error::Memory)?;
        if let Some(text) = request.image {
            values::read(text, shape.levels, image)?;
        }
        let seed = request.seed.unwrap_or(self.seed);
        if command != Command::Score {
            self.seed = seed.wrapping_add(1);
        }
        let rng = DefaultRng::seed_from_u64(seed);
        Ok(Task { command, model, label, rows, seed, rng, temperature, cost: 0, pixels: 0, started: false })
    }
}
