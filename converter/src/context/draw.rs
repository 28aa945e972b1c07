//! Pictures of dependences.

use super::Dependence;
use crate::error::Error;
use crate::picture::Picture;
use crate::picture::canvas::{self, Area, Drawn, FAINT, INK, shortened};
use pixelrnn::Position;
use pixelrnn::network::Image;
use plotters::prelude::*;

/// Maximum number of decades on the colour scale. Smaller changes get the lowest colour.
const DECADES: i32 = 6;

/// Colour scale from the smallest to the largest change: plasma of Matplotlib.
const HEAT: [[u8; 3]; 9] = [
    [13, 8, 135],
    [75, 3, 161],
    [125, 3, 168],
    [168, 34, 150],
    [203, 70, 121],
    [229, 107, 93],
    [248, 148, 65],
    [253, 195, 40],
    [240, 249, 33],
];

const NO_CHANGE: RGBColor = RGBColor(201, 205, 212);
const LATER: RGBColor = RGBColor(246, 247, 249);
const HATCH: RGBColor = RGBColor(228, 230, 235);
const IDEAL: RGBColor = RGBColor(66, 133, 190);
const TARGET: RGBColor = RGBColor(0, 190, 110);

/// Layout: approximate side of a map, gap between maps, height of a map's title, height of the legend.
const SIDE: usize = 448;
const GAP: usize = 40;
const HEAD: usize = 104;
const LEGEND: usize = 128;

/// Dependence of one model's prediction, with a title.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The model's name.
    pub title: String,
    /// The measured dependence.
    pub dependence: Dependence,
}

/// One map of the picture.
struct Map<'a> {
    title: String,
    subtitle: String,
    image: Image,
    target: Position,
    /// Dependence and channel to show. `None` for the ideal.
    shown: Option<(&'a Dependence, usize)>,
}

impl<'a> Map<'a> {
    /// Maps of a model, one per channel.
    fn of(panel: &'a Panel) -> Vec<Self> {
        let Panel { title, dependence } = panel;
        let (image, target) = (dependence.image(), dependence.target());
        let map = |subtitle: String, channel| Self {
            title: shortened(title, 26),
            subtitle,
            image,
            target,
            shown: Some((dependence, channel)),
        };
        if image.channels == 1 {
            return vec![map(format!("reads {} of {} pixels", dependence.pixels(), dependence.ideal()), 0)];
        }
        let plane = image.height * image.width;
        let colour = |channel: usize| {
            let read = dependence.noticed()[channel * plane..][..plane].iter().filter(|noticed| **noticed).count();
            let of = target.row * image.width + target.column + usize::from(channel < target.channel);
            map(format!("{} reads {read} of {of} {}", NAMES[target.channel], NAMES[channel]), channel)
        };
        (0..image.channels).map(colour).collect()
    }

    fn ideal(dependence: &Dependence) -> Self {
        Self {
            title: "ideal".to_string(),
            subtitle: format!("all {} pixels before it", dependence.ideal()),
            image: dependence.image(),
            target: dependence.target(),
            shown: None,
        }
    }

    fn cell(&self) -> usize {
        (SIDE / self.image.width.max(self.image.height)).max(1)
    }

    fn size(&self) -> (usize, usize) {
        (self.image.width * self.cell(), self.image.height * self.cell())
    }

    fn draw(&self, area: &Area<'_>, left: usize, top: usize, scale: Scale) -> Drawn {
        let cell = self.cell();
        let (width, _) = self.size();
        let middle = (left + width / 2) as i32;
        canvas::centred(area, &self.title, (middle, (top + 32) as i32), 28, INK)?;
        canvas::centred(area, &self.subtitle, (middle, (top + 72) as i32), 22, FAINT)?;
        let top = top + HEAD;
        // A separating line only between large cells.
        let line = usize::from(cell >= 6);
        let Position { row, column, channel } = self.target;
        for (i, j) in (0..self.image.height).flat_map(|i| (0..self.image.width).map(move |j| (i, j))) {
            let corner = (left + j * cell, top + i * cell);
            let side = cell - line;
            let own = (i, j) == (row, column);
            let before = (i, j) < (row, column) || own && self.shown.is_some_and(|(_, shown)| shown < channel);
            if before {
                square(area, corner, side, self.colour(i, j, scale))?;
            } else {
                later(area, corner, side)?;
            }
            if own {
                mark(area, corner, side, before)?;
            }
        }
        Ok(())
    }

