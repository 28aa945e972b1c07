//! Rounds weights to minimize the error of their *sum*, not of each weight.
//!
//! With `x` the inputs of an output's sum, `w` its weights and `q` the rounded ones, the error of the sum is `(w -
//! q)ᵀx`, and its mean square over the calibration images is `(w - q)ᵀ H (w - q)` with `H = E[x xᵀ]`. Inputs are
//! correlated, so later weights can compensate the rounding of earlier ones: with `H = R Rᵀ`, R upper triangular, the
//! error is the length of `Rᵀ(w - q)`, whose entry `i` depends on the weights up to `i` only. Each weight in turn is
//! rounded to bring its entry nearest to 0 (Babai's nearest plane; the same roundings as GPTQ, Frantar et al., arXiv
//! 2210.17323).

use super::inputs::{Inputs, MAX_LENGTH};
use rayon::prelude::*;

/// Damping added to the diagonal of H, as a share of its mean: weights of inputs that calibration saw too rarely to
/// tell apart do not compensate each other.
const DAMPING: f64 = 0.01;

/// The largest 8-bit weight. The range is symmetric.
pub(super) const MAX: f64 = 127.0;

/// Rounds each of `rows` to its own step in `scales`. A row of n weights reads the first n of `inputs`.
pub(super) fn round(rows: &[Vec<f32>], scales: &[f64], inputs: &Inputs) -> Vec<Vec<i8>> {
    let mut rounded = vec![Vec::new(); rows.len()];
    let mut start = 0;
    // Rows of one colour group are adjacent and read the same inputs.
    for group in rows.chunk_by(|a, b| a.len() == b.len()) {
        let end = start + group.len();
        let targets = group.par_iter().zip(&scales[start..end]);
        let found: Vec<Vec<i8>> = if group[0].len() > MAX_LENGTH {
            targets.map(|(row, scale)| each_by_itself(row, *scale)).collect()
        } else {
            let planes = Planes::new(inputs, group[0].len());
            targets.map(|(row, scale)| planes.nearest(row, *scale)).collect()
        };
        rounded[start..end].clone_from_slice(&found);
        start = end;
    }
    rounded
}

/// Rounds each weight to nearest, ignoring the inputs.
pub(super) fn each_by_itself(row: &[f32], scale: f64) -> Vec<i8> {
    row.iter().map(|weight| (f64::from(*weight) / scale).round().clamp(-MAX, MAX) as i8).collect()
}

/// Factor `R` of `H`, with inputs ordered by decreasing mean square: the most important are rounded first.
struct Planes {
    order: Vec<usize>,
    /// Row-major, zero below the diagonal.
    r: Vec<f64>,
}

impl Planes {
    fn new(inputs: &Inputs, length: usize) -> Self {
        let h = inputs.second_moments(length);
        let mut order: Vec<usize> = (0..length).collect();
        order.sort_by(|a, b| h[b * length + b].total_cmp(&h[a * length + a]));
        let mean = (0..length).map(|i| h[i * length + i]).sum::<f64>() / length.max(1) as f64;
        let damping = if mean > 0.0 { DAMPING * mean } else { 1.0 };
        let mut r = vec![0.0; length * length];
        // Cholesky factorization from the last column back: H = R Rᵀ.
        for j in (0..length).rev() {
            let row = |r: &[f64], i: usize| r[i * length + j + 1..(i + 1) * length].to_vec();
            let last = row(&r, j);
            let known = |r: &[f64], i: usize| -> f64 {
                r[i * length + j + 1..(i + 1) * length].iter().zip(&last).map(|(a, b)| a * b).sum()
            };
            let square = h[order[j] * length + order[j]] + damping - known(&r, j);
            let pivot = square.max(damping).sqrt();
            r[j * length + j] = pivot;
            for i in 0..j {
                r[i * length + j] = (h[order[i] * length + order[j]] - known(&r, i)) / pivot;
            }
        }
        Self { order, r }
    }

    fn nearest(&self, row: &[f32], scale: f64) -> Vec<i8> {
        let length = row.len();
        let mut rounded = vec![0; length];
        // Contribution of the errors so far to each entry of Rᵀ(w - q).
        let mut entries = vec![0.0; length];
        for (i, &at) in self.order.iter().enumerate() {
            let weight = f64::from(row[at]) / scale;
            let r = &self.r[i * length..(i + 1) * length];
            let q = (weight + entries[i] / r[i]).round().clamp(-MAX, MAX);
            rounded[at] = q as i8;
            let error = weight - q;
            for (entry, r) in entries[i + 1..].iter_mut().zip(&r[i + 1..]) {
                *entry += r * error;
            }
        }
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(inputs: &Inputs, row: &[f32], q: &[i8], scale: f64) -> f64 {
        let h = inputs.second_moments(row.len());
        let e: Vec<f64> = row.iter().zip(q).map(|(w, q)| f64::from(*w) - f64::from(*q) * scale).collect();
        let n = e.len();
        (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| e[i] * h[i * n + j] * e[j]).sum()
    }

    #[test]
    fn sums_of_any_length_are_rounded_in_memory_that_there_is() {
        let row: Vec<f32> = (0..1 << 20).map(|n| (n % 255) as f32 - 127.2).collect();
        let rounded = round(std::slice::from_ref(&row), &[1.0], &Inputs::from_samples(row.len(), Vec::new()));
        assert!(rounded[0].iter().zip(&row).all(|(q, weight)| (f32::from(*q) - weight).abs() <= 0.5));
    }

    #[test]
    fn inputs_that_tell_nothing_of_each_other_leave_the_nearest_weights() {
        let inputs = Inputs::from_samples(3, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let rows = [vec![0.26, -0.74, 1.0], vec![-1.27, 0.0, 0.4]];
        assert_eq!(round(&rows, &[0.5, 0.01], &inputs), [vec![1, -1, 2], vec![-127, 0, 40]]);
    }

    #[test]
    fn what_one_weight_loses_another_one_that_reads_the_same_makes_up_for() {
        // Three nearly equal inputs: only the sum of the weights matters.
        let inputs = Inputs::from_samples(3, vec![1.0, 1.0, 1.01, -2.0, -2.01, -2.0, 3.01, 3.0, 3.0]);
        let rows = [vec![0.4, 0.4, 0.4]];
        let q = round(&rows, &[1.0], &inputs);
        assert_eq!(q[0].iter().map(|q| i32::from(*q)).sum::<i32>(), 1, "{q:?}");
        assert!(errors(&inputs, &rows[0], &q[0], 1.0) < errors(&inputs, &rows[0], &[0, 0, 0], 1.0) / 5.0);
    }

    #[test]
    fn rows_of_a_colour_read_the_first_inputs() {
        let inputs = Inputs::from_samples(2, vec![1.0, 1.0, 2.0, 2.0]);
        let rows = [vec![], vec![0.6], vec![0.6, 0.8]];
        assert_eq!(round(&rows, &[1.0; 3], &inputs), [vec![], vec![1], vec![1, 0]]);
    }

    #[test]
    fn no_samples_and_huge_ones_give_weights_all_the_same() {
        for samples in [vec![], vec![0.0; 4], vec![1e30; 4], vec![f64::INFINITY; 4]] {
            let inputs = Inputs::from_samples(2, samples.into_iter().map(|x: f64| x as f32).collect());
            let q = round(&[vec![1.0, -1.0]], &[0.1], &inputs);
            assert!(q[0].iter().all(|q| q.unsigned_abs() <= 127), "{q:?}");
        }
    }
}
