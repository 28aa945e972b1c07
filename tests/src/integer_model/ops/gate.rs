//! Kinds 21 and 22: gated activations.

use super::super::bytes::{i32_at, offset_at, u16_at};
use super::super::gates::{tanh, twice_sigmoid};
use super::super::numbers::{Rescale, high_word, sat16};
use super::{Image, Op};

/// `tanh(a) · sigmoid(b)` or `a · sigmoid(b)`, where each group's part of the input has its `a`, then its `b`.
#[derive(Debug)]
pub struct Gate {
    glu: bool,
    fraction: u32,
    fraction_b: u32,
    input: usize,
    output: usize,
    count: usize,
    rescale_a: Rescale,
    rescale_b: Rescale,
    multiplier: i64,
}

impl Gate {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            glu: record[0] == 22,
            fraction: record[1].into(),
            fraction_b: record[2].into(),
            input: offset_at(record, 4),
            output: offset_at(record, 8),
            count: u16_at(record, 12).into(),
            rescale_a: Rescale::parse(record, 16),
            rescale_b: Rescale::parse(record, 20),
            multiplier: i32_at(record, 24).into(),
        }
    }
}

impl Op for Gate {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        let header = image.header;
        for pixel in header.pixels_of(row) {
            for f in 0..self.count {
                let g = header.group(self.count, f);
                let (start, end) = (header.start(self.count, g), header.start(self.count, g + 1));
                let [a, b] = [start + f, end + f].map(|f| i64::from(image.registers.wide(pixel, self.input, f)));
                let gate = twice_sigmoid(sat16(self.rescale_b.apply(b)), self.fraction_b);
                let y = if self.glu {
                    high_word(a * gate, self.multiplier)
                } else {
                    (tanh(sat16(self.rescale_a.apply(a)), self.fraction) * gate + (1 << 15)) >> 16
                };
                image.registers.set_wide(pixel, self.output, f, sat16(y));
            }
        }
    }
}