    /// Colour of a pixel before the target.
    fn colour(&self, i: usize, j: usize, scale: Scale) -> RGBColor {
        let Some((dependence, channel)) = self.shown else { return IDEAL };
        let at = (channel * self.image.height + i) * self.image.width + j;
        if dependence.noticed()[at] { heat(scale.share(dependence.change()[at])) } else { NO_CHANGE }
    }
}

const NAMES: [&str; 3] = ["R", "G", "B"];

/// Logarithmic colour scale between two powers of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    /// The scale that covers all changes, up to [`DECADES`].
    fn over<'a>(changes: impl Iterator<Item = &'a f64>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for change in changes.filter(|change| **change > 0.0) {
            (least, most) = (least.min(*change), most.max(*change));
        }
        if most == 0.0 {
            return Self { low: -DECADES, high: 0 };
        }
        // Total variation is at most 1, so the exponents are small integers.
        let high = most.log10().ceil() as i32;
        Self { low: (least.log10().floor() as i32).clamp(high - DECADES, high - 1), high }
    }

    fn decades(self) -> i32 {
        self.high - self.low
    }

    /// Position of a change on the scale, 0 to 1.
    fn share(self, change: f64) -> f64 {
        ((change.log10() - f64::from(self.low)) / f64::from(self.decades())).clamp(0.0, 1.0)
    }
}

/// Colour of a position on the scale.
fn heat(share: f64) -> RGBColor {
    let place = share * (HEAT.len() - 1) as f64;
    let low = (place as usize).min(HEAT.len() - 2);
    let part = place - low as f64;
    let mix = |c: usize| (f64::from(HEAT[low][c]) * (1.0 - part) + f64::from(HEAT[low + 1][c]) * part).round() as u8;
    RGBColor(mix(0), mix(1), mix(2))
}

fn square(area: &Area<'_>, (x, y): (usize, usize), side: usize, colour: RGBColor) -> Drawn {
    let (x, y, last) = (x as i32, y as i32, side as i32 - 1);
    area.draw(&Rectangle::new([(x, y), (x + last, y + last)], colour.filled()))
}

/// Hatches a pixel that is not known yet; the lines continue across pixels.
fn later(area: &Area<'_>, (x, y): (usize, usize), side: usize) -> Drawn {
    square(area, (x, y), side, LATER)?;
    for (v, u) in (0..side).flat_map(|v| (0..side).map(move |u| (v, u))) {
        if (x + y + u + v).is_multiple_of(8) {
            area.draw_pixel(((x + u) as i32, (y + v) as i32), &HATCH)?;
        }
    }
    Ok(())
}

/// Marks the target: filled, or a frame around the colour of an earlier channel.
fn mark(area: &Area<'_>, (x, y): (usize, usize), side: usize, frame: bool) -> Drawn {
    if !frame {
        return square(area, (x, y), side, TARGET);
    }
    let (x, y, last) = (x as i32, y as i32, side as i32 - 1);
    for n in 0..(side as i32 / 5).max(1) {
        area.draw(&Rectangle::new([(x + n, y + n), (x + last - n, y + last - n)], TARGET))?;
    }
    Ok(())
}

/// Maps in rows: one row, with one ideal, if all models are gray and have the same image and target; else one row per
/// model.
fn lines(panels: &[Panel]) -> Vec<Vec<Map<'_>>> {
    let shape = |panel: &Panel| (panel.dependence.image(), panel.dependence.target());
    let alike = panels.windows(2).all(|two| shape(&two[0]) == shape(&two[1]));
    let gray = panels.iter().all(|panel| panel.dependence.image().channels == 1);
    if alike && gray {
        let mut line: Vec<Map<'_>> = panels.iter().flat_map(Map::of).collect();
        line.extend(panels.last().map(|panel| Map::ideal(&panel.dependence)));
        return vec![line];
    }
    let line = |panel| Map::of(panel).into_iter().chain([Map::ideal(&panel.dependence)]).collect();
    panels.iter().map(line).collect()
}

