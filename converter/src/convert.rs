//! From a trained model to a blob, with the images that calibrate it.

use crate::blob::Blob;
use crate::error::Error;
use crate::fold::fold_batch_norms;
use crate::images::{ImageSet, Label, Range};
use crate::quantize::{Activations, Method, Numbers, Observed, observe, quantize};
use crate::reference::Reference;
use crate::run::{Scorer, sample};
use crate::trained::TrainedModel;
use pixelrnn::Temperature;
use pixelrnn::blob::Weights;
use rand_core::Rng;
use std::borrow::Cow;

/// The images that ranges are taken from.
#[derive(Clone, Debug)]
pub enum Calibration {
    /// Given images that fit the model, of which `count` are used, spread evenly.
    Images {
        /// The images.
        set: ImageSet,
        /// A label for each, where the model has classes.
        labels: Option<Vec<Label>>,
        /// How many to use.
        count: usize,
    },
    /// None are given: the model is quantized on noise, draws images, and is quantized again on those.
    OwnSamples {
        /// How many to draw.
        count: usize,
    },
}

/// A blob, and what quantization cost on the calibration images.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The blob.
    pub blob: Blob,
    /// Calibration images used.
    pub images: usize,
    /// Nats an image by the float reference.
    pub float_nats: f64,
    /// Nats an image by the blob.
    pub quantized_nats: f64,
}

impl Converted {
    /// The share of the float model's nats that quantization added.
    pub fn loss(&self) -> f64 {
        (self.quantized_nats - self.float_nats) / self.float_nats.max(1e-9)
    }
}

/// A model and what it does on the calibration images: all that blobs of any numbers are made from.
#[derive(Clone, Debug)]
pub struct Calibrated<'a> {
    trained: Cow<'a, TrainedModel>,
    set: ImageSet,
    labels: Option<Vec<Label>>,
    seen: Observed,
    method: Method,
    float_nats: f64,
}

impl<'a> Calibrated<'a> {
    /// Runs the float reference over the calibration images; `method` says how the ranges of 8-bit activations follow.
    ///
    /// `progress` is called once a calibration image.
    ///
    /// # Errors
    /// When the images do not fit, or the model has something that the engine does not have.
    pub fn new(
        trained: &'a TrainedModel,
        calibration: &Calibration,
        method: Method,
        progress: impl Fn() + Sync,
    ) -> Result<Self, Error> {
        let trained = fold_batch_norms(trained)?;
        let reference = Reference::new(&trained);
        let see = |set: &ImageSet, labels: Option<&[Label]>| {
            observe(&trained, &reference, &set.iter().collect::<Vec<_>>(), labels, &progress)
        };
        let (set, labels) = match calibration {
            Calibration::Images { set, labels, count } => spread(set, labels.as_deref(), *count),
            Calibration::OwnSamples { count } => {
                let (noise, labels) = noise(&trained, *count)?;
                let seen = see(&noise, labels.as_deref())?;
                let draft = quantize(&trained, Numbers::Int8 { seen: &seen, method, activations: Activations::Bits8 })?;
                (own_samples(&draft, *count, trained.description().classes)?, labels)
            }
        };
        let seen = see(&set, labels.as_deref())?;
        let float_nats = mean_nats(Scorer::Reference(&reference), &set, labels.as_deref())?;
        Ok(Self { trained, set, labels, seen, method, float_nats })
    }

    /// Makes a blob of the given numbers, and scores the calibration images with it.
    ///
    /// # Errors
    /// When the model has something that the engine does not have, or numbers that those of the blob cannot hold.
    pub fn convert(&self, weights: Weights) -> Result<Converted, Error> {
        let int8 = |activations| Numbers::Int8 { seen: &self.seen, method: self.method, activations };
        let numbers = match weights {
            Weights::I8 => int8(Activations::Bits8),
            Weights::I8A16 => int8(Activations::Bits16),
            Weights::F16 => Numbers::F16,
            Weights::F32 => Numbers::F32,
        };
        let blob = quantize(&self.trained, numbers)?;
        let quantized_nats = mean_nats(Scorer::Engine(blob.model()?), &self.set, self.labels.as_deref())?;
        Ok(Converted { blob, images: self.set.count, float_nats: self.float_nats, quantized_nats })
    }
}

