//! Kind 12: `x` where `x > 0`, else `slope · x`.

use super::super::bytes::{offset_at, u16_at};
use super::super::numbers::{Rescale, sat16};
use super::{Image, Op};

/// A leaky ReLU of the residual.
#[derive(Debug)]
pub struct LeakyRelu {
    negate: bool,
    input: usize,
    output: usize,
    count: usize,
    positive: Rescale,
    negative: Rescale,
}

impl LeakyRelu {
    /// Reads the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            negate: record[1] == 1,
            input: offset_at(record, 4),
            output: offset_at(record, 8),
            count: u16_at(record, 12).into(),
            positive: Rescale::parse(record, 16),
            negative: Rescale::parse(record, 20),
        }
    }
}

impl Op for LeakyRelu {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            for f in 0..self.count {
                let x = i64::from(image.registers.wide(pixel, self.input, f));
                let below = self.negative.apply(x);
                let y = match (x > 0, self.negate) {
                    (true, _) => self.positive.apply(x),
                    (false, false) => below,
                    (false, true) => -below,
                };
                image.registers.set_wide(pixel, self.output, f, sat16(y));
            }
        }
    }
}
