//! Scoring and sampling of whole image sets on all threads, by a blob or by the float reference.

mod draw;

pub(crate) use draw::generate;
pub use draw::{argmax, sample, sample_labelled};

use crate::error::Error;
use crate::images::{ImageSet, Label};
use crate::memory;
use crate::progress::Progress;
use crate::reference::{Reference, likelihood};
use pixelrnn::batched::{Batch, PackedModel, Scorer as RowScorer};
use pixelrnn::blob::Instruction;
use pixelrnn::network::Image;
use pixelrnn::{
    Cost, Distribution, Engine, FromImage, Model, Observer, Position, Registers, SetupError, StepError, SymbolSource,
    Temperature,
};
use rayon::prelude::*;
use std::fmt;

/// A model that scores images: a blob or a trained model.
#[derive(Clone, Copy, Debug)]
pub enum Scorer<'a> {
    /// A blob, run by the engine.
    Engine(Model<'a>),
    /// A trained model, run by the float reference.
    Reference(&'a Reference),
}

/// Score of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Negative log-likelihood in nats.
    pub nats: f64,
    /// The same with each value's probability floored at 2⁻²⁴. Equal to `nats` for a blob.
    pub floored: f64,
    /// Number of values with a probability of 2⁻²⁴ or less.
    pub at_floor: usize,
    /// Logits in nats, `[C, L or 1, H, W]`. Empty unless requested.
    pub logits: Vec<f32>,
    /// Nats of each scale, from the smallest image to the largest. Empty in a model of one scale.
    pub by_scale: Vec<f64>,
}

impl Score {
    /// Score of an image, from its cost.
    fn of(cost: Cost, at_floor: usize) -> Self {
        let nats = cost.nats();
        Self { nats, floored: nats, at_floor, logits: Vec::new(), by_scale: Vec::new() }
    }
}

/// `model` for images of `height` rows and `width` columns.
///
/// # Errors
/// [`Error::Resize`] when the model takes images of its own size alone.
pub fn with_size(model: Model<'_>, [height, width]: [usize; 2]) -> Result<Model<'_>, Error> {
    let Image { height: rows, width: columns, .. } = model.image();
    model.with_size(height, width).map_err(|source| Error::Resize {
        got: [height, width],
        expected: [rows, columns],
        source,
    })
}

impl Scorer<'_> {
    /// Image dimensions of the model.
    pub fn image(&self) -> Image {
        match self {
            Self::Engine(model) => model.image(),
            Self::Reference(reference) => *reference.image(),
        }
    }

    /// Checks that the model takes images of `height` rows and `width` columns.
    ///
    /// # Errors
    /// [`Error::Resize`] and [`Error::ResizeScales`] when it does not.
    pub fn check_size(&self, size: [usize; 2]) -> Result<(), Error> {
        match self {
            Self::Engine(model) => with_size(*model, size).map(drop),
            Self::Reference(reference) => reference.with_size(size[0], size[1]).map(drop),
        }
    }

    /// Logits per channel.
    pub fn logits_per_channel(&self) -> usize {
        let output = match self {
            Self::Engine(model) => model.output(),
            Self::Reference(reference) => reference.output(),
        };
        output.logits_per_channel(self.image().levels)
    }

    /// Scores one image, `[C, H, W]`.
    ///
    /// # Errors
    /// When the image or the label does not fit the model.
    pub fn score(&self, image: &[u8], label: Option<usize>, logits: bool) -> Result<Score, Error> {
        match self {
            Self::Engine(model) => score_engine(*model, image, label, logits),
            Self::Reference(reference) => {
                let (scales, map) = reference.nats_with_logits(image, label)?;
                let sum = |nats: &Vec<f64>| nats.iter().sum::<f64>();
                let by_scale = if scales.len() > 1 { scales.iter().map(sum).collect() } else { Vec::new() };
                let each = scales.concat();
                let nats: f64 = each.iter().sum();
                if !nats.is_finite() {
                    return Err(Error::InfiniteLikelihood);
                }
                let (at_floor, floored) = likelihood::floored(&each);
                let logits = if logits { map.data.iter().map(|x| *x as f32).collect() } else { Vec::new() };
                Ok(Score { nats, floored, at_floor, logits, by_scale })
            }
        }
    }

    /// [`Scorer::score_all`] of sets of different sizes, in order. `labels` are those of all images.
    ///
    /// # Errors
    /// See [`Scorer::score`] and [`Scorer::check_size`].
    pub fn score_sets(
        &self,
        sets: &[ImageSet],
        labels: Option<&[Label]>,
        logits: bool,
        progress: impl Progress,
    ) -> Result<Vec<Score>, Error> {
        let mut scores = Vec::new();
        for set in sets {
            let labels = labels.and_then(|labels| labels.get(scores.len()..scores.len() + set.count));
            let resized;
            let scorer = match self {
                Self::Engine(model) => Scorer::Engine(with_size(*model, [set.height, set.width])?),
                Self::Reference(reference) => {
                    resized = reference.with_size(set.height, set.width)?;
                    Scorer::Reference(&resized)
                }
            };
            scores.extend(scorer.score_all(set, labels, logits, progress)?);
        }
        Ok(scores)
    }

    /// Scores all images of a set that fits the model. `progress` is called once per image, for batched images at the
    /// end of their batch.
    ///
    /// # Errors
    /// See [`Scorer::score`].
    pub fn score_all(
        &self,
        set: &ImageSet,
        labels: Option<&[Label]>,
        logits: bool,
        progress: impl Progress,
    ) -> Result<Vec<Score>, Error> {
        let label_of = |n: usize| labels.and_then(|l| l.get(n)).map(|l| usize::from(*l));
        if let Self::Engine(model) = self
            && !logits
            && let Some(packed) = packed(*model)
        {
            if labels.is_none() && is_sequential(*model) && batch_size(set.count) > 1 {
                return score_batches(&packed, set, progress);
            }
            let start = || RowScorer::new(&packed).map_err(setup_error);
            return (0..set.count)
                .into_par_iter()
                .map_init(start, |scorer, n| {
                    progress.check()?;
                    let scorer = scorer.as_mut().map_err(|error| Error::Engine(error.to_string()))?;
                    let (image, shape) = (set.image(n), model.image());
                    let mut source = Floor::new(FromImage::new(image, shape));
                    let cost = scorer.visit(label_of(n), image, &mut source).map_err(engine_error)?;
                    progress.done();
                    Ok(Score::of(cost, source.values))
                })
                .collect();
        }
        (0..set.count)
            .into_par_iter()
            .map(|n| {
                progress.check()?;
                let score = self.score(set.image(n), label_of(n), logits)?;
                progress.done();
                Ok(score)
            })
            .collect()
    }
}

