//! What the sums of each op read on real images: samples of their inputs, in the order of the packed weights.

use super::conv::sorted;
use crate::reference::Map;
use pixelrnn::model::{MaskedConv, Node, Op};
use rayon::prelude::*;

/// Numbers kept of the inputs of one matrix: 8 MiB.
const NUMBERS: usize = 1 << 21;

/// The longest sums whose inputs are looked at: their second moments take 128 MiB. No model that a microcontroller runs has longer ones;
/// a file of any size may.
pub(super) const LONGEST: usize = 4096;

/// Beyond this a sample says nothing about a model that works.
const HUGE: f32 = 1e15;

/// Samples of the input of a matrix.
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

    /// Adds the samples of another image.
    pub(super) fn append(&mut self, other: Self) {
        self.length = other.length;
        self.samples.extend(other.samples);
    }

    /// `E[x xᵀ]` of the first `length` numbers of the samples, row-major; 0 where there are none.
    pub(super) fn second_moments(&self, length: usize) -> Vec<f64> {
        let count = self.samples.len() / self.length.max(1);
        let mut moments = vec![0.0; length * length];
        // The lower half, row by row; each thread goes over all samples.
        moments.par_chunks_mut(length.max(1)).enumerate().for_each(|(i, row)| {
            for sample in self.samples.chunks_exact(self.length) {
                let a = f64::from(sample[i].clamp(-HUGE, HUGE)) / count as f64;
                for (m, b) in row.iter_mut().zip(&sample[..=i]) {
                    *m += a * f64::from(b.clamp(-HUGE, HUGE));
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

/// Samples of the inputs of all matrices of `node` in one of `images` images: for a convolution one, for an LSTM one over its input
/// and then one over the states of each direction.
///
/// `x` is what the node reads, `hidden` the states of an LSTM, one map a direction. `seed` says which pixels are sampled.
pub(super) fn of_node(node: &Node, x: &Map, hidden: &[Map], images: usize, seed: usize) -> Vec<Inputs> {
    match &node.op {
        Op::MaskedConv(conv) => vec![sample(x, &Taps::past_and_centre(conv), images, seed)],
        Op::RowLstm(lstm) => {
            let centre = (lstm.kernel / 2) as isize;
            let above = (0..lstm.kernel).map(|v| (-1, v as isize - centre)).collect();
            let above = Taps { away: above, features: sorted(lstm.hidden) };
            let input = sample(x, &Taps::past_and_centre(&lstm.input_to_state), images, seed);
            std::iter::once(input).chain(hidden.iter().map(|h| sample(h, &above, images, seed))).collect()
        }
        Op::DiagonalBilstm(lstm) => {
            let input = sample(x, &Taps::past_and_centre(&lstm.input_to_state), images, seed);
            let sides = hidden.iter().zip([-1, 1]).map(|(h, beside)| {
                let taps = Taps { away: vec![(-1, 0), (0, beside)], features: sorted(lstm.hidden) };
                sample(h, &taps, images, seed)
            });
            std::iter::once(input).chain(sides).collect()
        }
        Op::Relu | Op::Elu | Op::Add { .. } | Op::DepthGate | Op::BatchNorm { .. } => Vec::new(),
    }
}

/// Which numbers a sum reads: all features, in their order, at each distance.
struct Taps {
    away: Vec<(isize, isize)>,
    features: Vec<usize>,
}

impl Taps {
    /// The past taps in raster order, then the centre.
    fn past_and_centre(conv: &MaskedConv) -> Self {
        let [height, width] = conv.kernel;
        let (top, left) = (height / 2, width / 2);
        let past = (0..=top).flat_map(|u| (0..if u < top { width } else { left }).map(move |v| (u, v)));
        let away = past.map(|(u, v)| conv.offset(u, v)).chain([(0, 0)]).collect();
        Self { away, features: sorted(conv.inputs) }
    }
}

fn sample(map: &Map, taps: &Taps, images: usize, seed: usize) -> Inputs {
    let length = taps.away.len() * taps.features.len();
    if length > LONGEST {
        return Inputs { length, samples: Vec::new() };
    }
    let pixels = map.height * map.width;
    let wanted = (NUMBERS / length).max(2 * length).div_ceil(images).min(pixels);
    let mut samples = Vec::with_capacity(wanted * length);
    // Even distances, from another pixel on in each image.
    for n in 0..wanted {
        let pixel = (n * pixels / wanted + seed) % pixels;
        let (row, column) = (pixel / map.width, pixel % map.width);
        for &(down, right) in &taps.away {
            let at = (row.checked_add_signed(down), column.checked_add_signed(right));
            match at {
                (Some(i), Some(j)) if i < map.height && j < map.width => {
                    samples.extend(taps.features.iter().map(|c| map.at(*c, i, j) as f32));
                }
                _ => samples.extend(taps.features.iter().map(|_| 0.0)),
            }
        }
    }
    Inputs { length, samples }
}
