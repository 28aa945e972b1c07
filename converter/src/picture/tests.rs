use super::*;
use crate::images::Range;

fn set(channels: usize, count: usize) -> ImageSet {
    let data = (0..count * channels * 6).map(|n| (n % 4) as u8).collect();
    ImageSet::new([channels, 2, 3], data, Range::Levels).unwrap()
}

#[test]
fn a_grid_has_lines_between_and_around() {
    let picture = Picture::grid(&set(1, 3), 4, Layout { columns: 2, scale: 1, gutter: 1 });
    assert_eq!((picture.width, picture.height), (9, 7));
    let rows: Vec<&[u8]> = picture.data.chunks_exact(9).collect();
    let g = GUTTER;
    assert_eq!(rows[0], [g; 9]);
    assert_eq!(rows[1], [g, 0, 85, 170, g, 170, 255, 0, g]);
    assert_eq!(rows[2], [g, 255, 0, 85, g, 85, 170, 255, g]);
    assert_eq!(rows[4], [g, 0, 85, 170, g, g, g, g, g]);
}

#[test]
fn pixels_become_squares_and_planes_become_colours() {
    let picture = Picture::grid(&set(3, 1), 4, Layout { columns: 1, scale: 2, gutter: 0 });
    assert_eq!((picture.width, picture.height, picture.channels), (6, 4, 3));
    assert_eq!(picture.pixel(0, 0), [0, 170, 0]);
    assert_eq!(picture.pixel(1, 1), picture.pixel(0, 0));
    assert_eq!(picture.pixel(2, 0), [85, 255, 85]);
}

#[test]
fn layouts_fit_their_purpose() {
    let one = Layout::file(&set(1, 1));
    assert_eq!(one, Layout { columns: 1, scale: 1, gutter: 0 });
    let of = |count, side| {
        let none = ImageSet::new([1, side, side], Vec::new(), Range::Levels).unwrap();
        let set = ImageSet { count, ..none };
        let Layout { columns, scale, .. } = Layout::file(&set);
        (columns, scale)
    };
    assert_eq!([of(64, 28), of(2, 32), of(7, 100), of(16, 8)], [(8, 2), (2, 2), (3, 1), (4, 8)]);
    assert_eq!(Layout::terminal(&set(1, 100), 80).columns, 19);
    assert_eq!(Layout::terminal(&set(1, 3), 80).columns, 3);
    assert_eq!(Layout::terminal(&set(1, 3), 0).columns, 1);
}

#[test]
fn png_bytes_are_deterministic() {
    let picture = Picture::grid(&set(3, 4), 4, Layout::file(&set(3, 4)));
    assert_eq!(picture.to_png().unwrap(), picture.to_png().unwrap());
    let nothing = Picture { width: 0, height: 0, channels: 1, data: Vec::new() };
    assert!(nothing.to_png().is_err());
}

#[test]
fn an_empty_set_is_an_empty_picture() {
    let none = ImageSet { count: 0, data: Vec::new(), ..set(1, 1) };
    let picture = Picture::grid(&none, 2, Layout::file(&none));
    assert_eq!(picture.to_text(Terminal::Ascii, 80), "");
}

#[test]
fn terminal_capabilities_come_from_the_environment() {
    let detect = |variables: &[(&str, &str)]| {
        Terminal::detect(|key| variables.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_string()))
    };
    assert_eq!(detect(&[]), Terminal::Ascii);
    assert_eq!(detect(&[("LANG", "C")]), Terminal::Ascii);
    assert_eq!(detect(&[("LANG", "de_DE.UTF-8")]), Terminal::Blocks);
    assert_eq!(detect(&[("LANG", "C.utf8"), ("COLORTERM", "truecolor")]), Terminal::TrueColour);
    assert_eq!(detect(&[("LC_ALL", "C"), ("LANG", "C.utf8"), ("COLORTERM", "24bit")]), Terminal::Ascii);
    assert_eq!(detect(&[("LC_CTYPE", "C.UTF-8"), ("COLORTERM", "24bit"), ("NO_COLOR", "1")]), Terminal::Blocks);
    assert_eq!(detect(&[("LANG", "C.UTF-8"), ("COLORTERM", "24bit"), ("TERM", "dumb")]), Terminal::Ascii);
}