/// Symbol source that counts the values of the lowest possible probability.
struct Floor<S> {
    source: S,
    values: usize,
}

impl<S> Floor<S> {
    const fn new(source: S) -> Self {
        Self { source, values: 0 }
    }
}

impl<S: SymbolSource> SymbolSource for Floor<S> {
    type Error = S::Error;

    fn temperature(&self) -> Temperature {
        self.source.temperature()
    }

    fn next(&mut self, position: Position, distribution: &Distribution<'_>) -> Result<u8, S::Error> {
        let value = self.source.next(position, distribution)?;
        self.values += usize::from(distribution.frequency(value) <= 1);
        Ok(value)
    }
}

/// Observer that copies the logits of each pixel, if requested.
struct LogitTap {
    last_op: usize,
    /// Logits `[C][L or 1]` of the current pixel.
    pixel: Option<Vec<u32>>,
    logits_per_channel: usize,
    channels_at_once: usize,
}

impl Observer for LogitTap {
    fn after(&mut self, op: usize, channel: usize, _: &Registers<'_>, logits: &[u32]) {
        let each = self.logits_per_channel;
        if let Some(pixel) = self.pixel.as_mut().filter(|_| op == self.last_op) {
            // Without colour groups, one pass gives the logits of all channels.
            let each = each * self.channels_at_once;
            pixel[channel * each..(channel + 1) * each].copy_from_slice(&logits[..each]);
        }
    }
}

/// Step of the engine's logits in nats.
const LOGIT_NATS: f64 = std::f64::consts::LN_2 / 65536.0;

