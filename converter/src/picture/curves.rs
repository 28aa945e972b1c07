//! Line charts.

use super::Picture;
use super::canvas::{self, Area, Drawn, FAINT, FAMILY, INK, text};
use crate::error::Error;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::ops::Range;

/// A named curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve<'a> {
    /// Name in the legend.
    pub name: &'a str,
    /// Points, in the order in which they are joined.
    pub points: Vec<(f64, f64)>,
    /// Index of the best point, marked in the chart and in the legend.
    pub best: Option<usize>,
}

/// Colours of the curves, repeated cyclically.
const COLOURS: [RGBColor; 4] =
    [RGBColor(33, 113, 181), RGBColor(230, 110, 20), RGBColor(35, 139, 69), RGBColor(129, 15, 124)];

impl Picture {
    /// Draws curves in one chart with a legend and the axis labels `x` and `y`. Points that are not finite are left
    /// out.
    ///
    /// Leading points that would compress all others into less than half of the height are left out as well and listed
    /// in a note: the first epochs of a training must not flatten its curve.
    ///
    /// # Errors
    /// [`Error::Drawing`] when drawing fails.
    pub fn curves(curves: &[Curve<'_>], x: &str, y: &str) -> Result<Self, Error> {
        canvas::draw(1200, 720, |area| draw(area, curves, x, y))
    }
}

fn draw(area: &Area<'_>, curves: &[Curve<'_>], x: &str, y: &str) -> Drawn {
    let curves: Vec<Shown<'_>> = curves.iter().map(Shown::new).collect();
    let above = far_above(&curves);
    let points = |from: &[usize]| {
        let points = curves.iter().zip(from.to_vec()).flat_map(|(curve, from)| &curve.points[from..]);
        points.copied().collect::<Vec<_>>()
    };
    let height = reach(points(&above).into_iter().map(|p| p.1));
    let top = height.end;
    let mut chart = ChartBuilder::on(area)
        .margin(24)
        .margin_top(72)
        .x_label_area_size(64)
        .y_label_area_size(110)
        .build_cartesian_2d(reach(points(&vec![0; curves.len()]).into_iter().map(|p| p.0)), height.clone())?;
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
    // Room for the note about points above the chart.
    let below = top - (top - height.start) * 0.08;
    for (at, _) in curves.iter().filter_map(|curve| curve.best) {
        chart.draw_series(LineSeries::new([(at, height.start), (at, below)], FAINT.mix(0.6).stroke_width(2)))?;
    }
    for ((curve, from), colour) in curves.iter().zip(&above).zip(COLOURS.iter().cycle()) {
        let points = &curve.points[*from..];
        // The line from the last point above the chart starts at the chart's edge.
        let enters = from.checked_sub(1).and_then(|last| crossing(curve.points[last], *points.first()?, top));
        let line = enters.into_iter().chain(points.iter().copied());
        chart.draw_series(LineSeries::new(line, colour.stroke_width(4)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 5, colour.filled())))?;
        if let Some(best) = curve.best {
            chart.draw_series([Circle::new(best, 11, colour.stroke_width(3))])?;
        }
    }
    for ((n, curve), colour) in curves.iter().enumerate().zip(COLOURS.iter().cycle()) {
        let left = 140 + 260 * n as i32;
        area.draw(&Rectangle::new([(left, 30), (left + 22, 52)], colour.filled()))?;
        canvas::left(area, &canvas::shortened(curve.name, 18), (left + 34, 41), 24, INK)?;
    }
    let best = curves.iter().enumerate().filter_map(|(n, curve)| Some((n, curve.best?)));
    for (place, (n, (at, value))) in best.enumerate() {
        let left = 140 + 260 * (curves.len() + place) as i32;
        area.draw(&Circle::new((left + 11, 41), 9, COLOURS[n % COLOURS.len()].stroke_width(3)))?;
        canvas::left(area, &format!("best: {} at {x} {}", short(value), short(at)), (left + 34, 41), 24, INK)?;
    }
    let named = |curve: &Shown<'_>, point: &(f64, f64)| {
        format!("{} {} at {x} {}", canvas::shortened(curve.name, 18), short(point.1), short(point.0))
    };
    let missing = curves.iter().zip(&above).flat_map(|(curve, to)| curve.points[..*to].iter().map(|p| named(curve, p)));
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        let note = canvas::shortened(&format!("above the chart: {}", missing.join(", ")), 96);
        area.draw(&Text::new(note, (1170, 92), text(20, FAINT, HPos::Right)))?;
    }
    Ok(())
}

/// A curve restricted to its finite points.
struct Shown<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
    best: Option<(f64, f64)>,
}

impl<'a> Shown<'a> {
    fn new(curve: &Curve<'a>) -> Self {
        let known = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        let best = curve.best.and_then(|n| curve.points.get(n)).copied().filter(known);
        Self { name: curve.name, points: curve.points.iter().copied().filter(known).collect(), best }
    }
}

