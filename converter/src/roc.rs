//! Receiver operating characteristic: separation of two sets of images by their likelihood.

mod ticks;

use crate::error::Error;
use crate::picture::Picture;
use crate::picture::canvas::{self, Area, Drawn, FAINT, FAMILY, INK, shortened, text};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::cmp::Ordering;
use ticks::Ticks;

/// Bars per histogram.
const BARS: usize = 64;

/// Maximum number of ticks on a histogram's axes.
const X_TICKS: usize = 8;
const Y_TICKS: usize = 11;

/// Upper bound on the sides of the ROC chart in pixels.
const PIXELS: f64 = 720.0;

/// Colours of the usual set and of the other set. The curve has the former.
const USUAL: RGBColor = RGBColor(33, 113, 181);
const UNUSUAL: RGBColor = RGBColor(230, 110, 20);

/// Comparison of two sets of images by their nats.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Nats of the images that the model knows, ascending.
    usual: Vec<f64>,
    /// Nats of the other images, ascending.
    other: Vec<f64>,
}

impl Comparison {
    /// Compares the nats of `usual` images, which the model knows, with other images.
    ///
    /// # Errors
    /// [`Error::NoImages`] when either set is empty.
    pub fn new(usual: &[f64], other: &[f64]) -> Result<Self, Error> {
        if usual.is_empty() || other.is_empty() {
            return Err(Error::NoImages);
        }
        let sorted = |nats: &[f64]| {
            let mut nats = nats.to_vec();
            nats.sort_by(f64::total_cmp);
            nats
        };
        Ok(Self { usual: sorted(usual), other: sorted(other) })
    }

    /// Area under the ROC curve: the probability that an other image costs more than a usual one. Ties count half.
    ///
    /// Computed exactly from ranks (Mann-Whitney U).
    pub fn area(&self) -> f64 {
        // Twice the number of ordered pairs, so that ties stay integer.
        let mut twice = 0u128;
        let (mut below, mut not_above) = (0, 0);
        for nats in &self.other {
            while self.usual.get(below).is_some_and(|u| u.total_cmp(nats) == Ordering::Less) {
                below += 1;
            }
            not_above = not_above.max(below);
            while self.usual.get(not_above).is_some_and(|u| u.total_cmp(nats) != Ordering::Greater) {
                not_above += 1;
            }
            twice += (below + not_above) as u128;
        }
        twice as f64 / (2.0 * self.usual.len() as f64 * self.other.len() as f64)
    }

