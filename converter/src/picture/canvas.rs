//! Pictures with lines and text, by `plotters`, in a font of our own: the same on every machine, whatever fonts it has.

use super::Picture;
use crate::error::Error;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::sync::OnceLock;

/// What is drawn on.
pub(crate) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// What drawing gives.
pub(crate) type Drawn = Result<(), DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

/// `DejaVu Sans` with the characters that we use.
static FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");

/// The name that `plotters` knows the font by.
pub(crate) const FAMILY: &str = "pixelrnn";

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(32, 36, 44);

/// Text of lesser weight.
pub(crate) const FAINT: RGBColor = RGBColor(110, 116, 128);

/// Draws a picture of colours on white.
///
/// # Errors
/// [`Error::Drawing`] when it cannot be drawn, as where it has no room for what is in it.
pub(crate) fn draw(width: usize, height: usize, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<Picture, Error> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let failed = |what: String| Error::Drawing(what);
    if !REGISTERED.get_or_init(|| plotters::style::register_font(FAMILY, FontStyle::Normal, FONT).is_ok()) {
        return Err(failed("the font is damaged".to_string()));
    }
    let side = |n: usize| u32::try_from(n).map_err(|_| failed(format!("a side of {n} pixels")));
    let size = (side(width)?, side(height)?);
    let bytes = width.checked_mul(height).and_then(|n| n.checked_mul(3)).filter(|n| *n <= MAX_BYTES);
    let mut data = vec![255; bytes.ok_or_else(|| failed(format!("{width}x{height} pixels are too many")))?];
    {
        let area = BitMapBackend::with_buffer(&mut data, size).into_drawing_area();
        draw(&area).and_then(|()| area.present()).map_err(|e| failed(e.to_string()))?;
    }
    Ok(Picture { width, height, channels: 3, data })
}

/// The largest picture: 256 MiB.
const MAX_BYTES: usize = 1 << 28;

/// A style of text: its height in pixels, its colour, and which of its points stands at the given one.
pub(crate) fn text(size: u32, colour: RGBColor, across: HPos) -> TextStyle<'static> {
    (FAMILY, size).into_font().color(&colour).pos(Pos::new(across, VPos::Center))
}

/// Text whose middle stands at `at`.
pub(crate) fn centred(area: &Area<'_>, what: &str, at: (i32, i32), size: u32, colour: RGBColor) -> Drawn {
    area.draw(&Text::new(what.to_string(), at, text(size, colour, HPos::Center)))
}

/// Text that begins at `at`.
pub(crate) fn left(area: &Area<'_>, what: &str, at: (i32, i32), size: u32, colour: RGBColor) -> Drawn {
    area.draw(&Text::new(what.to_string(), at, text(size, colour, HPos::Left)))
}

/// `what`, cut in its middle to at most `most` characters.
pub(crate) fn shortened(what: &str, most: usize) -> String {
    let count = what.chars().count();
    if count <= most {
        return what.to_string();
    }
    let (head, tail) = (most / 2, most - most / 2 - 1);
    what.chars().take(head).chain(['…']).chain(what.chars().skip(count - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_needs_no_font_of_the_machine() {
        let picture = draw(200, 40, |area| centred(area, "nats: 10⁻⁶ → 1", (100, 20), 20, INK)).unwrap();
        assert!(picture.data.iter().filter(|byte| **byte < 128).count() > 300, "there is ink");
        let again = draw(200, 40, |area| centred(area, "nats: 10⁻⁶ → 1", (100, 20), 20, INK)).unwrap();
        assert_eq!(picture, again);
    }

    #[test]
    fn pictures_that_are_too_large_are_refused() {
        assert!(matches!(draw(1 << 40, 1, |_| Ok(())), Err(Error::Drawing(_))));
        assert!(matches!(draw(1 << 20, 1 << 20, |_| Ok(())), Err(Error::Drawing(_))));
    }

    #[test]
    fn long_names_are_cut_in_the_middle() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("a-long-name", 7), "a-l…ame");
    }
}
