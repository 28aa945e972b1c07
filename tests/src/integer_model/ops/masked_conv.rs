//! Kind 1: masked convolution.

use super::super::bytes::{biases, i8_at, i32_list, offset_at, u8_at, u16_at};
use super::super::header::{Header, Output};
use super::super::numbers::{requantize, sat16, wrap32};
use super::{Image, Op};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    Activations,
    Residual,
    Add,
    Logits,
}

/// A masked convolution with its weights.
#[derive(Debug)]
pub struct MaskedConv {
    destination: Destination,
    mask_b: bool,
    left_shift: u8,
    kernel: [usize; 2],
    dilation: usize,
    input_zero_point: i8,
    input: usize,
    output: usize,
    inputs: usize,
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

impl MaskedConv {
    /// Parses the record and the data it points to.
    pub fn parse(blob: &[u8], record: &[u8], header: &Header) -> Self {
        let outputs = usize::from(u16_at(record, 18));
        let mut conv = Self {
            destination: match u8_at(record, 1) {
                0 => Destination::Activations,
                1 => Destination::Residual,
                2 => Destination::Add,
                _ => Destination::Logits,
            },
            mask_b: u8_at(record, 2) == 1,
            left_shift: u8_at(record, 3),
            kernel: [u8_at(record, 4).into(), u8_at(record, 5).into()],
            dilation: u8_at(record, 6).into(),
            input_zero_point: i8_at(record, 7),
            input: offset_at(record, 8),
            output: offset_at(record, 12),
            inputs: u16_at(record, 16).into(),
            outputs,
            output_zero_point: i8_at(record, 20),
            output_clamp_min: i8_at(record, 21),
            logit_shift: u8_at(record, 22),
            weights: Vec::new(),
            bias: biases(blob, offset_at(record, 28), outputs),
            multipliers: i32_list(blob, offset_at(record, 32), outputs),
            class_bias: None,
        };
        let mut at = offset_at(record, 24);
        for g in 0..header.channels {
            let count = header.start(outputs, g + 1) - header.start(outputs, g);
            let length = conv.length(header, g);
            conv.weights.extend(header.matrix(blob, at, count, length));
            at += count * header.row(length);
        }
        let class_bias = offset_at(record, 36);
        if class_bias != 0 {
            let of = |k: usize| i32_list(blob, class_bias + 4 * k * outputs, outputs);
            conv.class_bias = Some((0..header.classes).map(of).collect());
        }
        conv
    }

    /// Row and column offsets of the past taps, in input order.
    fn past_taps(&self) -> Vec<(isize, isize)> {
        let [kh, kw] = self.kernel;
        let (ch, cw) = (kh / 2, kw / 2);
        let mut taps = Vec::new();
        for u in 0..ch {
            for v in 0..kw {
                taps.push((u, v));
            }
        }
        for v in 0..cw {
            taps.push((ch, v));
        }
        let away = |k: usize, centre: usize| (k as isize - centre as isize) * self.dilation as isize;
        taps.into_iter().map(|(u, v)| (away(u, ch), away(v, cw))).collect()
    }

    /// Features of the current pixel that group `g` reads.
    fn own(&self, header: &Header, g: usize) -> usize {
        header.start(self.inputs, if self.mask_b { g + 1 } else { g })
    }

    /// `n(g)`.
    fn length(&self, header: &Header, g: usize) -> usize {
        self.past_taps().len() * self.inputs + self.own(header, g)
    }

    /// Computes the logits of one value from its sums.
    fn lift(&self, value: &mut [i32], output: Output) {
        let limit = (1_i64 << (31 - self.logit_shift)) - 1;
        let relative = output == Output::Softmax && self.logit_shift != 0;
        let top = if relative { value.iter().copied().max().map_or(0, i64::from) } else { 0 };
        for logit in value {
            let near = (i64::from(*logit) - top).clamp(-limit, limit) << self.logit_shift;
            *logit = i32::try_from(near).expect("a logit within 32 bits");
        }
    }

    /// im2col input of the last group at a pixel. Other groups use prefixes of it.
    fn gather(&self, image: &Image<'_>, row: usize, column: usize) -> Vec<i16> {
        let (height, width) = (image.header.height, image.header.width);
        let mut gathered = Vec::new();
        for (down, right) in self.past_taps() {
            let at = (row.checked_add_signed(down), column.checked_add_signed(right));
            for c in 0..self.inputs {
                gathered.push(match at {
                    (Some(i), Some(j)) if i < height && j < width => {
                        image.registers.narrow(i * width + j, self.input, c)
                    }
                    _ => image.header.activations.zero_point(self.input_zero_point),
                });
            }
        }
        for c in 0..self.inputs {
            gathered.push(image.registers.narrow(row * width + column, self.input, c));
        }
        gathered
    }
}

impl Op for MaskedConv {
    fn apply(&self, image: &mut Image<'_>) {
        let header = image.header;
        if self.destination == Destination::Logits {
            *image.logits = vec![vec![0; self.outputs]; header.pixels()];
        }
        // Gathers all inputs before writing any output, since input and output may share a register.
        let inputs: Vec<Vec<i16>> =
            (0..header.pixels()).map(|p| self.gather(image, p / header.width, p % header.width)).collect();
        for (pixel, input) in inputs.iter().enumerate() {
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
                    Destination::Logits => image.logits[pixel][o] = scaled,
                }
            }
            if self.destination == Destination::Logits {
                for value in image.logits[pixel].chunks_mut(header.logits_per_channel()) {
                    self.lift(value, header.output);
                }
            }
        }
    }

    fn state_bytes(&self, header: &Header) -> usize {
        let [ch, cw] = self.kernel.map(|k| k / 2);
        let p = ((ch * header.width + cw) * self.dilation).min(header.pixels() - 1);
        if p > 0 { ((p + 1) * self.inputs * header.activations.bytes).next_multiple_of(4) } else { 0 }
    }

    fn im2col_bytes(&self, header: &Header) -> usize {
        header.row(self.length(header, header.channels - 1)) * header.activations.bytes
    }
}
