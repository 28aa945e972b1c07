//! Estimate of the remaining time of a run.

use indicatif::HumanDuration;
use std::time::Duration;

/// Speed of a run, from its complete epochs or, before there are any, from the current one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    epochs: u32,
    time: Duration,
}

impl Pace {
    /// Records an epoch that took `time`.
    pub(crate) fn add(&mut self, time: Duration) {
        self.epochs += 1;
        self.time += time;
    }

    /// Remaining time for `left` epochs including the current one, of which the fraction `done` took `time`. `None`
    /// before any measurement.
    pub(crate) fn left(self, left: u64, done: f64, time: Duration) -> Option<Duration> {
        let whole = match self.epochs {
            0 if done > 0.0 => time.as_secs_f64() / done,
            0 => return None,
            epochs => self.time.as_secs_f64() / f64::from(epochs),
        };
        Duration::try_from_secs_f64(whole * (left as f64 - done).max(0.0)).ok()
    }
}

/// Formats a time for progress bars, such as `12m`.
pub(crate) fn short(time: Duration) -> String {
    format!("{:#}", HumanDuration(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_the_epochs_left_at_the_measured_speed() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::default();
        assert_eq!(pace.left(30, 0.0, seconds(9)), None);
        // A quarter of the first of four epochs took 10 seconds.
        assert_eq!(pace.left(4, 0.25, seconds(10)), Some(seconds(150)));
        pace.add(seconds(50));
        pace.add(seconds(30));
        assert_eq!(pace.left(2, 0.5, seconds(99)), Some(seconds(60)));
        assert_eq!(pace.left(1, 1.0, seconds(40)), Some(seconds(0)));
        assert_eq!(short(seconds(150)), "3m");
    }
}
