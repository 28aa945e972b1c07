//! Kind 20: product of two residual vectors.

use super::super::bytes::{i32_at, offset_at, u16_at};
use super::super::numbers::{high_word, sat16};
use super::{Image, Op};

/// A product, element by element.
#[derive(Debug)]
pub struct Multiply {
    a: usize,
    b: usize,
    output: usize,
    count: usize,
    multiplier: i64,
}

impl Multiply {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            a: offset_at(record, 4),
            b: offset_at(record, 8),
            output: offset_at(record, 12),
            count: u16_at(record, 16).into(),
            multiplier: i32_at(record, 20).into(),
        }
    }
}

impl Op for Multiply {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            for f in 0..self.count {
                let [a, b] = [self.a, self.b].map(|r| i64::from(image.registers.wide(pixel, r, f)));
                image.registers.set_wide(pixel, self.output, f, sat16(high_word(a * b, self.multiplier)));
            }
        }
    }
}
