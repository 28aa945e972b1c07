//! Conversion of a trained model to a blob, with calibration.

use crate::blob::Blob;
use crate::error::Error;
use crate::fold::fold_batch_norms;
use crate::images::{ImageSet, Label};
use crate::progress::Progress;
use crate::quantize::{Activations, Method, Numbers, Observed, observe, one_scale, quantize};
use crate::reference::Reference;
use crate::run::{Scorer, sample, sample_labelled};
use crate::trained::TrainedModel;
use pixelrnn::Temperature;
use pixelrnn::blob::NumberFormat;
use std::borrow::Cow;

/// Calibration images.
#[derive(Clone, Debug)]
pub enum Calibration {
    /// `count` of the given images, evenly spaced. The images must fit the model.
    Images {
        /// The images.
        set: ImageSet,
        /// Labels of the images, for a model with classes.
        labels: Option<Vec<Label>>,
        /// Number of images to use.
        count: usize,
    },
    /// Samples of the float model.
    OwnSamples {
        /// Number of samples.
        count: usize,
    },
}

/// A blob, with its quantization loss on the calibration images.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The blob.
    pub blob: Blob,
    /// Number of calibration images used.
    pub images: usize,
    /// Mean nats per image of the float reference, probabilities floored at 2⁻²⁴ as in a blob.
    pub float_nats: f64,
    /// Mean nats per image of the blob.
    pub quantized_nats: f64,
    /// Mean absolute difference between the two, per image.
    pub apart: f64,
    /// Warnings about the coverage of the calibration images and about indistinct levels.
    pub notes: Vec<String>,
}

/// Nats per image below which a relative loss is meaningless.
const MEANINGFUL_NATS: f64 = 0.5;

impl Converted {
    /// Mean increase in nats per image.
    pub fn lost(&self) -> f64 {
        self.quantized_nats - self.float_nats
    }

    /// Mean absolute difference as a share of the float model's nats. `None` if these are close to 0.
    ///
    /// Differences are absolute per image: gains on some images do not offset losses on others.
    pub fn loss(&self) -> Option<f64> {
        (self.float_nats >= MEANINGFUL_NATS).then(|| self.apart / self.float_nats)
    }

    /// Loss and remedy as a message, if the loss exceeds [`ACCEPTED_LOSS`].
    ///
    /// # Errors
    /// When the blob is invalid.
    pub fn advice(&self, calibrated: bool) -> Result<Option<String>, Error> {
        if self.is_within(ACCEPTED_LOSS) {
            return Ok(None);
        }
        let what = if self.lost() < -self.apart / 2.0 {
            "costs fewer nats than the float model, but not because it is better: its probabilities differ"
        } else {
            "differs from the float model"
        };
        let next = match self.blob.model()?.weights() {
            NumberFormat::I8 if !calibrated => {
                "give --calibrate images like those that it was trained on, or try --activations 16"
            }
            NumberFormat::I8 => "try --activations 16, other or more --calibrate images, or --ranges mse",
            NumberFormat::I8A16 => "try other or more --calibrate images, --ranges min-max, or --weights f16",
            NumberFormat::F16 => "try --weights f32",
            NumberFormat::F32 => "`verify` shows in which op",
        };
        Ok(Some(format!("the blob {what}, by {:.4} nats per image on average: {next}", self.apart)))
    }

    /// True if the mean absolute difference is at most `share` of the float model's nats, or at most [`HARMLESS_NATS`].
    pub fn is_within(&self, share: f64) -> bool {
        self.apart <= (share * self.float_nats).max(HARMLESS_NATS)
    }
}

/// Accepted mean absolute difference, as a share of the float model's nats. Above it, `auto` tries 16-bit activations
/// and the loss is reported.
pub const ACCEPTED_LOSS: f64 = 0.01;

/// Mean absolute difference in nats that is always accepted.
pub const HARMLESS_NATS: f64 = 0.01;

/// A calibrated model, from which blobs of any number format are made.
#[derive(Clone, Debug)]
pub struct Calibrated<'a> {
    trained: Cow<'a, TrainedModel>,
    set: ImageSet,
    labels: Option<Vec<Label>>,
    seen: Observed,
    method: Method,
    /// Nats of each image by the float reference.
    float_nats: Vec<f64>,
}

