//! Input samples of each matrix on the calibration images, in the order of the packed weights.

use super::conv::TapOrder;
use super::layout::{Slots, sorted};
use super::scale::Narrow;
use super::schedule::Form;
use crate::reference::Map;
use pixelrnn::network::taps::Offset;
use pixelrnn::network::{Conv, Node};
use rayon::prelude::*;

/// Elements sampled per matrix: 8 MiB.
const NUMBERS: usize = 1 << 21;

/// Longest row with input samples: its second moments take 128 MiB. Models for microcontrollers stay below it, but a
/// model file may hold any size.
pub(super) const MAX_LENGTH: usize = 4096;

/// Samples of a matrix's input vector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    length: usize,
    /// `[samples, length]`.
    samples: Vec<f32>,
}

impl Inputs {
    /// `samples` is `[samples, length]`.
    #[cfg(test)]
    pub(super) fn from_samples(length: usize, samples: Vec<f32>) -> Self {
        Self { length, samples }
    }

    /// Appends the samples of another image.
    pub(super) fn append(&mut self, other: Self) {
        self.length = other.length;
        self.samples.extend(other.samples);
    }

    /// Mean of each input, exact and as quantized by `form`. Empty without samples.
    pub(super) fn means(&self, form: &Narrow) -> Vec<[f64; 2]> {
        let count = self.samples.len() / self.length.max(1);
        let mut means = vec![[0.0; 2]; if count > 0 { self.length } else { 0 }];
        for sample in self.samples.chunks_exact(self.length.max(1)) {
            for ([exact, rounded], x) in means.iter_mut().zip(sample) {
                *exact += f64::from(*x) / count as f64;
                *rounded += form.real(form.quantize(f64::from(*x))) / count as f64;
            }
        }
        means
    }

    /// `E[x xᵀ]` of the first `length` inputs, row-major, normalized by the square of the largest magnitude. Zeros
    /// without samples.
    pub(super) fn second_moments(&self, length: usize) -> Vec<f64> {
        let count = self.samples.len() / self.length.max(1);
        let finite = self.samples.iter().filter(|x| x.is_finite());
        let largest = f64::from(finite.fold(0f32, |most, x| most.max(x.abs())));
        let unit = |x: f32| if largest > 0.0 { (f64::from(x) / largest).clamp(-1.0, 1.0) } else { 0.0 };
        let mut moments = vec![0.0; length * length];
        // Lower triangle, one row per task; each task reads all samples.
        moments.par_chunks_mut(length.max(1)).enumerate().for_each(|(i, row)| {
            for sample in self.samples.chunks_exact(self.length.max(1)) {
                let a = unit(sample[i]) / count as f64;
                for (m, b) in row.iter_mut().zip(&sample[..=i]) {
                    *m += a * unit(*b);
                }
            }
        });
        for i in 0..length {
            for j in 0..i {
                moments[j * length + i] = moments[i * length + j];
            }
        }
        moments
    }
}

/// Samples the inputs of all matrices of `node` in one of `images` images: one entry for a convolution; for an LSTM one
/// for its input, then one for the states of each direction.
///
/// `x` is the node's input, in the order of `slots`, and `hidden` an LSTM's states, one map per direction. `form` is that of a
/// convolution. `seed` selects the sampled pixels.
pub(super) fn of_node(
    node: &Node,
    (x, slots, form): (&Map, &Slots, Form),
    hidden: &[Map],
    images: usize,
    seed: usize,
) -> Vec<Inputs> {
    // Both directions of a Diagonal BiLSTM read the same inputs.
    let input =
        node.op.convolutions().first().map(|(_, conv)| sample(x, &Taps::of_conv(conv, form, slots), images, seed));
    let recurrences = node.op.recurrences();
    let states = recurrences.iter().zip(hidden).map(|(recurrence, h)| {
        let taps =
            Taps { away: recurrence.taps.to_vec(), features: sorted(node.features).into_iter().map(Some).collect() };
        sample(h, &taps, images, seed)
    });
    input.into_iter().chain(states).collect()
}

/// Receptive field of a row: all features, in order, at each offset.
struct Taps {
    away: Vec<Offset>,
    features: Slots,
}

impl Taps {
    /// Taps in the order of the weights.
    fn of_conv(conv: &Conv, form: Form, slots: &Slots) -> Self {
        let away = TapOrder::new(conv, form).taps.into_iter().map(|(u, v)| conv.offset(u, v)).collect();
        Self { away, features: slots.clone() }
    }
}

fn sample(map: &Map, taps: &Taps, images: usize, seed: usize) -> Inputs {
    let length = taps.away.len() * taps.features.len();
    if length > MAX_LENGTH || length == 0 {
        return Inputs { length, samples: Vec::new() };
    }
    let pixels = map.height * map.width;
    let wanted = (NUMBERS / length).max(2 * length).div_ceil(images).min(pixels);
    let mut samples = Vec::with_capacity(wanted * length);
    // Evenly spaced pixels, with a different start per image.
    for n in 0..wanted {
        let pixel = (n * pixels / wanted + seed) % pixels;
        let (row, column) = (pixel / map.width, pixel % map.width);
        for &(down, right) in &taps.away {
            let at = (row.checked_add_signed(down), column.checked_add_signed(right));
            match at {
                (Some(i), Some(j)) if i < map.height && j < map.width => {
                    samples.extend(taps.features.iter().map(|c| c.map_or(0.0, |c| map.at(c, i, j) as f32)));
                }
                _ => samples.extend(taps.features.iter().map(|_| 0.0)),
            }
        }
    }
    Inputs { length, samples }
}
