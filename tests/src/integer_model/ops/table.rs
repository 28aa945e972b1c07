//! Kind 18: row of a table.

use super::super::bytes::{i16_at, offset_at, u8_at, u16_at};
use super::super::header::Header;
use super::{Image, Op};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    Only,
    Label,
    Value,
}

/// A table of residual vectors.
#[derive(Debug)]
pub struct Table {
    index: Index,
    output: usize,
    rows: Vec<Vec<i16>>,
}

impl Table {
    /// Parses the record and the table it points to.
    pub fn parse(blob: &[u8], record: &[u8], header: &Header) -> Self {
        let (index, rows) = match u8_at(record, 1) {
            0 => (Index::Only, 1),
            1 => (Index::Label, header.classes),
            _ => (Index::Value, header.levels),
        };
        let (count, at) = (usize::from(u16_at(record, 2)), offset_at(record, 8));
        let row = |n: usize| (0..count).map(|f| i16_at(blob, at + 2 * (n * count + f))).collect();
        Self { index, output: offset_at(record, 4), rows: (0..rows).map(row).collect() }
    }
}

impl Op for Table {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        for pixel in image.header.pixels_of(row) {
            let row = match self.index {
                Index::Only => 0,
                Index::Label => image.label.expect("a label"),
                Index::Value => image.values[pixel].into(),
            };
            for (f, x) in self.rows[row].iter().enumerate() {
                image.registers.set_wide(pixel, self.output, f, *x);
            }
        }
    }
}