/// Draws the dependence of each model, with the ideal for comparison: all pixels above the target, and to its left in
/// its row.
///
/// # Errors
/// [`Error::Drawing`] when drawing fails.
pub fn picture(panels: &[Panel]) -> Result<Picture, Error> {
    let lines = lines(panels);
    let scale = Scale::over(panels.iter().flat_map(|panel| panel.dependence.change()));
    let width = |line: &Vec<Map<'_>>| GAP + line.iter().map(|map| map.size().0 + GAP).sum::<usize>();
    let height = |line: &Vec<Map<'_>>| HEAD + GAP / 2 + line.iter().map(|map| map.size().1).max().unwrap_or(0);
    let widest = lines.iter().map(width).max().unwrap_or(0).max(MINIMUM);
    let high = lines.iter().map(height).sum::<usize>();
    canvas::draw(widest, high + LEGEND, |area| {
        let mut top = 0;
        for line in &lines {
            let mut left = (widest - width(line)) / 2 + GAP;
            for map in line {
                map.draw(area, left, top, scale)?;
                left += map.size().0 + GAP;
            }
            top += height(line);
        }
        legend(area, widest, top, scale)
    })
}

/// Minimum width, for the legend.
const MINIMUM: usize = 980;

fn legend(area: &Area<'_>, width: usize, top: usize, scale: Scale) -> Drawn {
    const BAR: i32 = 480;
    let (left, top) = ((width - MINIMUM) as i32 / 2 + GAP as i32, top as i32 + 24);
    for x in 0..BAR {
        let colour = heat(f64::from(x) / f64::from(BAR - 1));
        for y in 0..22 {
            area.draw_pixel((left + x, top + y), &colour)?;
        }
    }
    for decade in 0..=scale.decades() {
        let x = left + decade * (BAR - 1) / scale.decades();
        area.draw(&PathElement::new([(x, top + 22), (x, top + 29)], FAINT))?;
        canvas::centred(area, &power(scale.low + decade), (x, top + 44), 20, FAINT)?;
    }
    canvas::centred(area, "change of the prediction (total variation)", (left + BAR / 2, top + 76), 20, INK)?;
    let beside = left + BAR + 56;
    for (n, what) in ["the pixel predicted", "read never", "not known yet"].into_iter().enumerate() {
        let y = top + 11 + 32 * n as i32;
        let corner = (beside as usize, (y - 9) as usize);
        match n {
            0 => square(area, corner, 20, TARGET)?,
            1 => square(area, corner, 20, NO_CHANGE)?,
            _ => later(area, corner, 20)?,
        }
        canvas::left(area, what, (beside + 34, y), 22, INK)?;
    }
    Ok(())
}

/// A power of ten, such as `10⁻³`.
fn power(exponent: i32) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        c => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][c.to_digit(10).unwrap_or(0) as usize],
    };
    if exponent == 0 {
        "1".to_string()
    } else {
        format!("10{}", exponent.to_string().chars().map(digit).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::{Scale, heat, power};
    use plotters::style::RGBColor;

    #[test]
    fn the_scale_is_logarithmic_and_ends_at_both_ends() {
        let scale = Scale { low: -6, high: 0 };
        for (change, expected) in [(1.0, 1.0), (1e-3, 0.5), (1e-6, 0.0), (1e-30, 0.0), (0.0, 0.0)] {
            assert!((scale.share(change) - expected).abs() < 1e-12, "{change}");
        }
        assert_eq!(
            (heat(0.0), heat(0.5), heat(1.0)),
            (RGBColor(13, 8, 135), RGBColor(203, 70, 121), RGBColor(240, 249, 33))
        );
        assert_eq!([-6, -1, 0].map(power), ["10⁻⁶", "10⁻¹", "1"]);
    }

    #[test]
    fn the_scale_fits_what_there_is() {
        for (changes, low, high) in [
            (&[0.0, 0.02, 0.3][..], -2, 0),
            (&[1e-12, 0.05], -7, -1),
            (&[1.0], -1, 0),
            (&[0.01], -3, -2),
            (&[0.0], -6, 0),
            (&[], -6, 0),
        ] {
            assert_eq!(Scale::over(changes.iter()), Scale { low, high }, "{changes:?}");
        }
    }
}
