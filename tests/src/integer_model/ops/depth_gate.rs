//! Kind 6: highway gating over depth.

use super::super::bytes::{offset_at, u16_at};
use super::super::numbers::{Rescale, sat16, wrap32};
use super::super::sigmoid::sigmoid;
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
    /// Reads the record.
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
    fn apply(&self, image: &mut Image<'_>) {
        for pixel in 0..image.registers.pixels() {
            for f in 0..self.count {
                let a = self.rescale_a.apply(image.registers.wide(pixel, self.a, f).into());
                let b = sat16(self.rescale_b.apply(image.registers.wide(pixel, self.b, f).into()));
                let t = sat16(self.rescale_t.apply(image.registers.wide(pixel, self.t, f).into()));
                let gated = (sigmoid(t) * i64::from(b) + (1 << 14)) >> 15;
                image.registers.set_wide(pixel, self.output, f, sat16(wrap32(a + gated).into()));
            }
        }
    }
}
