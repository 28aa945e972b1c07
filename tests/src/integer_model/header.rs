//! Section 1 of the specification: the header.

use super::bytes::{blob_checksum, i8_at, offset_at, u8_at, u16_at, u32_at};
use std::ops::Range;

/// Output distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One logit per level.
    Softmax,
    /// A single logit, for value 1.
    Bernoulli,
}

/// Activation type: i8 (section 3) or i16 (section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activations {
    /// Bytes per activation.
    pub bytes: usize,
    /// Minimum.
    pub min: i64,
    /// Maximum.
    pub max: i64,
}

impl Activations {
    /// Section 3.
    pub const EIGHT: Self = Self { bytes: 1, min: -128, max: 127 };
    /// Section 8.
    pub const SIXTEEN: Self = Self { bytes: 2, min: -8192, max: 8191 };

    /// Zero point encoded by an op's field.
    pub fn zero_point(self, field: i8) -> i16 {
        if self == Self::EIGHT { field.into() } else { 0 }
    }

    /// `clamp(v + zero_point, clamp_min, …)` with an op's fields.
    pub fn clamp(self, v: i64, zero_point: i8, clamp_min: i8) -> i16 {
        let min = match self {
            Self::EIGHT => clamp_min.into(),
            _ if clamp_min == zero_point => 0,
            _ => self.min,
        };
        (v + i64::from(self.zero_point(zero_point))).clamp(min, self.max) as i16
    }
}

/// Header fields, named as in the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Weight layout: 0 row-major, 1 tiled 4x4, 2 tiled 4x4 for `smlad`.
    pub layout: u8,
    /// Activation type.
    pub activations: Activations,
    /// Length of the blob in bytes.
    pub length: usize,
    /// State size in bytes.
    pub state_bytes: usize,
    /// Size of the registers in bytes.
    pub register_bytes: usize,
    /// Size of the im2col buffer in bytes.
    pub im2col_bytes: usize,
    /// Image height.
    pub height: usize,
    /// Image width.
    pub width: usize,
    /// Number of channels, 1 or 3.
    pub channels: usize,
    /// Number of colour groups: that of the channels, or 1.
    pub groups: usize,
    /// Output distribution.
    pub output: Output,
    /// Levels per channel, L.
    pub levels: usize,
    /// Number of classes, K.
    pub classes: usize,
    /// Number of ops.
    pub op_count: usize,
    /// Offset of the input table, which maps values to activations.
    pub input_table: usize,
    /// Offset of the op records.
    pub ops: usize,
    /// Offset of the notes.
    pub notes: usize,
    /// Length of the notes in bytes.
    pub notes_bytes: usize,
}

