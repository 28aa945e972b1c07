//! Kind 17: convolution over a map.

use super::super::bytes::{i8_at, offset_at, u8_at, u16_at};
use super::super::header::Header;
use super::product::Product;
use super::{Image, Op};

/// A convolution over a map, with its weights.
#[derive(Debug)]
pub struct Conv {
    map: usize,
    taps: Vec<(isize, isize)>,
    centre: u8,
    input_zero_point: i8,
    input: usize,
    inputs: usize,
    product: Product,
}

impl Conv {
    /// Parses the record and the data it points to.
    pub fn parse(blob: &[u8], record: &[u8], header: &Header) -> Self {
        let (taps, centre, inputs) = (taps(record), u8_at(record, 2), usize::from(u16_at(record, 16)));
        let past = taps.len() * inputs;
        Self {
            map: u16_at(record, 42).into(),
            taps,
            centre,
            input_zero_point: i8_at(record, 7),
            input: offset_at(record, 8),
            inputs,
            product: Product::parse(blob, record, header, |g| past + open(header, centre, inputs, g)),
        }
    }
}

/// Rows down and columns to the right of each tap, in input order.
fn taps(record: &[u8]) -> Vec<(isize, isize)> {
    let field = |at: usize| isize::from(u8_at(record, at));
    let (rows, columns, dilation) = (field(4), field(5), field(6));
    let (anchor_row, anchor_column) = (field(40), field(41));
    let (own, below) = (field(23), field(44));
    let mut taps = Vec::new();
    for u in 0..rows {
        taps.extend((0..columns).map(|v| (u - anchor_row, v)));
    }
    taps.extend((0..own).map(|v| (0, v)));
    for u in 1..=below {
        taps.extend((0..columns).map(|v| (u, v)));
    }
    taps.into_iter().map(|(down, v)| (down * dilation, (v - anchor_column) * dilation)).collect()
}

/// Features of the register that group `g` reads.
fn open(header: &Header, centre: u8, inputs: usize, g: usize) -> usize {
    match centre {
        0 => 0,
        1 => header.start(inputs, g),
        2 => header.start(inputs, g + 1),
        _ => inputs,
    }
}

impl Op for Conv {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        let header = image.header;
        let padding = vec![header.activations.zero_point(self.input_zero_point); self.inputs];
        for pixel in header.pixels_of(row) {
            let mut input = Vec::new();
            for &(down, right) in &self.taps {
                input.extend_from_slice(image.kept_at(self.map, pixel, down, right).unwrap_or(&padding));
            }
            let last = open(header, self.centre, self.inputs, header.groups - 1);
            input.extend((0..last).map(|c| image.registers.narrow(pixel, self.input, c)));
            self.product.put(image, pixel, &input);
        }
    }

    fn im2col_bytes(&self, header: &Header) -> usize {
        let last = open(header, self.centre, self.inputs, header.groups - 1);
        header.row(self.taps.len() * self.inputs + last) * header.activations.bytes
    }
}
