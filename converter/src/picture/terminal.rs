//! Pictures as terminal text.

use super::{GUTTER, Picture};

/// Capabilities of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// 24-bit colour and block characters: two pixels per character.
    TrueColour,
    /// Unicode block characters without colour: two pixels per character if black or white, else the nearest shade.
    Blocks,
    /// The same with ASCII characters.
    Ascii,
}

impl Terminal {
    /// Capabilities by the environment. The caller checks whether output is a terminal.
    pub fn from_env() -> Self {
        Self::detect(|key| std::env::var(key).ok())
    }

    /// Capabilities by the given variables.
    ///
    /// `COLORTERM` of `truecolor` or `24bit` means colour, unless `NO_COLOR` is set or `TERM` is `dumb`. Block
    /// characters need a UTF-8 locale, taken from the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |key: &str| variable(key).filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let unicode = locale.to_ascii_lowercase().replace('-', "").contains("utf8");
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let colour = set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit");
        match (unicode && !dumb, colour && set("NO_COLOR").is_none()) {
            (true, true) => Self::TrueColour,
            (true, false) => Self::Blocks,
            (false, _) => Self::Ascii,
        }
    }
}

impl Picture {
    /// Renders lines of at most `columns` characters, each two pixel rows high. A wider picture is shrunk by an integer
    /// factor. At full size every pixel is the upper or lower half of a character.
    ///
    /// ```
    /// use pixelrnn_converter::picture::{Picture, Terminal};
    ///
    /// let picture = Picture { width: 3, height: 2, channels: 1, data: vec![0, 128, 255, 0, 128, 255] };
    /// assert_eq!(picture.to_text(Terminal::Ascii, 80), " +@\n");
    /// ```
    pub fn to_text(&self, terminal: Terminal, columns: usize) -> String {
        let small = self.shrunk(self.width.div_ceil(columns.max(1)).max(1));
        let mut text = String::new();
        for y in (0..small.height).step_by(2) {
            for x in 0..small.width {
                let upper = small.pixel(x, y);
                let lower = (y + 1 < small.height).then(|| small.pixel(x, y + 1));
                text.push_str(&cell(terminal, upper, lower));
            }
            text.push_str(if terminal == Terminal::TrueColour { "\x1b[0m\n" } else { "\n" });
        }
        text
    }

    /// Box filter: the mean of each `factor` x `factor` square, cropped at the right and lower edge.
    fn shrunk(&self, factor: usize) -> Self {
        if factor == 1 {
            return self.clone();
        }
        let (width, height) = (self.width.div_ceil(factor), self.height.div_ceil(factor));
        let mut data = Vec::with_capacity(width * height * self.channels);
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y * factor, x * factor))) {
            let (bottom, right) = ((y + factor).min(self.height), (x + factor).min(self.width));
            for c in 0..self.channels {
                let sum: usize = (y..bottom)
                    .flat_map(|v| (x..right).map(move |u| (v * self.width + u) * self.channels + c))
                    .map(|at| usize::from(self.data[at]))
                    .sum();
                data.push((sum / ((bottom - y) * (right - x))) as u8);
            }
        }
        Self { width, height, channels: self.channels, data }
    }
}

/// Character for a pixel and the one below it, if any.
fn cell(terminal: Terminal, upper: [u8; 3], lower: Option<[u8; 3]>) -> String {
    let glyphs: &[Glyph] = match terminal {
        Terminal::TrueColour => {
            let ([r, g, b], [s, h, c]) = (upper, lower.unwrap_or_default());
            return format!("\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m\u{2580}");
        }
        Terminal::Blocks => &BLOCKS,
        Terminal::Ascii => &ASCII,
    };
    nearest(glyphs, upper, lower).to_string()
}

/// A character with the brightness of its upper and lower half, in thousandths.
type Glyph = (char, i32, i32);

/// Half blocks and shades: every pair of black or white pixels has its own character.
const BLOCKS: [Glyph; 7] =
    [(' ', 0, 0), ('▀', 1000, 0), ('▄', 0, 1000), ('█', 1000, 1000), ('░', 250, 250), ('▒', 500, 500), ('▓', 750, 750)];

/// ASCII counterparts.
const ASCII: [Glyph; 12] = [
    (' ', 0, 0),
    ('"', 1000, 0),
    ('o', 0, 1000),
    ('@', 1000, 1000),
    ('.', 111, 111),
    (':', 222, 222),
    ('-', 333, 333),
    ('=', 444, 444),
    ('+', 556, 556),
    ('*', 667, 667),
    ('#', 778, 778),
    ('%', 889, 889),
];

/// Closest character for a pixel and the one below it.
fn nearest(glyphs: &[Glyph], upper: [u8; 3], lower: Option<[u8; 3]>) -> char {
    // Rec. 601 luma in thousandths.
    let luma = |[r, g, b]: [u8; 3]| (299 * i32::from(r) + 587 * i32::from(g) + 114 * i32::from(b)) / 255;
    let lower = lower.unwrap_or_default();
    // A grid line must not brighten the pixel beside it.
    let line = |pixel| pixel == [GUTTER; 3];
    let shown = |pixel, other| if line(pixel) && !line(other) { 0 } else { luma(pixel) };
    let (top, bottom) = (shown(upper, lower), shown(lower, upper));
    let off = |(_, u, l): &&Glyph| (u - top).pow(2) + (l - bottom).pow(2);
    glyphs.iter().min_by_key(off).map_or(' ', |(glyph, ..)| *glyph)
}