    /// ROC curve: for each threshold in descending order, the shares of usual and of other images with at least this
    /// cost.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let mut points = vec![(0.0, 0.0)];
        let (mut usual, mut other) = (self.usual.len(), self.other.len());
        let last = |nats: &[f64], n: usize| n.checked_sub(1).map(|n| nats[n]);
        loop {
            let threshold = match (last(&self.usual, usual), last(&self.other, other)) {
                (None, None) => return points,
                (Some(a), None) => a,
                (None, Some(b)) => b,
                (Some(a), Some(b)) => {
                    if a.total_cmp(&b) == Ordering::Less {
                        b
                    } else {
                        a
                    }
                }
            };
            let reaches = |nats: Option<f64>| nats.is_some_and(|nats| nats.total_cmp(&threshold) != Ordering::Less);
            while reaches(last(&self.usual, usual)) {
                usual -= 1;
            }
            while reaches(last(&self.other, other)) {
                other -= 1;
            }
            let share = |left: usize, all: usize| (all - left) as f64 / all as f64;
            points.push((share(usual, self.usual.len()), share(other, self.other.len())));
        }
    }

    /// Draws both histograms and the ROC curve with its area. `names` are the sets' names, the usual one first.
    ///
    /// # Errors
    /// [`Error::Drawing`] when drawing fails, [`Error::NotFinite`] when a cost is not finite.
    pub fn picture(&self, names: [&str; 2]) -> Result<Picture, Error> {
        let all = || self.usual.iter().chain(&self.other).copied();
        if let Some(got) = all().find(|nats| !nats.is_finite()) {
            return Err(Error::NotFinite { got });
        }
        let lowest = all().fold(f64::INFINITY, f64::min);
        let highest = all().fold(f64::NEG_INFINITY, f64::max);
        let bars = Bars::over(lowest, highest);
        canvas::draw(1640, 720, |area| {
            let (left, right) = area.split_horizontally(950);
            self.draw_histograms(&left, &bars, names)?;
            self.draw_curve(&right)
        })
    }

    fn draw_histograms(&self, area: &Area<'_>, bars: &Bars, names: [&str; 2]) -> Drawn {
        let sets = [(&self.usual, USUAL, names[0]), (&self.other, UNUSUAL, names[1])];
        let shares = sets.map(|(nats, ..)| bars.shares(nats));
        let most = shares.iter().flatten().copied().fold(0.0, f64::max);
        let (across, up) = (bars.start..bars.start + bars.width * BARS as f64, 0.0..most * 1.05);
        let mut chart = ChartBuilder::on(area)
            .margin(24)
            .margin_top(104)
            .x_label_area_size(64)
            .y_label_area_size(96)
            .build_cartesian_2d(across.clone(), up.clone())?;
        let x_ticks = Ticks::new(across, X_TICKS, bars.logarithmic, |place| bars.nats(place));
        let y_ticks = Ticks::new(up, Y_TICKS, false, |share| 100.0 * share);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT.mix(0.25))
            .axis_style(FAINT)
            .x_labels(X_TICKS)
            .x_label_formatter(&|place| x_ticks.label(*place))
            .x_desc(if bars.logarithmic { "nats an image (logarithmic)" } else { "nats an image" })
            .y_desc("share of the images")
            .y_labels(Y_TICKS)
            .y_label_formatter(&|share| format!("{} %", y_ticks.label(*share)))
            .axis_desc_style(text(26, INK, HPos::Center))
            .label_style((FAMILY, 22).into_font().color(&FAINT))
            .draw()?;
        for ((_, colour, _), shares) in sets.iter().zip(&shares) {
            chart.draw_series(shares.iter().enumerate().filter(|(_, share)| **share > 0.0).map(|(bar, share)| {
                let from = bars.start + bar as f64 * bars.width;
                Rectangle::new([(from, 0.0), (from + bars.width, *share)], colour.mix(0.55).filled())
            }))?;
        }
        for (n, (nats, colour, name)) in sets.iter().enumerate() {
            let mean = nats.iter().sum::<f64>() / nats.len() as f64;
            let y = 32 + 36 * n as i32;
            area.draw(&Rectangle::new([(140, y - 11), (162, y + 11)], colour.mix(0.7).filled()))?;
            let line = format!("{}: {mean:.1} nats on average", shortened(name, 44));
            canvas::left(area, &line, (174, y), 24, INK)?;
        }
        Ok(())
    }

    fn draw_curve(&self, area: &Area<'_>) -> Drawn {
        let mut chart = ChartBuilder::on(area)
            .margin(24)
            .margin_top(28)
            .x_label_area_size(64)
            .y_label_area_size(96)
            .build_cartesian_2d(-0.02..1.02, -0.02..1.02)?;
        chart
            .configure_mesh()
            .x_labels(6)
            .y_labels(6)
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT.mix(0.25))
            .axis_style(FAINT)
            .x_desc("first images above the threshold")
            .y_desc("other images above the threshold")
            .axis_desc_style(text(26, INK, HPos::Center))
            .label_style((FAMILY, 22).into_font().color(&FAINT))
            .x_label_formatter(&|share| format!("{:.0} %", 100.0 * share))
            .y_label_formatter(&|share| format!("{:.0} %", 100.0 * share))
            .draw()?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], FAINT.mix(0.6).stroke_width(2)))?;
        let curve = self.curve();
        // Drops steps narrower than a pixel from the polygon.
        let mut last = (-1.0, -1.0);
        let seen = curve.iter().copied().filter(|point| {
            let far = (point.0 - last.0).max(point.1 - last.1) >= 1.0 / PIXELS || *point == (1.0, 1.0);
            last = if far { *point } else { last };
            far
        });
        chart.draw_series(AreaSeries::new(seen, 0.0, USUAL.mix(0.12)))?;
        // Stamped pixel by pixel: `plotters` draws a wide line of short segments as one polygon with protruding
        // corners, which makes the curve appear to fall.
        let pen = |point: (f64, f64)| {
            EmptyElement::at(point)
                + Rectangle::new([(-1, -2), (1, 2)], USUAL.filled())
                + Rectangle::new([(-2, -1), (2, 1)], USUAL.filled())
        };
        chart.draw_series(line(&curve).map(pen))?;
        let (width, height) = area.dim_in_pixel();
        let at = (width as i32 * 68 / 100, height as i32 * 62 / 100);
        canvas::centred(area, "area under the curve", at, 26, FAINT)?;
        canvas::centred(area, &format!("{:.4}", self.area()), (at.0, at.1 + 48), 52, INK)
    }
}

/// Points along the polyline `curve`, at most a pixel apart.
fn line(curve: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let between = |pair: &[(f64, f64)]| {
        let (from, across, up) = (pair[0], pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let steps = (across.max(up) * PIXELS).ceil().max(1.0);
        (0..steps as usize).map(move |n| (from.0 + across * n as f64 / steps, from.1 + up * n as f64 / steps))
    };
    curve.windows(2).flat_map(between).chain(curve.last().copied())
}

/// Bins of the histograms: equal width in nats, or in log2 of nats for a wide range.
struct Bars {
    logarithmic: bool,
    start: f64,
    width: f64,
}

impl Bars {
    /// Ratio of highest to lowest nats from which the scale is logarithmic.
    const WIDE: f64 = 8.0;

    /// Bins from the lowest to the highest nats, with a margin.
    fn over(lowest: f64, highest: f64) -> Self {
        let logarithmic = lowest > 0.0 && highest / lowest >= Self::WIDE;
        let (from, to) = if logarithmic { (lowest.log2(), highest.log2()) } else { (lowest, highest) };
        // Equal nats still need a range of nonzero width.
        let room = ((to - from) * 0.02).max(if logarithmic { 0.0 } else { 0.5 });
        Self { logarithmic, start: from - room, width: (to - from + 2.0 * room) / BARS as f64 }
    }

    /// Nats at a position on the axis.
    fn nats(&self, place: f64) -> f64 {
        if self.logarithmic { place.exp2() } else { place }
    }

    /// Share of `nats` in each bin.
    fn shares(&self, nats: &[f64]) -> Vec<f64> {
        let mut shares = vec![0.0; BARS];
        for nats in nats {
            let place = if self.logarithmic { nats.log2() } else { *nats };
            // The quotient is finite. The last bin also takes overflow from rounding.
            shares[(((place - self.start) / self.width) as usize).min(BARS - 1)] += 1.0;
        }
        shares.iter().map(|count| count / nats.len() as f64).collect()
    }
}

#[cfg(test)]
mod tests;
