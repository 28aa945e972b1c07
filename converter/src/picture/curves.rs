//! Curves in one chart.

use super::Picture;
use super::canvas::{self, Area, Drawn, FAINT, FAMILY, INK, text};
use crate::error::Error;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::ops::Range;

/// A curve, and what it is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Its points, in the order in which they are joined.
    pub points: Vec<(f64, f64)>,
}

/// Colours of the first curves; more of them begin again.
const COLOURS: [RGBColor; 4] =
    [RGBColor(33, 113, 181), RGBColor(230, 110, 20), RGBColor(35, 139, 69), RGBColor(129, 15, 124)];

impl Picture {
    /// Curves in one chart with a legend. The axes are called `x` and `y`; they reach as far as the points that are numbers.
    ///
    /// # Errors
    /// [`Error::Drawing`] when the picture cannot be drawn.
    pub fn curves(curves: &[Curve<'_>], x: &str, y: &str) -> Result<Self, Error> {
        canvas::draw(1200, 720, |area| draw(area, curves, x, y))
    }
}

fn draw(area: &Area<'_>, curves: &[Curve<'_>], x: &str, y: &str) -> Drawn {
    let known = |(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
    let points = || curves.iter().flat_map(|curve| &curve.points).filter(known);
    let mut chart = ChartBuilder::on(area)
        .margin(24)
        .margin_top(72)
        .x_label_area_size(64)
        .y_label_area_size(110)
        .build_cartesian_2d(reach(points().map(|p| p.0)), reach(points().map(|p| p.1)))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT.mix(0.25))
        .axis_style(FAINT)
        .x_desc(x)
        .y_desc(y)
        .axis_desc_style(text(26, INK, HPos::Center))
        .label_style((FAMILY, 22).into_font().color(&FAINT))
        .x_label_formatter(&|number| short(*number))
        .y_label_formatter(&|number| short(*number))
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let points = curve.points.iter().filter(known).copied();
        chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(4)))?;
        chart.draw_series(points.map(|point| Circle::new(point, 5, colour.filled())))?;
    }
    for ((n, curve), colour) in curves.iter().enumerate().zip(COLOURS.iter().cycle()) {
        let left = 140 + 260 * n as i32;
        area.draw(&Rectangle::new([(left, 30), (left + 22, 52)], colour.filled()))?;
        canvas::left(area, &canvas::shortened(curve.name, 18), (left + 34, 41), 24, INK)?;
    }
    Ok(())
}

/// From a little below the least number to a little above the largest.
fn reach(numbers: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), n| (a.min(n), b.max(n)));
    if least > most {
        return 0.0..1.0;
    }
    let room = ((most - least) * 0.04).max(1e-9 * most.abs()).max(f64::MIN_POSITIVE);
    // One number alone stands in the middle of a unit.
    if least < most { least - room..most + room } else { least - 0.5..most + 0.5 }
}

/// A number on an axis.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_where_their_points_are_and_points_that_are_no_numbers_are_left_out() {
        let curve = |name, points: &[(f64, f64)]| Curve { name, points: points.to_vec() };
        let steep = curve("steep", &[(1.0, 100.0), (2.0, f64::NAN), (3.0, 80.0)]);
        let one = Picture::curves(std::slice::from_ref(&steep), "epoch", "nats").unwrap();
        let same = Picture::curves(&[curve("steep", &[(1.0, 100.0), (3.0, 80.0)])], "epoch", "nats").unwrap();
        assert_eq!(one.data, same.data);
        let coloured = |picture: &Picture, colour: RGBColor, rows: Range<usize>| {
            let row = picture.width * 3;
            picture.data[rows.start * row..rows.end * row]
                .chunks_exact(3)
                .filter(|pixel| *pixel == [colour.0, colour.1, colour.2])
                .count()
        };
        // From the upper left to the lower right: colour in the upper half and in the lower one, below the legend.
        assert!(coloured(&one, COLOURS[0], 80..360) > 500 && coloured(&one, COLOURS[0], 360..640) > 500);
        assert_eq!(coloured(&one, COLOURS[1], 0..720), 0);
        let two = Picture::curves(&[steep, curve("flat", &[(1.0, 90.0), (3.0, 90.0)])], "epoch", "nats").unwrap();
        assert!(coloured(&two, COLOURS[1], 80..640) > 500);
    }

    #[test]
    fn no_points_and_one_point_make_a_chart() {
        for points in [vec![], vec![(1.0, 5.0)], vec![(f64::INFINITY, 1.0)]] {
            assert!(Picture::curves(&[Curve { name: "", points }], "", "").is_ok());
        }
    }
}
