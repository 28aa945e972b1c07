//! Kind 23: logits from a residual vector.

use super::super::bytes::{offset_at, u8_at, u16_at};
use super::super::header::{Header, Output};
use super::super::numbers::Rescale;
use super::{Image, Op};

/// Logits of all values of a pixel from their sums.
///
/// # Panics
/// Panics if a logit exceeds 32 bits, which the limit rules out.
pub fn lift(mut sums: Vec<i32>, header: &Header, shift: u8) -> Vec<i32> {
    let limit = (1_i64 << (31 - shift)) - 1;
    let relative = header.output == Output::Softmax && shift != 0;
    for value in sums.chunks_mut(header.logits_per_channel()) {
        let top = if relative { value.iter().copied().max().map_or(0, i64::from) } else { 0 };
        for logit in value {
            let near = (i64::from(*logit) - top).clamp(-limit, limit) << shift;
            *logit = i32::try_from(near).expect("a logit within 32 bits");
        }
    }
    sums
}

/// Logits that no convolution makes.
#[derive(Debug)]
pub struct Logits {
    shift: u8,
    count: usize,
    input: usize,
    rescale: Rescale,
}

impl Logits {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            shift: u8_at(record, 1),
            count: u16_at(record, 2).into(),
            input: offset_at(record, 4),
            rescale: Rescale::parse(record, 8),
        }
    }
}

impl Op for Logits {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            let x = (0..self.count).map(|f| image.registers.wide(pixel, self.input, f));
            let sums = x.map(|x| self.rescale.apply(x.into()) as i32).collect();
            image.logits[pixel] = lift(sums, image.header, self.shift);
        }
    }
}
