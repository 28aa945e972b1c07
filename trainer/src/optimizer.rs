//! Adam and `RMSProp`, with gradient clipping and an exponential moving average of the weights.
//!
//! Operates on plain arrays. A step takes microseconds at this size, has a fixed order, and its state is saved and
//! restored exactly by copying.

use crate::error::Error;
use serde::{Deserialize, Serialize};

/// Update rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Rule {
    /// Adam with decay rates 0.9 and 0.999 and epsilon 1e-8.
    #[default]
    Adam,
    /// `RMSProp` with decay rate 0.95 and epsilon 1e-6, without momentum.
    RmsProp,
}

/// Optimizer state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Optimizer {
    pub rule: Rule,
    /// Number of steps.
    pub step: u64,
    /// Adam's first moments; unused by `RMSProp`.
    pub first: Vec<Vec<f32>>,
    /// Moving averages of squared gradients.
    pub second: Vec<Vec<f32>>,
    /// Moving averages of the weights.
    pub average: Vec<Vec<f32>>,
    /// Decay of the average; 0 disables averaging.
    pub decay: f32,
    /// Maximum gradient norm; 0 disables clipping.
    pub clip: f64,
}

impl Optimizer {
    pub(crate) fn new(rule: Rule, clip: f64, decay: f32, weights: &[Vec<f32>]) -> Self {
        let zeros: Vec<Vec<f32>> = weights.iter().map(|w| vec![0.0; w.len()]).collect();
        Self { rule, step: 0, first: zeros.clone(), second: zeros, average: weights.to_vec(), decay, clip }
    }

    /// Updates `weights` and returns the gradient norm before clipping.
    ///
    /// # Errors
    /// Returns the index of the first tensor with a non-finite gradient.
    pub(crate) fn step(&mut self, weights: &mut [Vec<f32>], gradients: &[Vec<f32>], rate: f64) -> Result<f64, usize> {
        let mut squares = 0.0;
        for (at, gradient) in gradients.iter().enumerate() {
            let sum: f64 = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum();
            if !sum.is_finite() {
                return Err(at);
            }
            squares += sum;
        }
        let norm = squares.sqrt();
        let scale = if self.clip > 0.0 && norm > self.clip { (self.clip / norm) as f32 } else { 1.0 };
        self.step += 1;
        let tensors = weights.iter_mut().zip(gradients).zip(&mut self.first).zip(&mut self.second);
        for (((weights, gradients), first), second) in tensors {
            match self.rule {
                Rule::Adam => adam(weights, gradients, first, second, scale, rate, self.step),
                Rule::RmsProp => rms_prop(weights, gradients, second, scale, rate),
            }
        }
        // A smaller decay at the start forgets the random initialization quickly.
        let decay = self.decay.min((1.0 + self.step as f32) / (10.0 + self.step as f32));
        let decay = if self.decay > 0.0 { decay } else { 0.0 };
        for (average, weights) in self.average.iter_mut().zip(weights) {
            for (average, &weight) in average.iter_mut().zip(weights.iter()) {
                *average = weight + (*average - weight) * decay;
            }
        }
        Ok(norm)
    }

    /// Rejects invalid settings with a usage error.
    pub(crate) fn check(clip: f64, decay: f64) -> Result<(), Error> {
        if !(clip.is_finite() && clip >= 0.0) {
            return Err(Error::usage(format!("`clip` is {clip}, expected 0 or more")));
        }
        if !(0.0..1.0).contains(&decay) {
            return Err(Error::usage(format!("`average` is {decay}, expected 0 to below 1")));
        }
        Ok(())
    }
}

fn adam(
    weights: &mut [f32],
    gradients: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    scale: f32,
    rate: f64,
    step: u64,
) {
    const DECAY: (f32, f32) = (0.9, 0.999);
    const EPSILON: f32 = 1e-8;
    let step = step.min(i32::MAX as u64) as i32;
    let first_share = 1.0 - f64::from(DECAY.0).powi(step);
    let second_share = (1.0 - f64::from(DECAY.1).powi(step)) as f32;
    let rate = (rate / first_share) as f32;
    for (((w, &g), m), v) in weights.iter_mut().zip(gradients).zip(first).zip(second) {
        let g = g * scale;
        *m += (g - *m) * (1.0 - DECAY.0);
        *v += (g * g - *v) * (1.0 - DECAY.1);
        *w -= rate * *m / ((*v / second_share).sqrt() + EPSILON);
    }
}

fn rms_prop(weights: &mut [f32], gradients: &[f32], second: &mut [f32], scale: f32, rate: f64) {
    const DECAY: f32 = 0.95;
    const EPSILON: f32 = 1e-6;
    let rate = rate as f32;
    for ((w, &g), v) in weights.iter_mut().zip(gradients).zip(second) {
        let g = g * scale;
        *v += (g * g - *v) * (1.0 - DECAY);
        *w -= rate * g / (v.sqrt() + EPSILON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_steps() {
        let start = vec![vec![1.0, -2.0], vec![0.5]];
        let gradients = vec![vec![30.0, -0.4], vec![0.0]];
        let mut weights = start.clone();
        let mut adam = Optimizer::new(Rule::Adam, 0.0, 0.0, &start);
        let norm = adam.step(&mut weights, &gradients, 0.1).unwrap();
        // Adam's first step has the size of the rate, independent of the gradient.
        assert!((weights[0][0] - 0.9).abs() < 1e-6 && (weights[0][1] + 1.9).abs() < 1e-6);
        assert!((weights[1][0] - 0.5).abs() < f32::EPSILON);
        assert!((norm - (900.16_f64).sqrt()).abs() < 1e-5);
        assert_eq!(adam.average, weights);

        let mut weights = start.clone();
        let mut rms = Optimizer::new(Rule::RmsProp, 0.0, 0.0, &start);
        rms.step(&mut weights, &gradients, 0.1).unwrap();
        assert!((weights[0][0] - (1.0 - 0.1 / 0.05_f32.sqrt())).abs() < 1e-4);
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let start = vec![vec![0.0, 0.0]];
        let mut clipped = Optimizer::new(Rule::Adam, 5.0, 0.0, &start);
        let norm = clipped.step(&mut start.clone(), &[vec![30.0, 40.0]], 0.1).unwrap();
        let mut short = Optimizer::new(Rule::Adam, 5.0, 0.0, &start);
        short.step(&mut start.clone(), &[vec![3.0, 4.0]], 0.1).unwrap();
        assert!((norm - 50.0).abs() < 1e-9);
        assert_eq!(clipped.first, short.first);
        assert_eq!(clipped.step(&mut start.clone(), &[vec![f32::NAN, 0.0]], 0.1), Err(0));
    }

    #[test]
    fn the_average_forgets_its_start_and_then_follows_slowly() {
        let start = vec![vec![100.0]];
        let mut optimizer = Optimizer::new(Rule::RmsProp, 0.0, 0.99, &start);
        let mut weights = vec![vec![0.0]];
        for _ in 0..2000 {
            optimizer.step(&mut weights, &[vec![0.0]], 0.1).unwrap();
        }
        assert!(optimizer.average[0][0].abs() < 1e-3);
        weights[0][0] = 1.0;
        optimizer.step(&mut weights, &[vec![0.0]], 0.1).unwrap();
        assert!((optimizer.average[0][0] - 0.01).abs() < 1e-3);
    }
}
