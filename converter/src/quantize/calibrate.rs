//! Calibration: value ranges on real images, and the activation ranges derived from them.

use super::inputs::{self, Inputs};
use crate::error::Error;
use crate::images::Label;
use crate::progress::Progress;
use crate::reference::{Reference, StateRange};
use crate::trained::TrainedModel;
use pixelrnn::network::Node;
use rayon::prelude::*;

/// Choice of an 8-bit activation's range from its calibrated values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// The full range, minimum to maximum.
    MinMax,
    /// Clips this share of the values, half at either end: 0.0001 clips one in ten thousand.
    Percentile(f64),
    /// The range with the least mean square quantization error.
    MeanSquare,
}

impl Default for Method {
    /// Clips one value in a thousand. Least loss on validation data of the shipped model.
    fn default() -> Self {
        Self::Percentile(0.001)
    }
}

/// Approximate number of elements sampled from each value.
const SAMPLE: usize = 1 << 17;

/// Narrowest accepted range, as a share of the full range.
const MIN_SHARE: f64 = 1.0 / 256.0;

/// Candidates of the mean-square search.
const CANDIDATES: u32 = 64;

/// Calibration statistics of one network value.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Minimum.
    pub min: f64,
    /// Maximum.
    pub max: f64,
    /// State ranges of the LSTM that computes this value, one per direction.
    pub states: Vec<StateRange>,
    sample: Vec<f64>,
}

impl Seen {
    fn add(&mut self, numbers: &[f64], stride: usize, offset: usize) {
        for &x in numbers {
            self.min = self.min.min(x);
            self.max = self.max.max(x);
        }
        self.sample.extend(numbers.iter().skip(offset % stride).step_by(stride));
    }

    /// Maximum magnitude.
    pub fn most(&self) -> f64 {
        self.max.max(-self.min)
    }

    /// Range for 8-bit activations, always including 0.
    pub fn range(&self, method: Method) -> (f64, f64) {
        let (min, max) = (self.min.min(0.0), self.max.max(0.0));
        let (low, high) = self.chosen(method, min, max);
        // Clipping that would leave next to nothing falls back to the full range.
        if high - low < (max - min) * MIN_SHARE { (min, max) } else { (low, high) }
    }

    fn chosen(&self, method: Method, min: f64, max: f64) -> (f64, f64) {
        match method {
            Method::MinMax => (min, max),
            Method::Percentile(left_out) => {
                // Zero is in every range. Counted here, the zeros of a sparse feature would fill the percentiles.
                let mut sorted: Vec<f64> = self.sample.iter().copied().filter(|x| *x != 0.0).collect();
                sorted.sort_by(f64::total_cmp);
                let Some(last) = sorted.len().checked_sub(1) else { return (min, max) };
                let at = |share: f64| sorted.get((share * last as f64).round() as usize).copied().unwrap_or(0.0);
                (at(left_out / 2.0).min(0.0), at(1.0 - left_out / 2.0).max(0.0))
            }
            Method::MeanSquare => {
                let error = |k: u32| {
                    let share = f64::from(k) / f64::from(CANDIDATES);
                    square_error(&self.sample, min * share, max * share)
                };
                let best = (CANDIDATES / 8..=CANDIDATES).min_by(|a, b| error(*a).total_cmp(&error(*b)));
                let share = f64::from(best.unwrap_or(CANDIDATES)) / f64::from(CANDIDATES);
                (min * share, max * share)
            }
        }
    }
}

/// Square error of `sample` quantized to 255 steps from `low` to `high`.
fn square_error(sample: &[f64], low: f64, high: f64) -> f64 {
    let step = (high - low) / 255.0;
    if step <= 0.0 {
        return 0.0;
    }
    let inverse = 1.0 / step;
    sample.iter().map(|x| (((x - low) * inverse).round_ties_even().clamp(0.0, 255.0) * step + low - x).powi(2)).sum()
}

/// Calibration statistics of a network.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Statistics of each value, indexed by [`pixelrnn::network::ValueId`].
    pub values: Vec<Seen>,
    /// Input samples of each node's matrices: one entry for a convolution; for an LSTM one for its input, then one for
    /// the states of each direction; none for other ops.
    pub inputs: Vec<Vec<Inputs>>,
}

/// Runs the float reference over `images` and collects statistics of all values.
///
/// `reference` must be built from `model`. `progress` is called once per image.
///
/// # Errors
/// When an image or label does not fit the model.
pub fn observe(
    model: &TrainedModel,
    reference: &Reference,
    images: &[&[u8]],
    labels: Option<&[Label]>,
    progress: impl Progress,
) -> Result<Observed, Error> {
    let (layouts, forms) = super::shapes(model)?;
    let runs: Vec<Observed> = images
        .par_iter()
        .enumerate()
        .map(|(n, image)| {
            progress.check()?;
            let label = labels.and_then(|l| l.get(n)).map(|l| usize::from(*l));
            let (maps, states) = reference.run_with_states(image, label)?;
            progress.done();
            let lost = |node: &&Node| maps[node.output].data.iter().any(|x| !x.is_finite());
            if let Some(node) = model.nodes().iter().find(lost) {
                let op = if node.name.is_empty() { node.op.kind().into() } else { node.name.to_string() };
                return Err(Error::OutOfScale {
                    op,
                    why: "its numbers are not finite on the calibration images".into(),
                });
            }
            // A different offset per image, so that all positions and features are sampled.
            let offset = n.wrapping_mul(7919);
            let values = maps.iter().zip(&states).map(|(map, states)| {
                let stride = (map.data.len() * images.len()).div_ceil(SAMPLE).max(1);
                let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
                let mut seen = Seen { min, max, states: states.ranges.clone(), sample: Vec::new() };
                seen.add(&map.data, stride, offset);
                seen
            });
            let inputs = model.nodes().iter().zip(&forms).map(|(node, form)| {
                let (hidden, from) = (&states[node.output].hidden, node.inputs[0]);
                inputs::of_node(node, (&maps[from], &layouts[from], *form), hidden, images.len(), offset)
            });
            Ok(Observed { values: values.collect(), inputs: inputs.collect() })
        })
        .collect::<Result<_, Error>>()?;
    let mut runs = runs.into_iter();
    let mut all = runs.next().unwrap_or_default();
    for run in runs {
        for (a, b) in all.values.iter_mut().zip(run.values) {
            a.min = a.min.min(b.min);
            a.max = a.max.max(b.max);
            a.states.iter_mut().zip(&b.states).for_each(|(a, b)| a.widen(b));
            a.sample.extend(b.sample);
        }
        for (a, b) in all.inputs.iter_mut().flatten().zip(run.inputs.into_iter().flatten()) {
            a.append(b);
        }
    }
    Ok(all)
}
