//! Kind 2: quantization of the 16-bit residual to activations.

use super::super::bytes::{i8_at, offset_at, u16_at};
use super::super::numbers::Rescale;
use super::{Image, Op};

/// A quantization.
#[derive(Debug)]
pub struct Quantize {
    zero_point: i8,
    clamp_min: i8,
    input: usize,
    output: usize,
    count: usize,
    rescale: Rescale,
}

impl Quantize {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            zero_point: i8_at(record, 1),
            clamp_min: i8_at(record, 2),
            input: offset_at(record, 4),
            output: offset_at(record, 8),
            count: u16_at(record, 12).into(),
            rescale: Rescale::parse(record, 16),
        }
    }
}

impl Op for Quantize {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            for f in 0..self.count {
                let x = i64::from(image.registers.wide(pixel, self.input, f));
                let q = image.header.activations.clamp(self.rescale.apply(x), self.zero_point, self.clamp_min);
                image.registers.set_narrow(pixel, self.output, f, q);
            }
        }
    }
}