fn score_engine(model: Model<'_>, image: &[u8], label: Option<usize>, logits: bool) -> Result<Score, Error> {
    let shape = model.image();
    if image.len() != shape.values() {
        return Err(Error::ImageLength { got: image.len(), expected: shape.values() });
    }
    let mut state = memory::zeros(model.state_words(), memory::STATE)?;
    let mut engine = Engine::new(model, &mut state).map_err(setup_error)?;
    engine.restart(label).map_err(setup_error)?;
    let each = model.output().logits_per_channel(shape.levels);
    let pixels = shape.height * shape.width;
    let mut all = memory::zeros(if logits { shape.channels * each * pixels } else { 0 }, "the logits")?;
    let mut tap = LogitTap {
        last_op: model.logits_op(),
        pixel: logits.then(|| vec![0; shape.channels * each]),
        logits_per_channel: each,
        channels_at_once: shape.channels / model.groups(),
    };
    let mut source = Floor::new(FromImage::new(image, shape));
    let mut cost = Cost(0);
    while let Some(pixel) = engine.step_observed(&mut source, &mut tap).map_err(engine_error)? {
        cost += pixel.cost;
        for (feature, logit) in tap.pixel.iter().flatten().enumerate() {
            let at = (feature * shape.height + pixel.row) * shape.width + pixel.column;
            all[at] = (f64::from(*logit as i32) * LOGIT_NATS) as f32;
        }
    }
    Ok(Score { logits: all, ..Score::of(cost, source.values) })
}

/// Maximum batch size.
const MAX_BATCH: usize = 64;

/// Approximate limit on the memory of one thread's batch or row: 256 MiB.
const MAX_MEMORY: u64 = 1 << 28;

/// Packs the weights for batched execution. `None` if the model cannot be packed, or if a batch would exceed
/// [`MAX_MEMORY`].
pub(crate) fn packed(model: Model<'_>) -> Option<PackedModel<'_>> {
    let columns = model.image().width.max(MAX_BATCH) as u64;
    // State plus accumulators per column of the batch, one accumulator per register byte.
    let per_column = 4 * model.state_words() as u64 + 4 * u64::from(model.header().register_bytes);
    let fits = per_column * columns <= MAX_MEMORY;
    fits.then(|| PackedModel::new(model)).flatten()
}

/// True if rows cannot be computed at once: the state of a Diagonal BiLSTM passes from pixel to pixel.
fn is_sequential(model: Model<'_>) -> bool {
    model.instructions().flatten().any(|op| matches!(op, Instruction::DiagonalLeft(_)))
}

/// Batch size for `count` images: large enough to share each read of the weights, small enough to give every thread a
/// batch.
pub(crate) fn batch_size(count: usize) -> usize {
    count.div_ceil(rayon::current_num_threads()).clamp(1, MAX_BATCH)
}

/// Runs a batch of images, one source each, and returns their costs.
fn run_batch<S: SymbolSource<Error: fmt::Display>>(
    packed: &PackedModel<'_>,
    label: Option<usize>,
    sources: &mut [S],
    out: &mut [u8],
) -> Result<Vec<Cost>, Error> {
    let mut costs = vec![Cost(0); sources.len()];
    let mut batch = Batch::new(packed, sources.len()).map_err(setup_error)?;
    batch.run(label, sources, out, &mut costs).map_err(engine_error)?;
    Ok(costs)
}

/// Scores the images of a set in batches.
fn score_batches(packed: &PackedModel<'_>, set: &ImageSet, progress: impl Progress) -> Result<Vec<Score>, Error> {
    let (shape, size) = (packed.model().image(), batch_size(set.count));
    let batches = (0..set.count).step_by(size).collect::<Vec<_>>();
    let scores = batches.into_par_iter().map(|first| {
        progress.check()?;
        let numbers = first..set.count.min(first + size);
        let mut out = memory::zeros(numbers.len() * shape.values(), memory::IMAGES)?;
        let mut sources: Vec<_> = numbers.map(|n| Floor::new(FromImage::new(set.image(n), shape))).collect();
        let costs = run_batch(packed, None, &mut sources, &mut out)?;
        let scores = costs.into_iter().zip(sources).map(|(cost, source)| {
            progress.done();
            Score::of(cost, source.values)
        });
        Ok::<_, Error>(scores.collect::<Vec<_>>())
    });
    Ok(scores.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Converts an error during an image.
pub(crate) fn engine_error<E: fmt::Display>(error: StepError<E>) -> Error {
    match error {
        StepError::Setup(error) => setup_error(error),
        other => Error::Engine(other.to_string()),
    }
}

/// Converts an error during set-up.
pub(crate) fn setup_error(error: SetupError) -> Error {
    match error {
        SetupError::Label { classes, got: Some(got) } => Error::Label { got, classes },
        SetupError::Label { classes, got: None } => Error::NoLabel { classes },
        other => Error::Engine(other.to_string()),
    }
}
