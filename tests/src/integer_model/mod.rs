//! Second implementation of `docs/blob-format.md`, written from that specification alone.
//!
//! It processes whole rows op by op, in the order of the records: each op runs at all pixels of a row before the next one
//! starts, everything that an op keeps is kept for the whole image, and padding is the area outside it. So there are no
//! ring buffers, and no op runs once for each colour. Sampling recomputes the network for every value. The result is
//! slow, simple, and shares no design with the engine except the specification.
//! If the two disagree, one of them or the specification is wrong.

pub mod bytes;
pub mod distribution;
pub mod gates;
pub mod header;
pub mod numbers;
pub mod ops;
pub mod random;
pub mod registers;

use distribution::{cost, draw, frequencies, inverse_temperature};
use header::{Activations, Header};
use ops::Segment;
use random::Random;
use registers::Registers;

/// Inverse temperature for scoring and coding.
const ONE: i64 = 1 << 16;

/// A parsed blob.
#[derive(Debug)]
pub struct IntegerModel {
    /// The header.
    pub header: Header,
    /// The ops, first to last. `None` for a record that only gives structure.
    pub ops: Vec<Option<Box<dyn ops::Op>>>,
    /// The segments, first to last.
    pub segments: Vec<Segment>,
    input_table: Vec<i16>,
}

impl IntegerModel {
    /// Parses `blob`.
    ///
    /// # Errors
    /// Returns a message about the first violation of the specification. Offsets are not checked, so the blob must have
    /// been accepted by the reader.
    pub fn parse(blob: &[u8]) -> Result<Self, String> {
        let header = Header::parse(blob)?;
        let ops = (0..header.op_count).map(|op| ops::parse(blob, op, &header)).collect::<Result<_, _>>()?;
        let input_table = match header.activations {
            Activations::EIGHT => {
                bytes::i8_list(blob, header.input_table, header.levels).into_iter().map(i16::from).collect()
            }
            _ => (0..header.levels).map(|v| bytes::i16_at(blob, header.input_table + 2 * v)).collect(),
        };
        let segments = Segment::all(blob, &header);
        Ok(Self { header, ops, segments, input_table })
    }

    /// Logits `[C, L or 1, H, W]` of an image `[C, H, W]`.
    pub fn logits(&self, image: &[u8], label: Option<usize>) -> Vec<i32> {
        let by_pixel = self.logits_by_pixel(image, label, self.header.height);
        let features = by_pixel[0].len();
        (0..features).flat_map(|f| by_pixel.iter().map(move |logits| logits[f])).collect()
    }

    /// Logits `[pixel][C · (L or 1)]` of the first `rows` rows.
    fn logits_by_pixel(&self, image: &[u8], label: Option<usize>, rows: usize) -> Vec<Vec<i32>> {
        let header = &self.header;
        assert_eq!(image.len(), header.values(), "values of an image");
        let mut registers = Registers::new(header.pixels(), header.register_bytes, header.activations);
        for pixel in 0..header.pixels() {
            for g in 0..header.channels {
                let value = image[g * header.pixels() + pixel];
                registers.set_narrow(pixel, 0, g, self.input_table[usize::from(value)]);
            }
        }
        let mut kept = vec![vec![Vec::new(); header.pixels()]; self.ops.len()];
        let mut logits = vec![Vec::new(); header.pixels()];
        let (registers, kept, logits_of) = (&mut registers, &mut kept[..], &mut logits[..]);
        let mut image = ops::Image { header, label, values: image, registers, kept, logits: logits_of };
        for row in 0..rows {
            for segment in &self.segments {
                for row in segment.rows(row, header.height) {
                    for op in self.ops[segment.ops.clone()].iter().flatten() {
                        op.row(&mut image, row);
                    }
                }
            }
        }
        logits
    }

    /// Cost of `image` in units of 2⁻²⁴ bit.
    pub fn cost(&self, image: &[u8], label: Option<usize>) -> u64 {
        let pixels = self.header.pixels();
        let logits = self.logits_by_pixel(image, label, self.header.height);
        (0..self.header.values())
            .map(|at| {
                cost(frequencies(self.of_channel(&logits[at % pixels], at / pixels), ONE)[usize::from(image[at])])
            })
            .sum()
    }

    /// Logits of channel `g` of a pixel.
    fn of_channel<'l>(&self, logits: &'l [i32], g: usize) -> &'l [i32] {
        let each = self.header.logits_per_channel();
        &logits[g * each..(g + 1) * each]
    }

    /// Samples an image at a temperature of `milli` thousandths. Returns it with its cost at that temperature.
    pub fn sample(&self, seed: u64, milli: u32, label: Option<usize>) -> (Vec<u8>, u64) {
        let mut random = Random::seeded(seed);
        self.fill(inverse_temperature(milli), label, |_, freq| draw(freq, &mut random))
    }

    /// Generates an image value by value. `next` maps the value's index and the frequencies to a value.
    fn fill(&self, t: i64, label: Option<usize>, mut next: impl FnMut(usize, &[u64]) -> u8) -> (Vec<u8>, u64) {
        let pixels = self.header.pixels();
        // Future values must not matter. Fill with the highest level, which exposes a leak better than 0.
        let mut image = vec![(self.header.levels - 1) as u8; self.header.values()];
        let mut total = 0;
        for pixel in 0..pixels {
            for g in 0..self.header.channels {
                let logits = self.logits_by_pixel(&image, label, pixel / self.header.width + 1);
                let freq = frequencies(self.of_channel(&logits[pixel], g), t);
                let at = g * pixels + pixel;
                image[at] = next(at, &freq);
                total += cost(freq[usize::from(image[at])]);
            }
        }
        (image, total)
    }

    /// Section 5: state size in bytes required by the `pixelrnn` engine.
    pub fn state_bytes(&self) -> usize {
        let own: usize = self.ops.iter().flatten().map(|op| op.state_bytes(&self.header)).sum();
        let Header { levels, channels, groups, register_bytes, im2col_bytes, .. } = self.header;
        register_bytes + 4 * levels * (channels / groups) + im2col_bytes + own
    }

    /// Sections 1 and 5: bytes of the longest dot-product input, rounded up to a multiple of 4.
    pub fn im2col_bytes(&self) -> usize {
        self.ops.iter().flatten().map(|op| op.im2col_bytes(&self.header)).max().unwrap_or(0).next_multiple_of(4)
    }
}
