//! Learning-rate schedule.

use serde::{Deserialize, Serialize};

/// Decay of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Shape {
    /// Constant.
    Constant,
    /// Half a cosine, down to 0 at the end.
    #[default]
    Cosine,
    /// A tenth after 60 % of the run, a hundredth after 85 %.
    Step,
}

/// Learning rate by step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub rate: f64,
    pub shape: Shape,
    pub warmup: u64,
    pub total: u64,
}

impl Schedule {
    /// Rate at `step`, counted from 0.
    pub(crate) fn at(&self, step: u64) -> f64 {
        let warm = if step < self.warmup { (step + 1) as f64 / self.warmup as f64 } else { 1.0 };
        let rest = self.total.saturating_sub(self.warmup).max(1);
        let done = step.saturating_sub(self.warmup) as f64 / rest as f64;
        let shape = match self.shape {
            Shape::Constant => 1.0,
            Shape::Cosine => f64::midpoint(1.0, (std::f64::consts::PI * done.min(1.0)).cos()),
            Shape::Step if done < 0.6 => 1.0,
            Shape::Step if done < 0.85 => 0.1,
            Shape::Step => 0.01,
        };
        self.rate * warm * shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_and_ends_near_zero() {
        let schedule = Schedule { rate: 2.0, shape: Shape::Cosine, warmup: 10, total: 110 };
        assert!((schedule.at(0) - 0.2).abs() < 1e-12);
        assert!((schedule.at(9) - 2.0).abs() < 1e-12);
        assert!((schedule.at(60) - 1.0).abs() < 1e-12);
        assert!(schedule.at(109) < 1e-3 && schedule.at(500).abs() < 1e-12);
        let step = Schedule { shape: Shape::Step, ..schedule };
        assert!((step.at(50) - 2.0).abs() < 1e-12 && (step.at(109) - 0.02).abs() < 1e-12);
        let constant = Schedule { shape: Shape::Constant, warmup: 0, ..schedule };
        assert!((constant.at(0) - 2.0).abs() < 1e-12);
    }
}
