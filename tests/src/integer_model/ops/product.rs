//! Weighted sums of a convolution, and their destination.

use super::super::bytes::{biases, i8_at, i32_list, offset_at, u8_at, u16_at};
use super::super::header::Header;
use super::super::numbers::{requantize, sat16, wrap32};
use super::Image;
use super::logits::lift;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    Activations,
    Residual,
    Add,
    Logits,
}

/// Weights and destination of a convolution, whose two kinds have these fields in common.
#[derive(Debug)]
pub struct Product {
    destination: Destination,
    left_shift: u8,
    output: usize,
    outputs: usize,
    output_zero_point: i8,
    output_clamp_min: i8,
    logit_shift: u8,
    /// `weights[o][n]`.
    weights: Vec<Vec<i8>>,
    bias: Vec<i32>,
    multipliers: Vec<i32>,
    /// `class_bias[label][o]`.
    class_bias: Option<Vec<Vec<i32>>>,
}

impl Product {
    /// Parses the record and the data it points to. `length` gives the number of inputs of a group.
    pub fn parse(blob: &[u8], record: &[u8], header: &Header, length: impl Fn(usize) -> usize) -> Self {
        let outputs = usize::from(u16_at(record, 18));
        let mut weights = Vec::new();
        let mut at = offset_at(record, 24);
        for g in 0..header.groups {
            let count = header.start(outputs, g + 1) - header.start(outputs, g);
            weights.extend(header.matrix(blob, at, count, length(g)));
            at += count * header.row(length(g));
        }
        let class_bias = offset_at(record, 36);
        let of_class = |k: usize| i32_list(blob, class_bias + 4 * k * outputs, outputs);
        Self {
            destination: match u8_at(record, 1) {
                0 => Destination::Activations,
                1 => Destination::Residual,
                2 => Destination::Add,
                _ => Destination::Logits,
            },
            left_shift: u8_at(record, 3),
            output: offset_at(record, 12),
            outputs,
            output_zero_point: i8_at(record, 20),
            output_clamp_min: i8_at(record, 21),
            logit_shift: u8_at(record, 22),
            weights,
            bias: biases(blob, offset_at(record, 28), outputs),
            multipliers: i32_list(blob, offset_at(record, 32), outputs),
            class_bias: (class_bias != 0).then(|| (0..header.classes).map(of_class).collect()),
        }
    }

    /// Computes all outputs at a pixel. `input` is that of the last group; other groups use prefixes of it.
    pub fn put(&self, image: &mut Image<'_>, pixel: usize, input: &[i16]) {
        let header = image.header;
        let mut logits = Vec::new();
        for o in 0..self.outputs {
            let mut s = i64::from(self.bias[o]);
            if let (Some(class_bias), Some(label)) = (&self.class_bias, image.label) {
                s += i64::from(class_bias[label][o]);
            }
            // `zip` truncates the input to the prefix of the output's group.
            s += self.weights[o].iter().zip(input).map(|(w, x)| i64::from(*w) * i64::from(*x)).sum::<i64>();
            let scaled = requantize(wrap32(s), self.left_shift, self.multipliers[o]);
            let r = i64::from(scaled);
            let registers = &mut *image.registers;
            match self.destination {
                Destination::Activations => {
                    let value = header.activations.clamp(r, self.output_zero_point, self.output_clamp_min);
                    registers.set_narrow(pixel, self.output, o, value);
                }
                Destination::Residual => registers.set_wide(pixel, self.output, o, sat16(r)),
                Destination::Add => {
                    let old = i64::from(registers.wide(pixel, self.output, o));
                    registers.set_wide(pixel, self.output, o, sat16(r + old));
                }
                Destination::Logits => logits.push(scaled),
            }
        }
        if self.destination == Destination::Logits {
            image.logits[pixel] = lift(logits, header, self.logit_shift);
        }
    }
}
