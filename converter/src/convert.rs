//! From a trained model to a blob, with the images that calibrate it.

use crate::blob::Blob;
use crate::error::Error;
use crate::fold::fold_batch_norms;
use crate::images::{ImageSet, Range};
use crate::quantize::{Method, Numbers, observe, quantize};
use crate::reference::Reference;
use crate::run::{Scorer, sample};
use crate::trained::TrainedModel;
use pixelrnn::Temperature;
use pixelrnn::blob::Weights;
use rand_core::Rng;

/// The images that ranges are taken from.
#[derive(Clone, Debug)]
pub enum Calibration {
    /// Given images that fit the model, of which `count` are used, spread evenly.
    Images {
        /// The images.
        set: ImageSet,
        /// A label for each, where the model has classes.
        labels: Option<Vec<u8>>,
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

/// Makes a blob of `trained`. Floats need no calibration; the images then only show what was lost.
///
/// `progress` is called once a calibration image.
///
/// # Errors
/// When the images do not fit, or the model has something that the engine does not have.
pub fn convert(
    trained: &TrainedModel,
    calibration: &Calibration,
    weights: Weights,
    method: Method,
    progress: impl Fn() + Sync,
) -> Result<Converted, Error> {
    let trained = &*fold_batch_norms(trained)?;
    let reference = Reference::new(trained);
    let classes = trained.description().classes;
    let make = |set: &ImageSet, labels: Option<&[u8]>| match weights {
        Weights::I8 => {
            let seen = observe(trained, &reference, &images(set), labels, &progress)?;
            quantize(trained, Numbers::Int8 { seen: &seen, method })
        }
        Weights::F16 => quantize(trained, Numbers::F16),
        Weights::F32 => quantize(trained, Numbers::F32),
    };
    let (set, labels) = match calibration {
        Calibration::Images { set, labels, count } => spread(set, labels.as_deref(), *count)?,
        Calibration::OwnSamples { count } => {
            let (noise, labels) = noise(trained, *count)?;
            let first = make(&noise, labels.as_deref())?;
            (own_samples(&first, *count, classes)?, labels)
        }
    };
    let blob = make(&set, labels.as_deref())?;
    let mean = |scorer: Scorer<'_>| -> Result<f64, Error> {
        let scores = scorer.score_all(&set, labels.as_deref(), false, || ())?;
        Ok(scores.iter().map(|s| s.nats).sum::<f64>() / scores.len().max(1) as f64)
    };
    let float_nats = mean(Scorer::Reference(&reference))?;
    let quantized_nats = mean(Scorer::Engine(blob.model()?))?;
    Ok(Converted { images: set.count, float_nats, quantized_nats, blob })
}

fn images(set: &ImageSet) -> Vec<&[u8]> {
    set.iter().collect()
}

/// `count` of the images, at even distances: files are often sorted by class.
fn spread(set: &ImageSet, labels: Option<&[u8]>, count: usize) -> Result<(ImageSet, Option<Vec<u8>>), Error> {
    let count = count.min(set.count);
    let at = |n: usize| n * set.count / count;
    let data = (0..count).flat_map(|n| set.image(at(n)).iter().copied()).collect();
    let labels = labels.map(|l| (0..count).map(|n| l[at(n)]).collect());
    Ok((ImageSet::new([set.channels, set.height, set.width], data, set.range)?, labels))
}

fn noise(trained: &TrainedModel, count: usize) -> Result<(ImageSet, Option<Vec<u8>>), Error> {
    let description = trained.description();
    let image = description.image;
    let mut rng: pixelrnn::DefaultRng = rand_core::SeedableRng::seed_from_u64(0);
    let data = (0..count * image.values()).map(|_| ((u64::from(rng.next_u32()) * image.levels as u64) >> 32) as u8);
    let set = ImageSet::new([image.channels, image.height, image.width], data.collect(), Range::Levels)?;
    let labels = (description.classes > 0).then(|| (0..count).map(|n| (n % description.classes) as u8).collect());
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
