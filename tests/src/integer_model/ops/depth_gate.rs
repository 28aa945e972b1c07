//! Kind 6: highway gate over depth.

use super::super::bytes::{offset_at, u16_at};
use super::super::gates::depth_gate;
use super::super::numbers::Rescale;
use super::{Image, Op};

/// `a + sigmoid(t) · b`.
#[derive(Debug)]
pub struct DepthGate {
    a: usize,
    b: usize,
    t: usize,
    output: usize,
    count: usize,
    rescale_a: Rescale,
    rescale_b: Rescale,
    rescale_t: Rescale,
}

impl DepthGate {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        Self {
            a: offset_at(record, 4),
            b: offset_at(record, 8),
            t: offset_at(record, 12),
            output: offset_at(record, 16),
            count: u16_at(record, 20).into(),
            rescale_a: Rescale::parse(record, 24),
            rescale_b: Rescale::parse(record, 28),
            rescale_t: Rescale::parse(record, 32),
        }
    }
}

impl Op for DepthGate {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            for f in 0..self.count {
                let values = [self.a, self.b, self.t].map(|r| image.registers.wide(pixel, r, f));
                let rescale = [self.rescale_a, self.rescale_b, self.rescale_t];
                image.registers.set_wide(pixel, self.output, f, depth_gate(values, rescale));
            }
        }
    }
}
