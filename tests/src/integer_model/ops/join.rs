//! Kind 19: elements of one or two residual vectors, one after the other.

use super::super::bytes::{offset_at, u16_at};
use super::super::numbers::{Rescale, sat16};
use super::{Image, Op};

/// Elements that each group takes from one input.
#[derive(Debug)]
struct Part {
    input: usize,
    rescale: Rescale,
    /// First element and number of elements, by group.
    spans: [[usize; 2]; 3],
}

/// Concatenation or slice.
#[derive(Debug)]
pub struct Join {
    count: usize,
    output: usize,
    parts: [Part; 2],
}

impl Join {
    /// Parses the record.
    pub fn parse(record: &[u8]) -> Self {
        let part = |n: usize| Part {
            input: offset_at(record, 4 + 4 * n),
            rescale: Rescale::parse(record, 20 + 4 * n),
            spans: [0, 1, 2].map(|g| [0, 2].map(|at| u16_at(record, 28 + 12 * n + 4 * g + at).into())),
        };
        Self { count: u16_at(record, 2).into(), output: offset_at(record, 16), parts: [0, 1].map(part) }
    }
}

impl Op for Join {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        let header = image.header;
        for pixel in header.pixels_of(row) {
            for g in 0..header.groups {
                let mut values = Vec::new();
                for Part { input, rescale, spans } in &self.parts {
                    let [from, count] = spans[g];
                    let x = (from..from + count).map(|f| image.registers.wide(pixel, *input, f));
                    values.extend(x.map(|x| sat16(rescale.apply(x.into()))));
                }
                for f in header.start(self.count, g)..header.start(self.count, g + 1) {
                    let x = values.get(f - header.start(self.count, g)).copied().unwrap_or(0);
                    image.registers.set_wide(pixel, self.output, f, x);
                }
            }
        }
    }
}