impl<'a> Calibrated<'a> {
    /// Runs the float reference over the calibration images. `method` chooses the ranges of 8-bit activations.
    ///
    /// `progress` is called once per calibration image.
    ///
    /// # Errors
    /// When the images do not fit the model, and when the engine lacks an op.
    pub fn new(
        trained: &'a TrainedModel,
        calibration: &Calibration,
        method: Method,
        progress: impl Progress,
    ) -> Result<Self, Error> {
        one_scale(trained)?;
        let trained = fold_batch_norms(trained)?;
        let reference = Reference::new(&trained);
        let (set, labels) = match calibration {
            Calibration::Images { set, labels, count } => spread(set, labels.as_deref(), *count),
            // Sampled from the float model: samples of an integer blob would reflect that blob's clamping.
            Calibration::OwnSamples { count } => own_samples(&trained, *count, progress)?,
        };
        let seen = observe(&trained, &reference, &set.iter().collect::<Vec<_>>(), labels.as_deref(), progress)?;
        let float_nats = nats(Scorer::Reference(&reference), &set, labels.as_deref())?;
        Ok(Self { trained, set, labels, seen, method, float_nats })
    }

    /// Converts the model to `weights` and scores the calibration images with the blob.
    ///
    /// # Errors
    /// When the engine lacks an op, and when a value does not fit the number format.
    pub fn convert(&self, weights: NumberFormat) -> Result<Converted, Error> {
        let int8 = |activations| Numbers::Int8 { seen: &self.seen, method: self.method, activations };
        let numbers = match weights {
            NumberFormat::I8 => int8(Activations::Bits8),
            NumberFormat::I8A16 => int8(Activations::Bits16),
            NumberFormat::F16 => Numbers::F16,
            NumberFormat::F32 => Numbers::F32,
        };
        let blob = quantize(&self.trained, numbers)?;
        let quantized = nats(Scorer::Engine(blob.model()?), &self.set, self.labels.as_deref())?;
        let apart = self.float_nats.iter().zip(&quantized).map(|(a, b)| (a - b).abs()).sum::<f64>();
        Ok(Converted {
            images: self.set.count,
            float_nats: mean(&self.float_nats),
            quantized_nats: mean(&quantized),
            apart: apart / self.set.count.max(1) as f64,
            notes: self.notes(&blob)?,
            blob,
        })
    }

    /// Converts to 8-bit weights with 8-bit activations if their loss is accepted, else with the better of 8- and
    /// 16-bit activations. Returns a message if 16 bits were chosen or could not be.
    ///
    /// # Errors
    /// See [`Calibrated::convert`], when neither format holds the model's values.
    pub fn auto(&self) -> Result<(Converted, Option<String>), Error> {
        let narrow = match self.convert(NumberFormat::I8) {
            Ok(narrow) if narrow.is_within(ACCEPTED_LOSS) => return Ok((narrow, None)),
            narrow => narrow,
        };
        match (narrow, self.convert(NumberFormat::I8A16)) {
            // Wider activations do not help when the rounding of the weights dominates the loss.
            (Ok(narrow), Ok(wide)) if wide.apart >= narrow.apart => Ok((narrow, None)),
            (Ok(narrow), Ok(wide)) => {
                let why = format!(
                    "activations get 16 bits: with 8 the nats of the calibration images would change by {:.4}, with 16 by {:.4}",
                    narrow.apart, wide.apart
                );
                Ok((wide, Some(why)))
            }
            (Err(refused), Ok(wide)) => Ok((
                wide,
                Some(format!("activations get 16 bits, because 8 cannot hold the model's values: {refused}")),
            )),
            (Ok(narrow), Err(refused)) => Ok((
                narrow,
                Some(format!("activations get 8 bits, because 16 cannot hold the model's values: {refused}")),
            )),
            (Err(refused), Err(_)) => Err(refused),
        }
    }

