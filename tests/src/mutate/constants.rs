//! Other constants: weights, biases, multipliers, factors, shifts and zero points.

use super::seal;
use crate::integer_model::bytes::{offset_at, u16_at};
use crate::integer_model::header::Header;
use crate::random::Random;
use pixelrnn::blob::RECORD_BYTES;

/// Replaces constants of `blob` at random by random and extreme values, and updates the checksum. The network structure
/// is unchanged.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn constants(blob: &mut [u8], random: &mut Random) {
    let header = Header::parse(blob).expect("a blob");
    let mut mutator = Mutator { blob, random };
    for value in 0..header.levels {
        mutator.byte(header.input_table + value, i8::MIN, i8::MAX);
    }
    for op in 0..header.op_count {
        mutator.op(header.ops + 64 * op, &header);
    }
    seal(blob);
}

struct Mutator<'a> {
    blob: &'a mut [u8],
    random: &'a mut Random,
}

impl Mutator<'_> {
    /// Keeps three in four constants. With all of them changed, every result saturates.
    fn keeps(&mut self) -> bool {
        !self.random.once_in(4)
    }

    fn byte(&mut self, at: usize, low: i8, high: i8) {
        if !self.keeps() {
            let any =
                (i64::from(low) + self.random.below((i64::from(high) - i64::from(low) + 1) as usize) as i64) as i8;
            self.blob[at] = self.random.choose(&[low, high, any]) as u8;
        }
    }

    fn word(&mut self, at: usize) {
        if !self.keeps() {
            let any = self.random.bits() as i32;
            let small = any >> self.random.below(31);
            let value = self.random.choose(&[i32::MIN, i32::MAX, any, small]);
            self.blob[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Mutates `count` words at `at`, unless `at` is 0 (absent).
    fn words(&mut self, at: usize, count: usize) {
        if at != 0 {
            (0..count).for_each(|n| self.word(at + 4 * n));
        }
    }

    /// Random factor below 2¹⁵ and shift from 1 to 30.
    fn rescale(&mut self, at: usize) {
        if !self.keeps() {
            let any = self.random.below(1 << 15) as u16;
            let m = self.random.choose(&[0, 1, 32767, any, any]);
            let n = self.random.between(1, 30) as u16;
            self.blob[at..at + 2].copy_from_slice(&m.to_le_bytes());
            self.blob[at + 2..at + 4].copy_from_slice(&n.to_le_bytes());
        }
    }

    fn op(&mut self, at: usize, header: &Header) {
        match self.blob[at] {
            1 => self.masked_conv(at, header),
            17 => self.conv(at, header),
            2 => {
                self.byte(at + 1, i8::MIN, i8::MAX);
                self.byte(at + 2, i8::MIN, i8::MAX);
                self.rescale(at + 16);
            }
            4 => {
                self.rescale(at + 16);
                self.word(at + 20);
            }
            5 => {
                self.byte(at + 1, 0, 1);
                self.rescale(at + 20);
                self.rescale(at + 24);
            }
            6 => {
                for rescale in [24, 28, 32] {
                    self.rescale(at + rescale);
                }
            }
            7..=9 => self.lstm(at, header),
            10 | 11 => {
                self.byte(at + 1, 7, 14);
                self.rescale(at + 16);
                self.rescale(at + 20);
            }
            12 => {
                self.byte(at + 1, 0, 1);
                self.rescale(at + 16);
                self.rescale(at + 20);
            }
            15 => self.map(at, header),
            18 => {
                let rows = match self.blob[at + 1] {
                    0 => 1,
                    1 => header.classes,
                    _ => header.levels,
                };
                let table = offset_at(self.blob, at + 8);
                for byte in 0..2 * rows * usize::from(u16_at(self.blob, at + 2)) {
                    self.byte(table + byte, i8::MIN, i8::MAX);
                }
            }
            19 => {
                self.rescale(at + 20);
                self.rescale(at + 24);
            }
            20 => self.multiplier(at + 20),
            21 | 22 => {
                self.byte(at + 1, 7, 14);
                self.byte(at + 2, 7, 14);
                self.rescale(at + 16);
                self.rescale(at + 20);
                self.multiplier(at + 24);
            }
            23 => {
                self.byte(at + 1, 0, 16);
                self.rescale(at + 8);
            }
            _ => {}
        }
    }

    /// A multiplier that is not negative.
    fn multiplier(&mut self, at: usize) {
        self.word(at);
        self.blob[at + 3] &= 0x7f;
    }

    /// Zero point of a map, the same in the convolutions that read it.
    fn map(&mut self, at: usize, header: &Header) {
        let map = (at - header.ops) / RECORD_BYTES;
        self.byte(at + 2, i8::MIN, i8::MAX);
        for op in 0..header.op_count {
            let conv = header.ops + RECORD_BYTES * op;
            if self.blob[conv] == 17 && usize::from(u16_at(self.blob, conv + 42)) == map {
                self.blob[conv + 7] = self.blob[at + 2];
            }
        }
    }

    /// Constants of a convolution over a map.
    fn conv(&mut self, at: usize, header: &Header) {
        let record = self.blob[at..at + 64].to_vec();
        let [rows, columns, own, below] = [4, 5, 23, 44].map(|field: usize| usize::from(record[field]));
        let inputs = usize::from(u16_at(&record, 16));
        let taps = (rows + below) * columns + own;
        let open = |g: usize| match record[2] {
            0 => 0,
            1 => header.start(inputs, g),
            2 => header.start(inputs, g + 1),
            _ => inputs,
        };
        self.product(at, &record, header, |g| taps * inputs + open(g));
    }

    fn masked_conv(&mut self, at: usize, header: &Header) {
        let record = self.blob[at..at + 64].to_vec();
        let inputs = usize::from(u16_at(&record, 16));
        self.byte(at + 7, i8::MIN, i8::MAX);
        let [kh, kw] = [record[4], record[5]].map(usize::from);
        let past = ((kh / 2) * kw + kw / 2) * inputs;
        self.product(at, &record, header, |g| past + header.start(inputs, if record[2] == 1 { g + 1 } else { g }));
    }

    /// Constants of a convolution whose group `g` has `length(g)` inputs.
    fn product(&mut self, at: usize, record: &[u8], header: &Header, length: impl Fn(usize) -> usize) {
        let outputs = usize::from(u16_at(record, 18));
        self.byte(at + 3, 0, 31);
        self.byte(at + 20, i8::MIN, i8::MAX);
        self.byte(at + 21, i8::MIN, i8::MAX);
        self.byte(at + 22, 0, 16);
        let of_group = |g: usize| header.start(outputs, g + 1) - header.start(outputs, g);
        let weights: usize = (0..header.groups).map(|g| of_group(g) * length(g)).sum();
        for n in 0..weights {
            self.byte(offset_at(record, 24) + n, i8::MIN, i8::MAX);
        }
        self.words(offset_at(record, 28), outputs);
        self.words(offset_at(record, 32), outputs);
        self.words(offset_at(record, 36), outputs * header.classes);
    }

    fn lstm(&mut self, at: usize, header: &Header) {
        let record = self.blob[at..at + 64].to_vec();
        let (inputs, hidden) = (usize::from(u16_at(&record, 16)), usize::from(u16_at(&record, 18)));
        for unit in 0..hidden {
            // Fraction 7 for gate g, or 8 to 14.
            let at = offset_at(&record, 56) + unit;
            if self.random.once_in(2) { self.byte(at, 0x70, 0x7f) } else { self.byte(at, -0x80, -0x11) }
        }
        self.byte(at + 2, 0, 31);
        self.byte(at + 3, 0, 31);
        self.byte(at + 5, i8::MIN, i8::MAX);
        for rescale in [20, 24, 60] {
            self.rescale(at + rescale);
        }
        let kernel = usize::from(record[4]);
        let units = |g: usize| header.start(hidden, g + 1) - header.start(hidden, g);
        let weights: usize =
            (0..header.groups).map(|g| 4 * units(g) * (kernel / 2 * inputs + header.start(inputs, g + 1))).sum();
        for n in 0..weights {
            self.byte(offset_at(&record, 28) + n, i8::MIN, i8::MAX);
        }
        let pixels = if record[0] == 7 { kernel } else { 2 };
        for n in 0..4 * hidden * pixels * hidden {
            self.byte(offset_at(&record, 40) + n, i8::MIN, i8::MAX);
        }
        for table in [32, 36, 44] {
            self.words(offset_at(&record, table), 4 * hidden);
        }
        self.words(offset_at(&record, 48), 4 * hidden * header.classes);
        let rows = if record[0] == 7 { 1 } else { header.height };
        // Pairs of i16.
        self.words(offset_at(&record, 52), rows * hidden);
    }
}
