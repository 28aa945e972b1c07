//! The engine from outside: whole images with their logits.

use pixelrnn::kernels::{Kernel, Native};
use pixelrnn::network::{Image, Output};
use pixelrnn::{Cost, Engine, FromImage, Model, Observer, Pixel, Plan, Registers, Sample, SymbolSource, Temperature};
use std::fmt::Debug;

/// All plans: they give the same bytes.
pub const PLANS: [Plan; 2] = [Plan::Pixel, Plan::Row];

/// What an engine made of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The image, `[C, H, W]`.
    pub image: Vec<u8>,
    /// Its logits as the engine holds them, `[C, L or 1, H, W]`.
    pub logits: Vec<i32>,
    /// Its cost in units of 2⁻²⁴ bit.
    pub cost: Cost,
}

/// Puts a pixel where it belongs in an image, `[C, H, W]`.
pub fn put(pixel: &Pixel, shape: Image, image: &mut [u8]) {
    for (channel, value) in pixel.values.iter().enumerate().take(shape.channels) {
        image[(channel * shape.height + pixel.row) * shape.width + pixel.column] = *value;
    }
}

/// Keeps a pixel's logits.
struct Tap {
    last_op: usize,
    /// `[C][L or 1]`.
    pixel: Vec<i32>,
    each: usize,
}

impl Observer for Tap {
    fn after(&mut self, op: usize, channel: usize, _: &Registers<'_>, logits: &[u32]) {
        if op == self.last_op {
            let channel = &mut self.pixel[channel * self.each..(channel + 1) * self.each];
            for (to, from) in channel.iter_mut().zip(logits) {
                *to = *from as i32;
            }
        }
    }
}

/// Runs `engine` over one image whose values come from `source`.
///
/// # Panics
/// When the engine fails.
pub fn walk<S, K: Kernel>(engine: &mut Engine<'_, '_, K>, label: Option<usize>, mut source: S) -> Walk
where
    S: SymbolSource<Error: Debug>,
{
    let model = *engine.model();
    let shape = model.image();
    let pixels = shape.height * shape.width;
    let each = if model.output() == Output::Softmax { shape.levels } else { 1 };
    let mut tap = Tap { last_op: model.instructions().len() - 1, pixel: vec![0; shape.channels * each], each };
    let mut walk =
        Walk { image: vec![0; shape.values()], logits: vec![0; shape.channels * each * pixels], cost: Cost(0) };
    engine.restart(label).expect("the label fits");
    while let Some(pixel) = engine.step_observed(&mut source, &mut tap).expect("a step") {
        let at = pixel.row * shape.width + pixel.column;
        walk.cost += pixel.cost;
        for (feature, logit) in tap.pixel.iter().enumerate() {
            walk.logits[feature * pixels + at] = *logit;
        }
        for channel in 0..shape.channels {
            walk.image[channel * pixels + at] = pixel.values[channel];
        }
    }
    walk
}

/// An engine under `plan`.
///
/// # Panics
/// When `state` is too small.
pub fn engine<'m, 'b>(model: Model<'m>, state: &'b mut [u32], plan: Plan) -> Engine<'m, 'b> {
    let kernel = Native::from_env().unwrap_or_else(|error| panic!("{error}"));
    Engine::with(model, state, kernel, plan).expect("a buffer of the right size")
}

/// Scores `image` in a buffer of its own.
///
/// # Panics
/// When the engine fails.
pub fn score(model: Model<'_>, image: &[u8], label: Option<usize>) -> Walk {
    score_under(Plan::Pixel, model, image, label)
}

/// Scores `image` in a buffer of its own, under `plan`.
///
/// # Panics
/// When the engine fails.
pub fn score_under(plan: Plan, model: Model<'_>, image: &[u8], label: Option<usize>) -> Walk {
    let mut state = vec![0; model.state_words_for(plan)];
    walk(&mut engine(model, &mut state, plan), label, FromImage::new(image, model.image()))
}

/// Draws an image at a temperature of `milli` thousandths, in a buffer of its own.
///
/// # Panics
/// When the engine fails or there is no such temperature.
pub fn sample(model: Model<'_>, seed: u64, milli: u32, label: Option<usize>) -> Walk {
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).expect("a buffer of the right size");
    walk(&mut engine, label, Sample::seeded(seed, temperature(milli)))
}

/// The temperature of `milli` thousandths.
///
/// # Panics
/// When there is none.
pub fn temperature(milli: u32) -> Temperature {
    Temperature::from_milli(milli).expect("a temperature in range")
}

/// Logits `[C, L or 1, H, W]` with what a blob leaves open taken off: of a softmax, the largest of a value's is 0.
pub fn relative(model: Model<'_>, logits: &[f64]) -> Vec<f64> {
    let (shape, each) = (model.image(), model.output().logits_per_channel(model.image().levels));
    let pixels = shape.height * shape.width;
    let at = |place: usize| {
        let (value, pixel) = (place / (each * pixels), place % pixels);
        let levels = (0..each).map(|level| logits[(value * each + level) * pixels + pixel]);
        let top = if model.output() == Output::Softmax { levels.fold(f64::NEG_INFINITY, f64::max) } else { 0.0 };
        logits[place] - top
    };
    (0..logits.len()).map(at).collect()
}
