//! Drawing of lines and text with `plotters` and an embedded font: identical on every machine.

use super::Picture;
use crate::error::Error;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::sync::OnceLock;

/// Drawing area.
pub(crate) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Result of a drawing operation.
pub(crate) type Drawn = Result<(), DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

/// Subset of `DejaVu Sans` with the characters in use.
static FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");

/// Font family registered with `plotters`.
pub(crate) const FAMILY: &str = "pixelrnn";

/// Colour of text.
pub(crate) const INK: RGBColor = RGBColor(32, 36, 44);

/// Colour of axes and secondary text.
pub(crate) const FAINT: RGBColor = RGBColor(110, 116, 128);

/// Draws an RGB picture on white.
///
/// # Errors
/// [`Error::Drawing`] when drawing fails, for example because the content does not fit.
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

/// Maximum size of a picture: 256 MiB.
const MAX_BYTES: usize = 1 << 28;

/// Text style: height in pixels, colour, horizontal anchor.
pub(crate) fn text(size: u32, colour: RGBColor, across: HPos) -> TextStyle<'static> {
    (FAMILY, size).into_font().color(&colour).pos(Pos::new(across, VPos::Center))
}

/// Draws text centred at `at`.
pub(crate) fn centred(area: &Area<'_>, what: &str, at: (i32, i32), size: u32, colour: RGBColor) -> Drawn {
    area.draw(&Text::new(what.to_string(), at, text(size, colour, HPos::Center)))
}

/// Draws text that starts at `at`.
pub(crate) fn left(area: &Area<'_>, what: &str, at: (i32, i32), size: u32, colour: RGBColor) -> Drawn {
    area.draw(&Text::new(what.to_string(), at, text(size, colour, HPos::Left)))
}

/// Shortens text to at most `most` characters, with an ellipsis in the middle.
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
