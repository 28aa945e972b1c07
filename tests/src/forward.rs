//! Runs of the engine over whole images, with logits.

use pixelrnn::kernels::{Kernel, Native};
use pixelrnn::network::{Image, Output};
use pixelrnn::{Cost, Engine, FromImage, Model, Observer, Pixel, Plan, Registers, Sample, SymbolSource, Temperature};
use std::fmt::Debug;

/// All plans. They produce identical bytes.
pub const PLANS: [Plan; 2] = [Plan::Pixel, Plan::Row];

/// Result of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Image values, `[C, H, W]`.
    pub image: Vec<u8>,
    /// Engine logits, `[C, L or 1, H, W]`.
    pub logits: Vec<i32>,
    /// Total cost.
    pub cost: Cost,
}

/// Writes a pixel into an image, `[C, H, W]`.
pub fn put(pixel: &Pixel, shape: Image, image: &mut [u8]) {
    for (channel, value) in pixel.values.iter().enumerate().take(shape.channels) {
        image[(channel * shape.height + pixel.row) * shape.width + pixel.column] = *value;
    }
}

/// Observer that records the logits of a pixel.
struct Tap {
    last_op: usize,
    /// `[C][L or 1]`.
    pixel: Vec<i32>,
    logits_per_channel: usize,
    channels_at_once: usize,
}

impl Observer for Tap {
    fn after(&mut self, op: usize, channel: usize, _: &Registers<'_>, logits: &[u32]) {
        if op == self.last_op {
            // Without colour groups, one pass gives the logits of all channels.
            let each = self.logits_per_channel * self.channels_at_once;
            let channel = &mut self.pixel[channel * each..(channel + 1) * each];
            for (to, from) in channel.iter_mut().zip(logits) {
                *to = *from as i32;
            }
        }
    }
}

/// Runs `engine` over one image with values from `source`.
///
/// # Panics
/// Panics if the engine fails.
pub fn run<S, K: Kernel>(engine: &mut Engine<'_, '_, K>, label: Option<usize>, mut source: S) -> Pass
where
    S: SymbolSource<Error: Debug>,
{
    let model = *engine.model();
    let shape = model.image();
    let pixels = shape.height * shape.width;
    let logits_per_channel = if model.output() == Output::Softmax { shape.levels } else { 1 };
    let mut tap = Tap {
        last_op: model.logits_op(),
        pixel: vec![0; shape.channels * logits_per_channel],
        logits_per_channel,
        channels_at_once: shape.channels / model.groups(),
    };
    let mut pass = Pass {
        image: vec![0; shape.values()],
        logits: vec![0; shape.channels * logits_per_channel * pixels],
        cost: Cost(0),
    };
    engine.restart(label).expect("the label fits");
    while let Some(pixel) = engine.step_observed(&mut source, &mut tap).expect("a step") {
        let at = pixel.row * shape.width + pixel.column;
        pass.cost += pixel.cost;
        for (feature, logit) in tap.pixel.iter().enumerate() {
            pass.logits[feature * pixels + at] = *logit;
        }
        for channel in 0..shape.channels {
            pass.image[channel * pixels + at] = pixel.values[channel];
        }
    }
    pass
}

/// Creates an engine with `plan`.
///
/// # Panics
/// Panics if `state` is too small.
pub fn engine<'m, 'b>(model: Model<'m>, state: &'b mut [u32], plan: Plan) -> Engine<'m, 'b> {
    let kernel = Native::from_env().unwrap_or_else(|error| panic!("{error}"));
    Engine::with(model, state, kernel, plan).expect("a buffer of the right size")
}

/// Scores `image`.
///
/// # Panics
/// Panics if the engine fails.
pub fn score(model: Model<'_>, image: &[u8], label: Option<usize>) -> Pass {
    score_under(Plan::Pixel, model, image, label)
}

/// Scores `image` with `plan`.
///
/// # Panics
/// Panics if the engine fails.
pub fn score_under(plan: Plan, model: Model<'_>, image: &[u8], label: Option<usize>) -> Pass {
    let mut state = vec![0; model.state_words_for(plan)];
    run(&mut engine(model, &mut state, plan), label, FromImage::new(image, model.image()))
}

/// Samples an image at a temperature of `milli` thousandths.
///
/// # Panics
/// Panics if the engine fails or the temperature is out of range.
pub fn sample(model: Model<'_>, seed: u64, milli: u32, label: Option<usize>) -> Pass {
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).expect("a buffer of the right size");
    run(&mut engine, label, Sample::seeded(seed, temperature(milli)))
}

/// Temperature of `milli` thousandths.
///
/// # Panics
/// Panics if it is out of range.
pub fn temperature(milli: u32) -> Temperature {
    Temperature::from_milli(milli).expect("a temperature in range")
}

/// Normalizes logits `[C, L or 1, H, W]` for comparison. A blob leaves a constant per softmax undetermined, so the
/// largest logit becomes 0.
pub fn relative(model: Model<'_>, logits: &[f64]) -> Vec<f64> {
    let (shape, logits_per_channel) = (model.image(), model.output().logits_per_channel(model.image().levels));
    let pixels = shape.height * shape.width;
    let at = |index: usize| {
        let (value, pixel) = (index / (logits_per_channel * pixels), index % pixels);
        let levels = (0..logits_per_channel).map(|level| logits[(value * logits_per_channel + level) * pixels + pixel]);
        let top = if model.output() == Output::Softmax { levels.fold(f64::NEG_INFINITY, f64::max) } else { 0.0 };
        logits[index] - top
    };
    (0..logits.len()).map(at).collect()
}
