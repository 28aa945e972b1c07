//! Kind 3: `max(x, 0)`.

use super::super::bytes::{offset_at, u16_at};
use super::{Image, Op};

/// ReLU on a residual vector.
#[derive(Debug)]
pub struct Relu {
    input: usize,
    output: usize,
    count: usize,
}

impl Relu {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        Self { input: offset_at(record, 4), output: offset_at(record, 8), count: u16_at(record, 12).into() }
    }
}

impl Op for Relu {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            for f in 0..self.count {
                let x = image.registers.wide(pixel, self.input, f);
                image.registers.set_wide(pixel, self.output, f, x.max(0));
            }
        }
    }
}
