//! Kind 1: masked convolution.

use super::super::bytes::{i8_at, offset_at, u8_at, u16_at};
use super::super::header::Header;
use super::product::Product;
use super::{Image, Op};

/// A masked convolution with its weights.
#[derive(Debug)]
pub struct MaskedConv {
    op: usize,
    mask_b: bool,
    kernel: [usize; 2],
    dilation: usize,
    input_zero_point: i8,
    input: usize,
    inputs: usize,
    product: Product,
}

impl MaskedConv {
    /// Parses the record and the data it points to.
    pub fn parse(blob: &[u8], op: usize, header: &Header) -> Self {
        let record = header.record(blob, op);
        let (mask_b, inputs) = (u8_at(record, 2) == 1, usize::from(u16_at(record, 16)));
        let kernel = [u8_at(record, 4).into(), u8_at(record, 5).into()];
        Self {
            op,
            mask_b,
            kernel,
            dilation: u8_at(record, 6).into(),
            input_zero_point: i8_at(record, 7),
            input: offset_at(record, 8),
            inputs,
            product: Product::parse(blob, record, header, |g| {
                past_taps(kernel).len() * inputs + own(header, inputs, mask_b, g)
            }),
        }
    }
}

/// Past taps (u, v), in input order.
fn past_taps([kh, kw]: [usize; 2]) -> Vec<(usize, usize)> {
    let (ch, cw) = (kh / 2, kw / 2);
    let above = (0..ch).flat_map(|u| (0..kw).map(move |v| (u, v)));
    above.chain((0..cw).map(|v| (ch, v))).collect()
}

/// Features of the current pixel that group `g` reads.
fn own(header: &Header, inputs: usize, mask_b: bool, g: usize) -> usize {
    header.start(inputs, if mask_b { g + 1 } else { g })
}

impl Op for MaskedConv {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        let header = image.header;
        for pixel in header.pixels_of(row) {
            let input = |c| image.registers.narrow(pixel, self.input, c);
            image.kept[self.op][pixel] = (0..self.inputs).map(input).collect();
        }
        let padding = vec![header.activations.zero_point(self.input_zero_point); self.inputs];
        let away = |k: usize, size: usize| (k as isize - (size / 2) as isize) * self.dilation as isize;
        let [kh, kw] = self.kernel;
        for pixel in header.pixels_of(row) {
            let mut input = Vec::new();
            for (u, v) in past_taps(self.kernel) {
                input.extend_from_slice(image.kept_at(self.op, pixel, away(u, kh), away(v, kw)).unwrap_or(&padding));
            }
            input.extend_from_slice(&image.kept[self.op][pixel]);
            self.product.put(image, pixel, &input);
        }
    }

    fn state_bytes(&self, header: &Header) -> usize {
        let [ch, cw] = self.kernel.map(|k| k / 2);
        let p = ((ch * header.width + cw) * self.dilation).min(header.pixels() - 1);
        if p > 0 { ((p + 1) * self.inputs * header.activations.bytes).next_multiple_of(4) } else { 0 }
    }

    fn im2col_bytes(&self, header: &Header) -> usize {
        let own = own(header, self.inputs, self.mask_b, header.groups - 1);
        header.row(past_taps(self.kernel).len() * self.inputs + own) * header.activations.bytes
    }
}