#[test]
fn two_rows_make_a_line() {
    let picture = Picture { width: 2, height: 3, channels: 3, data: [[255, 0, 0], [0, 255, 0]].repeat(3).concat() };
    assert_eq!(
        picture.to_text(Terminal::TrueColour, 80),
        "\x1b[38;2;255;0;0;48;2;255;0;0m▀\x1b[38;2;0;255;0;48;2;0;255;0m▀\x1b[0m\n\
         \x1b[38;2;255;0;0;48;2;0;0;0m▀\x1b[38;2;0;255;0;48;2;0;0;0m▀\x1b[0m\n"
    );
    let gray = Picture { width: 5, height: 2, channels: 1, data: [0, 60, 120, 180, 255].repeat(2) };
    assert_eq!(gray.to_text(Terminal::Blocks, 80), " ░▒▓█\n");
}

#[test]
fn wide_pictures_are_shrunk() {
    let picture = Picture { width: 5, height: 4, channels: 1, data: vec![255; 20] };
    assert_eq!(picture.to_text(Terminal::Ascii, 3), "@@@\n");
    // A single pixel row fills the upper half of a line.
    assert_eq!(picture.to_text(Terminal::Ascii, 0).lines().next(), Some("\""));
}

#[test]
fn every_pixel_of_two_levels_is_shown_with_colour_and_without() {
    let mut random = crate::testing::Random(5);
    let (width, height) = (9, 7);
    let data: Vec<u8> = (0..width * height).map(|_| 255 * random.below(2) as u8).collect();
    let picture = Picture { width, height, channels: 1, data };
    for (terminal, halves) in [(Terminal::Blocks, [' ', '▀', '▄', '█']), (Terminal::Ascii, [' ', '"', 'o', '@'])]
    {
        let text = picture.to_text(terminal, 80);
        let mut read = vec![0; width * (height + 1)];
        for (y, line) in text.lines().enumerate() {
            for (x, found) in line.chars().enumerate() {
                let bits = halves.iter().position(|half| *half == found).unwrap();
                read[2 * y * width + x] = 255 * (bits as u8 & 1);
                read[(2 * y + 1) * width + x] = 255 * (bits as u8 >> 1);
            }
        }
        assert_eq!(read[..width * height], picture.data, "{text}");
    }
    // In colour, each pair of pixels has its own character and colours.
    let text = picture.to_text(Terminal::TrueColour, 80);
    let colours = text.split('\u{2580}').filter_map(|cell| cell.split_once("38;2;")).map(|(_, colours)| colours);
    for (n, colours) in colours.enumerate() {
        let [upper, lower] = [0, 1].map(|half| (2 * (n / width) + half) * width + n % width);
        let [upper, lower] = [upper, lower].map(|at| picture.data.get(at).copied().unwrap_or(0));
        assert_eq!(colours, format!("{upper};{upper};{upper};48;2;{lower};{lower};{lower}m"), "{n}");
    }
}

#[test]
fn lines_between_images_do_not_change_the_pixels_beside_them() {
    let data = vec![GUTTER, GUTTER, GUTTER, 0, 255, GUTTER, 0, 255, GUTTER, GUTTER, GUTTER, GUTTER];
    let picture = Picture { width: 3, height: 4, channels: 1, data };
    assert_eq!(picture.to_text(Terminal::Blocks, 80), " ▄▒\n ▀▒\n");
    assert_eq!(picture.to_text(Terminal::Ascii, 80), " o-\n \"-\n");
}

#[test]
fn shades_without_colour_are_the_nearest_ones() {
    let picture = Picture { width: 4, height: 2, channels: 1, data: vec![85, 170, 120, 255, 85, 170, 130, 100] };
    assert_eq!(picture.to_text(Terminal::Blocks, 80), "░▓▒▀\n");
}