/// Makes a blob of `trained`: [`Calibrated::new`], then [`Calibrated::convert`].
///
/// # Errors
/// As those.
pub fn convert(
    trained: &TrainedModel,
    calibration: &Calibration,
    weights: Weights,
    method: Method,
    progress: impl Fn() + Sync,
) -> Result<Converted, Error> {
    Calibrated::new(trained, calibration, method, progress)?.convert(weights)
}

/// A blob of f32 weights, in which the engine draws from a trained model far sooner than the reference would.
///
/// # Errors
/// When the model has something that the engine does not have.
pub fn float_blob(trained: &TrainedModel) -> Result<Blob, Error> {
    let folded = fold_batch_norms(trained)?;
    quantize(&folded, Numbers::F32)
}

fn mean_nats(scorer: Scorer<'_>, set: &ImageSet, labels: Option<&[Label]>) -> Result<f64, Error> {
    let scores = scorer.score_all(set, labels, false, || ())?;
    Ok(scores.iter().map(|s| s.nats).sum::<f64>() / scores.len().max(1) as f64)
}

/// `count` of the images, at even distances.
fn spread(set: &ImageSet, labels: Option<&[Label]>, count: usize) -> (ImageSet, Option<Vec<Label>>) {
    let numbers = set.spread(count);
    let labels = labels.map(|labels| numbers.iter().map(|n| labels[*n]).collect());
    (set.picked(&numbers), labels)
}

fn noise(trained: &TrainedModel, count: usize) -> Result<(ImageSet, Option<Vec<Label>>), Error> {
    let description = trained.description();
    let image = description.image;
    let mut rng: pixelrnn::DefaultRng = rand_core::SeedableRng::seed_from_u64(0);
    let data = (0..count * image.values()).map(|_| ((u64::from(rng.next_u32()) * image.levels as u64) >> 32) as u8);
    let set = ImageSet::new([image.channels, image.height, image.width], data.collect(), Range::Levels)?;
    let labels = (description.classes > 0).then(|| (0..count).map(|n| (n % description.classes) as Label).collect());
    Ok((set, labels))
}

/// Images drawn from a blob, class by class in turn as [`noise`] labels them.
fn own_samples(blob: &Blob, count: usize, classes: usize) -> Result<ImageSet, Error> {
    let model = blob.model()?;
    if classes == 0 {
        return sample(model, count, 0, Temperature::ONE, None, || ());
    }
    let image = model.image();
    let mut data = Vec::with_capacity(count * image.values());
    for n in 0..count {
        data.extend(sample(model, 1, n as u64, Temperature::ONE, Some(n % classes), || ())?.data);
    }
    ImageSet::new([image.channels, image.height, image.width], data, Range::Levels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Description;
    use crate::testing::{GRAY, preset, random_model};
    use pixelrnn::model::{Architecture, Preset};

    #[test]
    fn own_samples_go_through_more_than_256_classes() {
        let image = pixelrnn::model::Image { height: 1, width: 2, ..GRAY };
        let preset = Preset { classes: 300, layers: 1, ..preset(Architecture::PixelCnn, image) };
        let trained = random_model(&Description::from(preset), 1);
        let labels = noise(&trained, 301).unwrap().1.unwrap();
        assert_eq!(labels, (0..300).chain([0]).collect::<Vec<_>>());
        // Each class draws with its own bias: what it draws is what the engine draws of it alone.
        let blob = float_blob(&trained).unwrap();
        let drawn = own_samples(&blob, 300, 300).unwrap();
        let last = sample(blob.model().unwrap(), 1, 299, Temperature::ONE, Some(299), || ()).unwrap();
        assert_eq!(drawn.image(299), last.image(0));
    }
}