impl Header {
    /// Parses and checks the first 64 bytes of `blob`.
    ///
    /// # Errors
    /// Returns a message about the first violation of the specification.
    pub fn parse(blob: &[u8]) -> Result<Self, String> {
        if blob.len() < 64 {
            return Err("shorter than a header".into());
        }
        let expect = |name: &str, got: usize, expected: usize| {
            if got == expected { Ok(()) } else { Err(format!("{name} is {got}, expected {expected}")) }
        };
        if &blob[..4] != b"PRNN" {
            return Err("the magic is not PRNN".into());
        }
        expect("version", u16_at(blob, 4).into(), 1)?;
        if ![0, 3].contains(&u8_at(blob, 7)) {
            return Err(format!("weights is {}, expected 0 or 3", u8_at(blob, 7)));
        }
        let last = if u8_at(blob, 7) == 3 { 2 } else { 1 };
        if u8_at(blob, 6) > last {
            return Err(format!("layout is {}, expected 0 to {last}", u8_at(blob, 6)));
        }
        expect("length", offset_at(blob, 8), blob.len())?;
        expect("checksum", u32_at(blob, 12) as usize, blob_checksum(blob) as usize)?;
        let mut header = Self {
            layout: u8_at(blob, 6),
            activations: if u8_at(blob, 7) == 3 { Activations::SIXTEEN } else { Activations::EIGHT },
            length: offset_at(blob, 8),
            state_bytes: offset_at(blob, 16),
            register_bytes: offset_at(blob, 20),
            im2col_bytes: offset_at(blob, 24),
            height: u16_at(blob, 28).into(),
            width: u16_at(blob, 30).into(),
            channels: u8_at(blob, 32).into(),
            groups: u8_at(blob, 32).into(),
            output: match u8_at(blob, 33) {
                0 => Output::Softmax,
                1 => Output::Bernoulli,
                other => return Err(format!("output is {other}")),
            },
            levels: u16_at(blob, 34).into(),
            classes: u16_at(blob, 36).into(),
            op_count: u16_at(blob, 38).into(),
            input_table: offset_at(blob, 40),
            ops: offset_at(blob, 44),
            notes: offset_at(blob, 48),
            notes_bytes: offset_at(blob, 52),
        };
        let ranges = [
            ("height", header.height, 1, 4096),
            ("width", header.width, 1, 4096),
            ("levels", header.levels, 2, if header.output == Output::Softmax { 256 } else { 2 }),
        ];
        for (name, got, low, high) in ranges {
            if !(low..=high).contains(&got) {
                return Err(format!("{name} is {got}, expected {low} to {high}"));
            }
        }
        if header.channels != 1 && header.channels != 3 {
            return Err(format!("channels is {}, expected 1 or 3", header.channels));
        }
        for (name, bytes) in [("register_bytes", header.register_bytes), ("im2col_bytes", header.im2col_bytes)] {
            expect(name, bytes % 4, 0)?;
        }
        // A graph may be without colour groups.
        if header.op_count > 0 && u8_at(blob, header.ops) == 13 && u8_at(blob, header.ops + 1) == 1 {
            header.groups = 1;
        }
        Ok(header)
    }

    /// Logits per channel.
    pub fn logits_per_channel(&self) -> usize {
        if self.output == Output::Softmax { self.levels } else { 1 }
    }

    /// Pixels per image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Record of op `op`.
    pub fn record<'b>(&self, blob: &'b [u8], op: usize) -> &'b [u8] {
        &blob[self.ops + 64 * op..][..64]
    }

    /// Pixels of a row.
    pub fn pixels_of(&self, row: usize) -> Range<usize> {
        row * self.width..(row + 1) * self.width
    }

    /// Pixel `down` rows below and `right` columns to the right of `pixel`; `None` outside the image.
    pub fn away(&self, pixel: usize, down: isize, right: isize) -> Option<usize> {
        let row = (pixel / self.width).checked_add_signed(down).filter(|row| *row < self.height)?;
        let column = (pixel % self.width).checked_add_signed(right).filter(|column| *column < self.width)?;
        Some(row * self.width + column)
    }

    /// Values per image.
    pub fn values(&self) -> usize {
        self.channels * self.pixels()
    }

    /// Section 2: first feature of group `g` among `count` features, which are sorted by group.
    pub fn start(&self, count: usize, g: usize) -> usize {
        if self.groups == 1 { g * count } else { g * (count / 3) + g.min(count % 3) }
    }

    /// Stored weights of a row with `n` inputs, with padding.
    pub fn row(&self, n: usize) -> usize {
        if self.layout == 0 { n } else { n.div_ceil(4) * 4 }
    }

    /// Section 3: matrix of `outputs` rows with `n` inputs each, stored at `at`.
    pub fn matrix(&self, blob: &[u8], at: usize, outputs: usize, n: usize) -> Vec<Vec<i8>> {
        let weight = |o: usize, i: usize| {
            if self.layout == 0 {
                return at + o * n + i;
            }
            let (block, four) = (o / 4, i / 4);
            let in_block = (outputs - 4 * block).min(4);
            let in_four = if self.layout == 2 { [0, 2, 1, 3][i % 4] } else { i % 4 };
            at + 4 * block * self.row(n) + 4 * four * in_block + 4 * (o % 4) + in_four
        };
        (0..outputs).map(|o| (0..n).map(|i| i8_at(blob, weight(o, i))).collect()).collect()
    }

    /// Group of feature `f` among `count` features.
    ///
    /// # Panics
    /// Panics if `f >= count`.
    pub fn group(&self, count: usize, f: usize) -> usize {
        (0..self.groups).find(|g| f < self.start(count, g + 1)).expect("a feature below the count")
    }
}
