//! Pixels that a prediction depends on, measured by perturbation.
//!
//! Masks and kernel sizes bound the receptive field; the weights decide how much of it is used. Each earlier value of
//! some images is changed in turn, and the change of one later prediction is recorded: Figure 2 of "Pixel Recurrent
//! Neural Networks", measured for any model.

mod draw;
mod reach;

pub use draw::{Panel, picture};
pub use reach::reach;

use crate::error::Error;
use crate::images::ImageSet;
use crate::reference::{Reference, likelihood};
use crate::run::{Scorer, engine_error, setup_error};
use pixelrnn::network::{Image, Output};
use pixelrnn::{Engine, FromImage, Inspect, Model, Position, StepError, TOTAL};
use rayon::prelude::*;

/// Indices in `[C, H, W]` of all values predicted before `target`, in the order of prediction.
pub fn earlier(image: &Image, target: Position) -> Vec<usize> {
    let pixels = image.height * image.width;
    let own = target.row * image.width + target.column;
    let of = |pixel: usize, channels: usize| (0..channels).map(move |channel| channel * pixels + pixel);
    (0..own).flat_map(|pixel| of(pixel, image.channels)).chain(of(own, target.channel)).collect()
}

/// Dependence of one prediction on each earlier value, averaged over images.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    image: Image,
    target: Position,
    /// True if the target's own pixel has values that are known before it.
    own: bool,
    /// Mean total variation of the prediction for a change of each value, `[C, H, W]`.
    change: Vec<f64>,
    /// True when the prediction changed in any image.
    noticed: Vec<bool>,
}

impl Dependence {
    /// Moves each earlier value of each image by half of all levels, one at a time, and compares the predictions at
    /// `target`.
    ///
    /// `label` is the class of all images, for a model with classes. `progress` is called once per changed value.
    ///
    /// # Errors
    /// When the target lies outside the image, and when images or label do not fit the model.
    pub fn measure(
        scorer: Scorer<'_>,
        set: &ImageSet,
        target: Position,
        label: Option<usize>,
        progress: impl Fn() + Sync,
    ) -> Result<Self, Error> {
        let image = scorer.image();
        if target.row >= image.height || target.column >= image.width || target.channel >= image.channels {
            return Err(Error::NoSuchValue { target, image });
        }
        if set.values() != image.values() {
            return Err(Error::ImageLength { got: set.values(), expected: image.values() });
        }
        if set.count == 0 {
            return Err(Error::NoImages);
        }
        let predictor = Predictor::new(scorer, target, label);
        let places = earlier(&image, target);
        let unchanged = set.iter().map(|values| predictor.predict(values, &mut predictor.memory()));
        let unchanged = unchanged.collect::<Result<Vec<_>, _>>()?;
        // Parallel over values, not images: few images still use all threads.
        let changes = places.par_iter().map_init(
            || (predictor.memory(), Vec::new()),
            |(memory, values), &place| {
                let (mut sum, mut noticed) = (0.0, false);
                for (before, own) in unchanged.iter().zip(set.iter()) {
                    values.clear();
                    values.extend_from_slice(own);
                    values[place] = ((usize::from(own[place]) + image.levels / 2) % image.levels) as u8;
                    let after = predictor.predict(values, memory)?;
                    sum += before.distance(&after);
                    noticed |= before.exact != after.exact;
                    progress();
                }
                Ok((sum / set.count as f64, noticed))
            },
        );
        let changes = changes.collect::<Result<Vec<_>, Error>>()?;
        let (mut change, mut noticed) = (vec![0.0; image.values()], vec![false; image.values()]);
        for (place, (mean, any)) in places.into_iter().zip(changes) {
            (change[place], noticed[place]) = (mean, any);
        }
        let at_once = match scorer {
            Scorer::Reference(reference) => reference.at_once(),
            Scorer::Engine(model) => model.groups() < image.channels,
        };
        Ok(Self { image, target, own: target.channel > 0 && !at_once, change, noticed })
    }

    /// Image dimensions of the model.
    pub fn image(&self) -> Image {
        self.image
    }

    /// The value whose prediction was measured.
    pub fn target(&self) -> Position {
        self.target
    }

    /// Mean change of the prediction for each value, `[C, H, W]`: total variation, 0 to 1.
    pub fn change(&self) -> &[f64] {
        &self.change
    }

    /// True for each value, `[C, H, W]`, whose change altered the prediction in any image, however little.
    pub fn noticed(&self) -> &[bool] {
        &self.noticed
    }

    /// Number of pixels, in any channel, that the prediction depends on.
    pub fn pixels(&self) -> usize {
        pixels_of(&self.image, &self.noticed)
    }

    /// Number of pixels that the prediction may depend on: all before the target, and its own if it has earlier
    /// channels.
    pub fn ideal(&self) -> usize {
        self.target.row * self.image.width + self.target.column + usize::from(self.own)
    }

