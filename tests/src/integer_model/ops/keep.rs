//! Kind 15: a vector becomes the value of a map at a pixel.

use super::super::bytes::{offset_at, u8_at, u16_at, u32_at};
use super::super::header::Header;
use super::{Image, Op};

/// A map.
#[derive(Debug)]
pub struct Keep {
    op: usize,
    wide: bool,
    input: usize,
    count: usize,
    /// Pixels kept under `Plan::Pixel`.
    pixels: usize,
}

impl Keep {
    /// Parses record `op`.
    pub fn parse(record: &[u8], op: usize) -> Self {
        Self {
            op,
            wide: u8_at(record, 1) == 1,
            input: offset_at(record, 4),
            count: u16_at(record, 8).into(),
            pixels: u32_at(record, 12) as usize,
        }
    }
}

impl Op for Keep {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            let value = |f| {
                if self.wide {
                    image.registers.wide(pixel, self.input, f)
                } else {
                    image.registers.narrow(pixel, self.input, f)
                }
            };
            image.kept[self.op][pixel] = (0..self.count).map(value).collect();
        }
    }

    fn state_bytes(&self, header: &Header) -> usize {
        let size = if self.wide { 2 } else { header.activations.bytes };
        (self.pixels * self.count * size).next_multiple_of(4)
    }
}
