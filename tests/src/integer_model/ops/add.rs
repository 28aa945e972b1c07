//! Kind 5: sum of two residual vectors.

use super::super::bytes::{offset_at, u8_at, u16_at};
use super::super::numbers::{Rescale, sat16};
use super::{Image, Op};

/// A sum.
#[derive(Debug)]
pub struct Add {
    negate: bool,
    a: usize,
    b: usize,
    output: usize,
    count: usize,
    rescale_a: Rescale,
    rescale_b: Rescale,
}

impl Add {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            negate: u8_at(record, 1) == 1,
            a: offset_at(record, 4),
            b: offset_at(record, 8),
            output: offset_at(record, 12),
            count: u16_at(record, 16).into(),
            rescale_a: Rescale::parse(record, 20),
            rescale_b: Rescale::parse(record, 24),
        }
    }
}

impl Op for Add {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            for f in 0..self.count {
                let a = self.rescale_a.apply(image.registers.wide(pixel, self.a, f).into());
                let b = self.rescale_b.apply(image.registers.wide(pixel, self.b, f).into());
                let sum = if self.negate { b - a } else { b + a };
                image.registers.set_wide(pixel, self.output, f, sat16(sum));
            }
        }
    }
}
