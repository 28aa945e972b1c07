//! Axis labels, rounded without making neighbours equal.

use plotters::coord::ranged1d::BoldPoints;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::Ranged;
use std::ops::Range;

/// Maximum rounding error of a label, as a fraction of the distance to the next tick.
const MAX_OFF: f64 = 0.1;

/// Labels with more decimals use scientific notation.
const MAX_DECIMALS: usize = 6;

/// Ticks of an axis, ascending, with their labels.
#[derive(Debug)]
pub struct Ticks {
    places: Vec<f64>,
    labels: Vec<String>,
}

impl Ticks {
    /// Ticks that `plotters` draws on the axis `range` with a limit of `most`. `value` maps a position to its number.
    ///
    /// Labels on a linear axis have the same number of decimals. On a `logarithmic` one each has its own.
    pub fn new(range: Range<f64>, most: usize, logarithmic: bool, value: impl Fn(f64) -> f64) -> Self {
        let places = RangedCoordf64::from(range).key_points(BoldPoints(most));
        let values: Vec<_> = places.iter().map(|place| value(*place)).collect();
        Self { places, labels: labels(&values, logarithmic) }
    }

    /// Label of the tick nearest to `place`.
    pub fn label(&self, place: f64) -> String {
        let off = |n: &usize| (self.places[*n] - place).abs();
        let nearest = (0..self.places.len()).min_by(|a, b| off(a).total_cmp(&off(b)));
        nearest.map_or_else(String::new, |n| self.labels[n].clone())
    }
}

/// Formats `values`, ascending, with the fewest decimals that distinguish neighbours.
fn labels(values: &[f64], logarithmic: bool) -> Vec<String> {
    let gap = |n: usize| {
        let before = n.checked_sub(1).map(|n| values[n]);
        let neighbours = before.into_iter().chain(values.get(n + 1).copied());
        let gap = neighbours.map(|other| (values[n] - other).abs()).reduce(f64::min);
        // A single tick has no neighbour. On a logarithmic axis a label must not round to 0.
        gap.map_or(values[n].abs(), |gap| if logarithmic { gap.min(values[n].abs()) } else { gap })
    };
    let mut needed: Vec<_> = (0..values.len()).map(|n| decimals(values[n], gap(n))).collect();
    if !logarithmic {
        let most = needed.iter().copied().max().unwrap_or(0);
        needed.fill(most);
    }
    values.iter().zip(needed).map(|(value, decimals)| written(*value, decimals)).collect()
}

/// Fewest decimals with a rounding error of at most [`MAX_OFF`] times `gap`.
fn decimals(value: f64, gap: f64) -> usize {
    let off = |decimals: usize| format!("{value:.decimals$}").parse().map_or(f64::INFINITY, |n: f64| (n - value).abs());
    (0..=MAX_DECIMALS).find(|decimals| off(*decimals) <= MAX_OFF * gap).unwrap_or(MAX_DECIMALS + 1)
}

fn written(value: f64, decimals: usize) -> String {
    let text = if decimals > MAX_DECIMALS { format!("{value:.1e}") } else { format!("{value:.decimals$}") };
    // Avoids a negative zero.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_string(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_ticks_have_different_labels() {
        for (values, logarithmic, expected) in [
            (&[80.0, 85.0, 90.0][..], false, &["80", "85", "90"][..]),
            (&[82.0, 82.5, 83.0], false, &["82.0", "82.5", "83.0"]),
            (&[0.0, 0.25, 0.5], false, &["0.00", "0.25", "0.50"]),
            (&[-1e-12, 1.0, 2.0], false, &["0", "1", "2"]),
            (&[0.5, 1.0, 2.0, 1024.0], true, &["0.5", "1", "2", "1024"]),
            (&[0.25, 0.354, 0.5, 0.707, 1.0], true, &["0.25", "0.35", "0.5", "0.7", "1"]),
            (&[1.5e-30, 3e-10, 64.0], true, &["1.5e-30", "3.0e-10", "64"]),
            (&[82.5], false, &["82"]),
            (&[], false, &[]),
        ] {
            assert_eq!(labels(values, logarithmic), expected, "{values:?}");
        }
    }

    #[test]
    fn all_labels_of_any_axis_differ() {
        let widths = [0.9, 1.0, 1.3, 2.0, 3.7, 8.0, 11.0, 99.0, 1000.0, 12345.6];
        for (start, width) in [0.0, -0.5, 82.1542, 1999.5, 1e6].iter().flat_map(|s| widths.map(|width| (*s, width))) {
            let ticks = Ticks::new(start..start + width, 8, false, |place| place);
            assert!(ticks.labels.len() > 1, "{start} and {width}");
            assert!(ticks.labels.windows(2).all(|pair| pair[0] != pair[1]), "{start} and {width}: {ticks:?}");
            for (place, label) in ticks.places.iter().zip(&ticks.labels) {
                let near = (label.parse::<f64>().unwrap() - place).abs() <= 0.1 * width;
                assert!(near && ticks.label(*place) == *label, "{start} and {width}: {ticks:?}");
            }
            if width < 30.0 {
                let ticks = Ticks::new(start / 1e5..start / 1e5 + width, 8, true, f64::exp2);
                assert!(ticks.labels.windows(2).all(|pair| pair[0] != pair[1]), "{start} and {width}: {ticks:?}");
            }
        }
    }
}
