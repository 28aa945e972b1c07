//! Kind 16: value of a map at an earlier position.

use super::super::bytes::{i8_at, offset_at, u8_at, u16_at};
use super::super::header::Header;
use super::{Image, Op};

/// A vector of a map.
#[derive(Debug)]
pub struct Load {
    map: usize,
    wide: bool,
    output: usize,
    rows: isize,
    columns: isize,
    padding: Vec<i16>,
}

impl Load {
    /// Parses the record, and the zero point of the map's record.
    pub fn parse(blob: &[u8], record: &[u8], header: &Header) -> Self {
        let (map, wide, count) =
            (usize::from(u16_at(record, 2)), u8_at(record, 12) == 1, usize::from(u16_at(record, 14)));
        let zero = if wide { 0 } else { header.activations.zero_point(i8_at(header.record(blob, map), 2)) };
        Self {
            map,
            wide,
            output: offset_at(record, 4),
            rows: u16_at(record, 8) as isize,
            columns: u16_at(record, 10) as isize,
            padding: vec![zero; count],
        }
    }
}

impl Op for Load {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            let value = image.kept_at(self.map, pixel, -self.rows, -self.columns).unwrap_or(&self.padding).to_vec();
            for (f, x) in value.into_iter().enumerate() {
                if self.wide {
                    image.registers.set_wide(pixel, self.output, f, x);
                } else {
                    image.registers.set_narrow(pixel, self.output, f, x);
                }
            }
        }
    }
}