/// Number of leading points of each curve to leave out.
///
/// The highest of all points is removed while it is the first of its curve and takes more than half of the height. Each
/// curve keeps at least three points, and its best one.
fn far_above(curves: &[Shown<'_>]) -> Vec<usize> {
    let mut above = vec![0; curves.len()];
    loop {
        let height = |above: &[usize]| {
            let values = || curves.iter().zip(above).flat_map(|(c, from)| &c.points[*from..]).map(|point| point.1);
            values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
        };
        let first = |n: &usize| curves[*n].points.get(above[*n]).map_or(f64::NEG_INFINITY, |point| point.1);
        let Some(highest) = (0..curves.len()).max_by(|a, b| first(a).total_cmp(&first(b))) else { return above };
        let curve = &curves[highest];
        let mut without = above.clone();
        without[highest] += 1;
        let kept =
            curve.points.get(above[highest]).copied() != curve.best && without[highest] + 3 <= curve.points.len();
        if !kept || height(&without) * 2.0 >= height(&above) {
            return above;
        }
        above = without;
    }
}

/// Intersection of the height `top` with the line from a point above it to one below.
fn crossing((x0, y0): (f64, f64), (x1, y1): (f64, f64), top: f64) -> Option<(f64, f64)> {
    let part = (top - y1) / (y0 - y1);
    (0.0..=1.0).contains(&part).then_some((x1 + (x0 - x1) * part, top))
}

/// Range of the values with a small margin.
fn reach(numbers: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), n| (a.min(n), b.max(n)));
    if least > most {
        return 0.0..1.0;
    }
    let room = ((most - least) * 0.04).max(1e-9 * most.abs()).max(f64::MIN_POSITIVE);
    // A single value gets a range of width 1.
    if least < most { least - room..most + room } else { least - 0.5..most + 0.5 }
}

/// Label of a value: three decimals, without trailing zeros.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of pixels in `rows` with exactly this colour.
    fn coloured(picture: &Picture, colour: RGBColor, rows: Range<usize>) -> usize {
        let row = picture.width * 3;
        let pixels = picture.data[rows.start * row..rows.end * row].chunks_exact(3);
        pixels.filter(|pixel| *pixel == [colour.0, colour.1, colour.2]).count()
    }

    #[test]
    fn curves_are_where_their_points_are_and_points_that_are_no_numbers_are_left_out() {
        let curve = |name, points: &[(f64, f64)]| Curve { name, points: points.to_vec(), best: None };
        let steep = curve("steep", &[(1.0, 100.0), (2.0, f64::NAN), (3.0, 80.0)]);
        let one = Picture::curves(std::slice::from_ref(&steep), "epoch", "nats").unwrap();
        let same = Picture::curves(&[curve("steep", &[(1.0, 100.0), (3.0, 80.0)])], "epoch", "nats").unwrap();
        assert_eq!(one.data, same.data);
        // From the upper left to the lower right: colour in both halves below the legend.
        assert!(coloured(&one, COLOURS[0], 80..360) > 500 && coloured(&one, COLOURS[0], 360..640) > 500);
        assert_eq!(coloured(&one, COLOURS[1], 0..720), 0);
        let two = Picture::curves(&[steep, curve("flat", &[(1.0, 90.0), (3.0, 90.0)])], "epoch", "nats").unwrap();
        assert!(coloured(&two, COLOURS[1], 80..640) > 500);
    }

    #[test]
    fn no_points_and_one_point_make_a_chart() {
        for points in [vec![], vec![(1.0, 5.0)], vec![(f64::INFINITY, 1.0)]] {
            assert!(Picture::curves(&[Curve { name: "", points, best: Some(0) }], "", "").is_ok());
        }
    }

    /// A curve that falls from 90 to 80 after its `first` value.
    fn falling(first: f64, best: Option<usize>) -> Picture {
        let points = [first, 90.0, 86.0, 83.0, 81.0, 80.0].into_iter().enumerate().map(|(n, y)| (n as f64 + 1.0, y));
        Picture::curves(&[Curve { name: "training", points: points.collect(), best }], "epoch", "nats").unwrap()
    }

    #[test]
    fn a_first_epoch_far_above_does_not_flatten_the_rest_and_is_named() {
        // The rest looks the same for any first value far above.
        let (far, farther) = (falling(300.0, None), falling(900.0, None));
        let below = |picture: &Picture| picture.data[130 * 1200 * 3..].to_vec();
        assert!(coloured(&far, COLOURS[0], 300..632) > 2000, "the curve uses the lower half");
        assert_eq!(
            coloured(&far, COLOURS[0], 0..72),
            coloured(&falling(90.5, None), COLOURS[0], 0..72),
            "the legend alone"
        );
        // All but the steep first segment, within a few pixels.
        let differ = below(&far).iter().zip(below(&farther)).filter(|(a, b)| **a != *b).count();
        assert!(differ < 20_000, "{differ}");
        assert!(far.data != farther.data, "the note names the value");
        // A first value not far above the others stays in the chart.
        let shown = [Curve { name: "", points: vec![(1.0, 99.0), (2.0, 90.0), (3.0, 85.0), (4.0, 80.0)], best: None }];
        assert_eq!(far_above(&[Shown::new(&shown[0])]), [0]);
    }

    #[test]
    fn few_points_and_the_best_one_stay_in_the_chart() {
        let above = |points: &[f64], best| {
            let points = points.iter().enumerate().map(|(n, y)| (n as f64, *y)).collect();
            far_above(&[Shown::new(&Curve { name: "", points, best })])[0]
        };
        assert_eq!(above(&[900.0, 90.0, 80.0], None), 0);
        assert_eq!(above(&[900.0, 90.0, 85.0, 80.0], None), 1);
        assert_eq!(above(&[900.0, 90.0, 85.0, 80.0], Some(0)), 0);
        assert_eq!(above(&[9000.0, 900.0, 90.0, 85.0, 80.0], None), 2);
        assert_eq!(above(&[80.0, 80.0, 80.0, 80.0, 80.0], None), 0);
    }

    #[test]
    fn the_best_epoch_is_marked_in_the_chart_and_in_the_legend() {
        let (with, without) = (falling(95.0, Some(4)), falling(95.0, None));
        let more =
            |rows: Range<usize>| coloured(&with, COLOURS[0], rows.clone()) > coloured(&without, COLOURS[0], rows);
        assert!(more(0..72), "a ring in the legend");
        assert!(more(500..632), "a ring about the point");
    }
}