    /// Warnings: classes or ops that the calibration images do not cover, and levels with equal activations.
    fn notes(&self, blob: &Blob) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        let classes = self.trained.description().classes;
        if let Some(labels) = &self.labels {
            let missing: Vec<_> = (0..classes).filter(|k| labels.iter().all(|l| usize::from(*l) != *k)).collect();
            if let [first, ..] = missing[..] {
                notes.push(format!(
                    "{} of {classes} classes, such as class {first}, are missing in the {} calibration images: their values may \
                     exceed the calibrated ranges",
                    missing.len(),
                    labels.len()
                ));
            }
        }
        if blob.model()?.weights().is_integer() {
            let constant = |node: &&pixelrnn::network::Node| {
                let seen = &self.seen.values[node.output];
                seen.min >= seen.max
            };
            let constant: Vec<_> =
                self.trained.nodes().iter().filter(|n| !n.name.is_empty()).filter(constant).collect();
            if let [first, ..] = constant[..] {
                notes.push(format!(
                    "{} ops, such as `{}`, are constant on all calibration images: they are dead, or the images are too \
                     similar for calibration",
                    constant.len(),
                    first.name
                ));
            }
        }
        if let Some((a, b)) = same_activations(&blob.model()?) {
            notes.push(format!(
                "levels {a} and {b} of an image have the same 8-bit activation: --activations 16 distinguishes all levels"
            ));
        }
        Ok(notes)
    }
}

/// First two adjacent levels that the input table maps to the same activation.
fn same_activations(model: &pixelrnn::Model<'_>) -> Option<(usize, usize)> {
    let size = model.weights().activation_bytes();
    let table = model.input_table();
    let entries: Vec<_> = table.chunks_exact(size).collect();
    entries.windows(2).position(|pair| pair[0] == pair[1]).map(|v| (v, v + 1))
}

/// Calibrates and converts in one call: [`Calibrated::new`], then [`Calibrated::convert`].
///
/// # Errors
/// See both.
pub fn convert(
    trained: &TrainedModel,
    calibration: &Calibration,
    weights: NumberFormat,
    method: Method,
    progress: impl Progress,
) -> Result<Converted, Error> {
    Calibrated::new(trained, calibration, method, progress)?.convert(weights)
}

/// Blob of f32 weights. Sampling from it is far faster than with the reference.
///
/// # Errors
/// When the engine lacks an op.
pub fn float_blob(trained: &TrainedModel) -> Result<Blob, Error> {
    one_scale(trained)?;
    let folded = fold_batch_norms(trained)?;
    quantize(&folded, Numbers::F32)
}

/// Nats of each image, probabilities floored at 2⁻²⁴.
fn nats(scorer: Scorer<'_>, set: &ImageSet, labels: Option<&[Label]>) -> Result<Vec<f64>, Error> {
    let scores = scorer.score_all(set, labels, false, || ())?;
    Ok(scores.iter().map(|score| score.floored).collect())
}

fn mean(nats: &[f64]) -> f64 {
    nats.iter().sum::<f64>() / nats.len().max(1) as f64
}

/// `count` of the images, evenly spaced.
fn spread(set: &ImageSet, labels: Option<&[Label]>, count: usize) -> (ImageSet, Option<Vec<Label>>) {
    let numbers = set.spread(count);
    let labels = labels.map(|labels| numbers.iter().map(|n| labels[*n]).collect());
    (set.picked(&numbers), labels)
}

/// Samples of the float model, cycling through the classes.
fn own_samples(
    trained: &TrainedModel,
    count: usize,
    progress: impl Progress,
) -> Result<(ImageSet, Option<Vec<Label>>), Error> {
    let blob = quantize(trained, Numbers::F32)?;
    let (model, classes) = (blob.model()?, trained.description().classes);
    if classes == 0 {
        return Ok((sample(model, count, 0, Temperature::ONE, None, progress)?, None));
    }
    let labels: Vec<Label> = (0..count).map(|n| (n % classes) as Label).collect();
    let set = sample_labelled(model, &labels, 0, Temperature::ONE, progress)?;
    Ok((set, Some(labels)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Description;
    use crate::testing::{GRAY, preset, random_model};
    use pixelrnn::network::{Architecture, Preset};

    #[test]
    fn own_samples_go_through_more_than_256_classes() {
        let image = pixelrnn::network::Image { height: 1, width: 2, ..GRAY };
        let preset = Preset { classes: 300, layers: 1, ..preset(Architecture::PixelCnn, image) };
        let trained = random_model(&Description::from(preset), 1);
        let (drawn, labels) = own_samples(&trained, 301, || ()).unwrap();
        assert_eq!(labels.unwrap(), (0..300).chain([0]).collect::<Vec<_>>());
        // Each image depends on its own seed and class only.
        let blob = float_blob(&trained).unwrap();
        let last = sample(blob.model().unwrap(), 1, 299, Temperature::ONE, Some(299), || ()).unwrap();
        assert_eq!(drawn.image(299), last.image(0));
    }
}
