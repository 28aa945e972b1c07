//! Kind 4: ELU, `x` if `x > 0`, otherwise `exp(x) - 1`.

use super::super::bytes::{i32_at, offset_at, u16_at};
use super::super::numbers::{Rescale, exp2_neg, high_word, sat16};
use super::{Image, Op};

/// ELU on a residual vector.
#[derive(Debug)]
pub struct Elu {
    input: usize,
    output: usize,
    count: usize,
    exponent: Rescale,
    back: i64,
}

impl Elu {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            input: offset_at(record, 4),
            output: offset_at(record, 8),
            count: u16_at(record, 12).into(),
            exponent: Rescale::parse(record, 16),
            back: i32_at(record, 20).into(),
        }
    }
}

impl Op for Elu {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            for f in 0..self.count {
                let x = image.registers.wide(pixel, self.input, f);
                let y = if x > 0 {
                    x
                } else {
                    let exp = exp2_neg(self.exponent.apply(-i64::from(x)));
                    sat16(high_word(exp - (1 << 30), self.back))
                };
                image.registers.set_wide(pixel, self.output, f, y);
            }
        }
    }
}
