//! Generation of one image.

use super::bytes::{Arrived, Lines, Starved};
use super::dispatcher::{Dispatcher, Task};
use super::error::Error;
use super::line::Line;
use super::request::Command;
use super::saved::{Loader, NotYet};
use super::{push, reply};
use core::fmt::{self, Write};
use pixelrnn::coder::ByteSink;
use pixelrnn::coder::container::{BlockError, BlockReader, BlockWriter, ContainerError, Header, Segments};
use pixelrnn::{Complete, Engine, Pixel, Sample};

/// An image in progress.
#[derive(Debug)]
pub struct Job<'a, 's> {
    line: &'a mut Line<'s>,
    dispatcher: &'a mut Dispatcher<'s>,
    engine: Engine<'static, 'a>,
    work: Work,
    /// Bytes written so far.
    written: usize,
}

/// Source or target of the image.
#[derive(Debug)]
enum Work {
    /// Given rows followed by drawn rows.
    Complete,
    /// Compression of a given image. `None` until the header is written.
    Write(Option<BlockWriter>),
    /// Decompression. `None` until the header is read.
    Read(Option<BlockReader>),
    /// Restoring a saved image, which then continues as `Complete`.
    Load(Loader),
}

/// Result of a step.
enum Step {
    /// The header of a compressed image was written or read.
    Begun,
    /// A saved image was restored and can continue.
    Loaded,
    /// The next pixel.
    Pixel(Pixel),
    /// More bytes are needed.
    Waits,
    /// A compressed image was read to its end.
    Restored,
}

/// Reason why the image was abandoned.
enum Broken {
    /// Reported to the host.
    Error(Error),
    /// The host cannot be reached.
    Out(fmt::Error),
}