    /// Row and column of the farthest pixel that the prediction depends on.
    pub fn farthest(&self) -> Option<(usize, usize)> {
        let Image { height, width, .. } = self.image;
        let read = self.noticed.iter().enumerate().filter(|(_, noticed)| **noticed);
        let places = read.map(|(at, _)| (at % (height * width) / width, at % width));
        places.max_by_key(|(row, column)| {
            row.abs_diff(self.target.row).pow(2) + column.abs_diff(self.target.column).pow(2)
        })
    }

    /// Number of pixels that account for nine tenths of the total change, largest first.
    pub fn most(&self) -> usize {
        let plane = self.image.height * self.image.width;
        let mut pixels: Vec<f64> =
            (0..plane).map(|pixel| self.change.iter().skip(pixel).step_by(plane).sum()).collect();
        pixels.sort_by(|a, b| b.total_cmp(a));
        let enough = 0.9 * pixels.iter().sum::<f64>();
        let mut sum = 0.0;
        pixels
            .iter()
            .take_while(|change| {
                let more = sum < enough;
                sum += **change;
                more
            })
            .count()
    }
}

/// Number of pixels with any channel set in `[C, H, W]`.
pub fn pixels_of(image: &Image, values: &[bool]) -> usize {
    let plane = image.height * image.width;
    (0..plane).filter(|pixel| values.iter().skip(*pixel).step_by(plane).any(|set| *set)).count()
}

/// Predicted distribution of one value.
struct Prediction {
    /// Compared bit for bit: frequencies of the engine, logits of the reference.
    exact: Vec<f64>,
    probabilities: Vec<f64>,
}

impl Prediction {
    /// Total variation distance.
    fn distance(&self, other: &Self) -> f64 {
        self.probabilities.iter().zip(&other.probabilities).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
    }
}

/// A model that stops after predicting one value.
enum Predictor<'a> {
    Engine { model: Model<'a>, target: Position, label: Option<usize> },
    Reference { top: Box<Reference>, whole: Image, target: Position, label: Option<usize> },
}

impl<'a> Predictor<'a> {
    fn new(scorer: Scorer<'a>, target: Position, label: Option<usize>) -> Self {
        match scorer {
            Scorer::Engine(model) => Self::Engine { model, target, label },
            Scorer::Reference(reference) => Self::Reference {
                top: Box::new(reference.top(target.row + 1)),
                whole: *reference.image(),
                target,
                label,
            },
        }
    }

    /// Scratch memory for [`Predictor::predict`].
    fn memory(&self) -> Vec<u32> {
        match self {
            Self::Engine { model, .. } => vec![0; model.state_words()],
            Self::Reference { .. } => Vec::new(),
        }
    }

    fn predict(&self, values: &[u8], memory: &mut [u32]) -> Result<Prediction, Error> {
        match self {
            Self::Engine { model, target, label } => by_engine(*model, values, *target, *label, memory),
            Self::Reference { top, whole, target, label } => {
                let rows = top.image().height * whole.width;
                let planes = values.chunks_exact(whole.height * whole.width);
                let upper: Vec<u8> = planes.flat_map(|plane| &plane[..rows]).copied().collect();
                let logits = top.logits(&upper, *label)?;
                let at = [target.channel, target.row, target.column];
                Ok(from_logits(likelihood::value_logits(&logits, top.image(), top.output(), at), top.output()))
            }
        }
    }
}

fn by_engine(
    model: Model<'_>,
    values: &[u8],
    target: Position,
    label: Option<usize>,
    memory: &mut [u32],
) -> Result<Prediction, Error> {
    let mut engine = Engine::new(model, memory).map_err(setup_error)?;
    engine.restart(label).map_err(setup_error)?;
    let mut exact = Vec::new();
    let mut source = Inspect::new(FromImage::new(values, model.image()), |at, distribution| {
        if at == target {
            exact.extend(distribution.frequencies().iter().map(|frequency| f64::from(*frequency)));
        }
    });
    for _ in 0..=target.row * model.image().width + target.column {
        engine.step(&mut source).map_err(engine_error)?.ok_or_else(|| engine_error(StepError::<Error>::Corrupt))?;
    }
    let probabilities = exact.iter().map(|frequency| frequency / f64::from(TOTAL)).collect();
    Ok(Prediction { exact, probabilities })
}

fn from_logits(logits: Vec<f64>, output: Output) -> Prediction {
    let levels = match output {
        Output::Softmax => logits.len(),
        Output::Bernoulli => 2,
    };
    let nats = |value: usize| likelihood::value_nats(&logits, value as u8, output);
    let probabilities = (0..levels).map(|value| (-nats(value)).exp()).collect();
    Prediction { exact: logits, probabilities }
}

#[cfg(test)]
mod tests;
