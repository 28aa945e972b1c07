//! Kinds 10 and 11: the hyperbolic tangent, and the logistic function.

use super::super::bytes::{offset_at, u16_at};
use super::super::gates::tanh;
use super::super::numbers::{Rescale, sat16};
use super::{Image, Op};

/// A hyperbolic tangent of the residual, or a logistic function.
#[derive(Debug)]
pub struct Tanh {
    sigmoid: bool,
    fraction: u32,
    input: usize,
    output: usize,
    count: usize,
    rescale: Rescale,
    back: Rescale,
}

impl Tanh {
    /// Reads the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            sigmoid: record[0] == 11,
            fraction: record[1].into(),
            input: offset_at(record, 4),
            output: offset_at(record, 8),
            count: u16_at(record, 12).into(),
            rescale: Rescale::parse(record, 16),
            back: Rescale::parse(record, 20),
        }
    }
}

impl Op for Tanh {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            for f in 0..self.count {
                let x = image.registers.wide(pixel, self.input, f);
                let t = tanh(sat16(self.rescale.apply(x.into())), self.fraction);
                let y = self.back.apply(if self.sigmoid { (32768 + t) >> 1 } else { t });
                image.registers.set_wide(pixel, self.output, f, sat16(y));
            }
        }
    }
}