impl From<fmt::Error> for Broken {
    fn from(error: fmt::Error) -> Self {
        Self::Out(error)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<BlockError<fmt::Error>> for Broken {
    fn from(error: BlockError<fmt::Error>) -> Self {
        match error {
            BlockError::Bytes(error) => Self::Out(error),
            _ => Self::Error(Error::Engine),
        }
    }
}

impl<'a, 's> Job<'a, 's> {
    pub(super) fn new(line: &'a mut Line<'s>, dispatcher: &'a mut Dispatcher<'s>, engine: Engine<'static, 'a>) -> Self {
        let work = match dispatcher.task.as_ref().map(|task| task.command) {
            Some(Command::Compress) => Work::Write(None),
            Some(Command::Decompress) => Work::Read(None),
            Some(Command::Resume) => Work::Load(Loader::new()),
            _ => Work::Complete,
        };
        Self { line, dispatcher, engine, work, written: 0 }
    }

    /// Takes a byte, like [`Session::push`](super::Session::push). Requests for information or about this image are
    /// answered, others rejected.
    ///
    /// # Errors
    /// Returns the error of `out`.
    pub fn push(&mut self, byte: u8, out: &mut impl Write) -> fmt::Result {
        push(self.line, self.dispatcher, self.engine.state(), byte, out)
    }

    /// True if the job is blocked until the host sends more bytes. The program may sleep until the next interrupt.
    pub fn waits(&self) -> bool {
        self.dispatcher.task.as_ref().is_some_and(|task| task.waits)
    }

    /// Generates the next pixel and writes any row that it completes, and the final reply after the last one.
    ///
    /// Returns `false` once the image is done or stopped. While the job waits for bytes, it does nothing and returns
    /// `true`.
    ///
    /// # Errors
    /// Returns the error of `out`.
    pub fn step(&mut self, out: &mut impl Write) -> Result<bool, fmt::Error> {
        // After a `stop`, the task may already belong to the next image and another engine.
        let Some(task) = self.dispatcher.task.as_ref().filter(|task| task.started) else { return Ok(false) };
        if task.waits {
            return Ok(true);
        }
        match self.advance(out) {
            Ok(more) => Ok(more),
            Err(Broken::Out(error)) => Err(error),
            Err(Broken::Error(error)) => {
                self.dispatcher.task = None;
                reply::error(&error, out)?;
                Ok(false)
            }
        }
    }

    fn advance(&mut self, out: &mut impl Write) -> Result<bool, Broken> {
        let step = match &mut self.work {
            Work::Complete => complete(&mut self.engine, self.dispatcher)?,
            Work::Write(writer) => write(writer, &mut self.engine, self.dispatcher, &mut self.written, out)?,
            Work::Read(reader) => read(reader, &mut self.engine, self.dispatcher)?,
            Work::Load(loader) => {
                let step = load(loader, &mut self.engine, self.dispatcher, out)?;
                if matches!(step, Step::Loaded) {
                    self.work = Work::Complete;
                }
                step
            }
        };
        let Dispatcher { task: Some(task), image, .. } = &mut *self.dispatcher else { return Ok(false) };
        let shape = task.model.image();
        let image = image.get_mut(..shape.values()).unwrap_or_default();
        let done = match step {
            Step::Begun | Step::Loaded => false,
            Step::Waits => {
                task.waits = true;
                reply::more(out)?;
                false
            }
            Step::Pixel(pixel) => {
                let from = pixel.row * shape.width + pixel.column;
                let targets = image.iter_mut().skip(from).step_by(shape.height * shape.width);
                for (target, value) in targets.zip(pixel.values) {
                    *target = value;
                }
                task.cost = task.cost.saturating_add(pixel.cost.0);
                task.pixels += 1;
                if pixel.column + 1 == shape.width && shows(task) {
                    reply::row(pixel.row, image, shape, out)?;
                }
                // A compressed image continues past its last pixel with an end marker.
                task.pixels == shape.height * shape.width && task.command != Command::Decompress
            }
            Step::Restored => true,
        };
        if done {
            reply::done(task, image, self.written, out)?;
            self.dispatcher.task = None;
        }
        Ok(!done)
    }
}

/// True for commands that show rows to the host.
fn shows(task: &Task) -> bool {
    !matches!(task.command, Command::Score | Command::Compress)
}

// Not inlined, so that the stack frames of the four kinds of work are never live at the same time.

/// Next pixel for `sample`, `score` and `complete`, which have no, all, or some rows given.
#[inline(never)]
fn complete(engine: &mut Engine<'static, '_>, dispatcher: &mut Dispatcher<'_>) -> Result<Step, Broken> {
    let Dispatcher { task: Some(task), image, .. } = dispatcher else { return Err(Error::Engine.into()) };
    let draw = Sample::new(&mut task.rng, task.temperature);
    let mut source = Complete::new(image, task.model.image(), task.rows, draw);
    let pixel = engine.step(&mut source).map_err(|_| Error::Engine)?;
    Ok(Step::Pixel(pixel.ok_or(Error::Engine)?))
}

/// Writes the header, or else the next pixel, followed by the end after the last pixel.
#[inline(never)]
fn write(
    writer: &mut Option<BlockWriter>,
    engine: &mut Engine<'static, '_>,
    dispatcher: &mut Dispatcher<'_>,
    written: &mut usize,
    out: &mut impl Write,
) -> Result<Step, Broken> {
    let Dispatcher { task: Some(task), image, held, .. } = dispatcher else { return Err(Error::Engine.into()) };
    let mut lines = Lines::new(out, written);
    let step = if let Some(open) = writer {
        let mut segments = Segments::new(held, &mut lines);
        let pixel = open.step(engine, image, &mut segments)?.ok_or(Error::Engine)?;
        let shape = task.model.image();
        if task.pixels + 1 == shape.height * shape.width {
            open.clone().finish(&mut segments)?;
        }
        Step::Pixel(pixel)
    } else {
        Header::new(&task.model, 1).to_bytes().iter().try_for_each(|&byte| lines.put(byte))?;
        let mut segments = Segments::new(held, &mut lines);
        let mut begun = BlockWriter::new(1, &mut segments)?;
        begun.begin(engine, task.label, &mut segments)?;
        *writer = Some(begun);
        Step::Begun
    };
    lines.end()?;
    Ok(step)
}

/// Reads the header, the next pixel, or the end after the last pixel.
#[inline(never)]
fn read(
    reader: &mut Option<BlockReader>,
    engine: &mut Engine<'static, '_>,
    dispatcher: &mut Dispatcher<'_>,
) -> Result<Step, Broken> {
    let Dispatcher { task: Some(task), held, .. } = dispatcher else { return Err(Error::Engine.into()) };
    let mut arrived = Arrived { bytes: held, read: 0, ended: task.ended };
    let result = match reader {
        Some(reader) => reader.step(engine, &mut arrived).map(|restored| {
            restored.map_or(Step::Restored, |restored| {
                task.label = restored.label;
                Step::Pixel(restored.pixel)
            })
        }),
        None => {
            let header = Header::read(&mut arrived).and_then(|header| {
                header.check(&task.model).map_err(BlockError::Container)?;
                Ok(header)
            });
            match header {
                Ok(Header { images: 1, .. }) => {
                    *reader = Some(BlockReader::new(1));
                    Ok(Step::Begun)
                }
                Ok(Header { images: got, .. }) => return Err(Error::Images { got }.into()),
                Err(error) => Err(error),
            }
        }
    };
    let read = arrived.read;
    match result {
        Ok(step) => {
            held.drain(..read);
            if matches!(step, Step::Restored) && !held.is_empty() {
                return Err(Error::Container(ContainerError::Trailing).into());
            }
            Ok(step)
        }
        // The bytes read so far stay buffered, and the pixel is decoded again once all of it has arrived.
        Err(BlockError::Bytes(Starved)) => Ok(Step::Waits),
        Err(BlockError::Container(error)) => Err(Error::Container(error).into()),
        Err(_) => Err(Error::Engine.into()),
    }
}

/// Reads the received part of a saved image. Once complete, shows the rows it contains.
#[inline(never)]
fn load(
    loader: &mut Loader,
    engine: &mut Engine<'static, '_>,
    dispatcher: &mut Dispatcher<'_>,
    out: &mut impl Write,
) -> Result<Step, Broken> {
    let Dispatcher { task: Some(task), image, held, .. } = &mut *dispatcher else { return Err(Error::Engine.into()) };
    let mut arrived = Arrived { bytes: held, read: 0, ended: task.ended };
    let loaded = loader.load(&mut arrived, task, image, engine.state_mut());
    held.clear();
    match loaded {
        Ok(()) => {}
        Err(NotYet::Starved) => return Ok(Step::Waits),
        Err(NotYet::Bad(error)) => return Err(Error::Saved(error).into()),
    }
    engine.resume(task.label, task.pixels).map_err(|_| Error::Engine)?;
    let shape = task.model.image();
    let image = image.get(..shape.values()).unwrap_or_default();
    if shows(task) {
        for row in 0..task.pixels / shape.width {
            reply::row(row, image, shape, out)?;
        }
        let seed = task.seed;
        dispatcher.used(seed);
    }
    Ok(Step::Loaded)
}
