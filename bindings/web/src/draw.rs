//! Drawing: whole images in batches, or one image pixel by pixel.
#![forbid(unsafe_code)]

use crate::app::{App, BATCH, check_size};
use crate::error::{Failure, zeros};
use crate::source::{Draw, Plan};
use pixelrnn::kernels::Native;
use pixelrnn::{Cost, Engine, Plan as Order, StepError};
use std::fmt::Display;

/// Images that may be drawn pixel by pixel at a time.
const MAX_DRAWINGS: usize = 4096;

/// Image that is being drawn pixel by pixel. The engine is made anew at each step, in the state of the last one.
pub struct Drawing {
    state: Vec<u32>,
    position: usize,
    label: Option<usize>,
    source: Draw<Vec<u8>>,
}

/// The failure of an engine whose source is an image of the caller.
pub fn step_failure<E: Display>(error: StepError<E>) -> Failure {
    match error {
        StepError::Value { .. } | StepError::Source(_) => Failure::new("image", error),
        StepError::Setup(pixelrnn::SetupError::Label { .. }) => Failure::new("label", error),
        _ => Failure::engine(error),
    }
}

impl App {
    /// The given rows of a drawing: one image in the input, or nothing if no row is given.
    fn given(&mut self, rows: usize) -> Result<Vec<u8>, Failure> {
        let given = self.take_input();
        let expected = if rows > 0 { self.loaded()?.image().values() } else { 0 };
        if given.len() != expected {
            let what = format!("the given image has {} values, the model's has {expected}", given.len());
            return Err(Failure::new("image", what));
        }
        Ok(given)
    }

    /// Draws whole images; see [`crate::draw`].
    ///
    /// # Errors
    /// An argument does not fit the model, or there is not enough memory.
    pub fn draw(&mut self, count: usize, plan: &Plan, label: Option<usize>) -> Result<(), Failure> {
        let given = self.given(plan.rows)?;
        let loaded = self.loaded()?;
        loaded.check_label(label)?;
        let image = loaded.image();
        let values = image.values();
        let mut output: Vec<u8> = zeros(check_size(count, image)? + 8 * count, "the images")?;
        let (nats, images) = output.split_at_mut(8 * count);
        let mut costs = [Cost(0); BATCH];
        for first in (0..count).step_by(BATCH) {
            let some = BATCH.min(count - first);
            let out = images.get_mut(first * values..(first + some) * values).unwrap_or_default();
            let mut sources = Vec::with_capacity(some);
            for n in first..first + some {
                sources.push(plan.source(n, given.as_slice(), image)?);
            }
            let costs = costs.get_mut(..some).unwrap_or_default();
            if let Some(batch) = loaded.batch(some)? {
                batch.run(label, &mut sources, out, costs).map_err(step_failure)?;
            } else {
                loaded.engine(|mut engine| {
                    for ((source, out), cost) in sources.iter_mut().zip(out.chunks_exact_mut(values)).zip(&mut *costs) {
                        *cost = engine.run(label, source, out).map_err(step_failure)?;
                    }
                    Ok(())
                })?;
            }
            for (cost, nats) in costs.iter().zip(nats.chunks_exact_mut(8).skip(first)) {
                nats.copy_from_slice(&cost.nats().to_le_bytes());
            }
        }
        self.output = output;
        Ok(())
    }

    /// Begins an image; see [`crate::begin`].
    ///
    /// # Errors
    /// An argument does not fit the model, there is not enough memory, or too many images are being drawn.
    pub fn begin(&mut self, plan: &Plan, label: Option<usize>) -> Result<i32, Failure> {
        let given = self.given(plan.rows)?;
        let loaded = self.loaded()?;
        loaded.check_label(label)?;
        let source = plan.source(0, given, loaded.image())?;
        let state = zeros(loaded.model.state_words(), "the state of the model")?;
        let drawing = Drawing { state, position: 0, label, source };
        let free = self.drawings.iter().position(Option::is_none);
        let number = free.unwrap_or(self.drawings.len());
        match self.drawings.get_mut(number) {
            Some(place) => *place = Some(drawing),
            None if number < MAX_DRAWINGS => self.drawings.push(Some(drawing)),
            None => return Err(Failure::new("argument", format!("{MAX_DRAWINGS} images are being drawn already"))),
        }
        Ok(number as i32)
    }

    /// Draws further pixels of an image; see [`crate::step`].
    ///
    /// # Errors
    /// There is no image of that number, or a value of the given image is no level.
    pub fn step(&mut self, number: usize, pixels: usize) -> Result<i32, Failure> {
        let model = self.loaded()?.model;
        let drawing = self.drawings.get_mut(number).and_then(Option::as_mut);
        let drawing = drawing.ok_or_else(|| Failure::new("argument", "the image was ended"))?;
        let channels = model.image().channels;
        let mut engine =
            Engine::with(model, &mut drawing.state, Native::default(), Order::Pixel).map_err(Failure::engine)?;
        engine.resume(drawing.label, drawing.position).map_err(Failure::engine)?;
        let mut drawn = 0;
        while drawn < pixels {
            let Some(pixel) = engine.step(&mut drawing.source).map_err(step_failure)? else { break };
            self.output.extend((pixel.cost.nats() as f32).to_le_bytes());
            let mut values = [0; 4];
            for (to, value) in values.iter_mut().zip(pixel.values.iter().take(channels)) {
                *to = *value;
            }
            self.output.extend(values);
            drawn += 1;
        }
        drawing.position = engine.position();
        Ok(drawn as i32)
    }

    /// Frees an image.
    pub fn end(&mut self, number: usize) {
        if let Some(drawing) = self.drawings.get_mut(number) {
            *drawing = None;
        }
    }
}
