//! Section 3 of the specification: the ops, one file each, a row of the image at a time.

mod add;
mod conv;
mod depth_gate;
mod elu;
mod gate;
mod graph;
mod join;
mod keep;
mod leaky_relu;
mod load;
mod logits;
mod lstm;
mod masked_conv;
mod multiply;
mod product;
mod quantize;
mod relu;
mod table;
mod tanh;

pub use graph::Segment;

use super::header::Header;
use super::registers::Registers;
use std::fmt::Debug;

/// Inputs and outputs of an op.
pub struct Image<'a> {
    /// The header.
    pub header: &'a Header,
    /// The class, where the model has classes.
    pub label: Option<usize>,
    /// Values of the first channel, pixel by pixel.
    pub values: &'a [u8],
    /// The registers of all pixels.
    pub registers: &'a mut Registers,
    /// What each op keeps of each pixel: `kept[op][pixel]`. Empty before the op has run there.
    pub kept: &'a mut [Vec<Vec<i16>>],
    /// Logits `[pixel][C · (L or 1)]`. Empty before the op that makes them has run.
    pub logits: &'a mut [Vec<i32>],
}

impl Image<'_> {
    /// What op `op` keeps of the pixel `down` rows below and `right` columns to the right; `None` outside the image.
    ///
    /// # Panics
    /// Panics if the op has not run there yet. No valid blob reads such a pixel.
    pub fn kept_at(&self, op: usize, pixel: usize, down: isize, right: isize) -> Option<&[i16]> {
        let kept = &self.kept[op][self.header.away(pixel, down, right)?];
        assert!(!kept.is_empty(), "op {op} has not run {down} rows below and {right} columns right of pixel {pixel}");
        Some(kept)
    }
}

/// An op of a blob.
pub trait Op: Debug {
    /// Computes all features at all pixels of a row.
    fn row(&self, image: &mut Image<'_>, row: usize);

    /// Section 5: state size in bytes in the `pixelrnn` engine, under `Plan::Pixel`.
    fn state_bytes(&self, _: &Header) -> usize {
        0
    }

    /// Section 5: bytes of the longest dot-product input.
    fn im2col_bytes(&self, _: &Header) -> usize {
        0
    }
}

/// Parses op `op`. `None` for a record that only gives structure.
///
/// # Errors
/// Fails if the op kind is unknown.
pub fn parse(blob: &[u8], op: usize, header: &Header) -> Result<Option<Box<dyn Op>>, String> {
    let record = header.record(blob, op);
    Ok(Some(match record[0] {
        1 => Box::new(masked_conv::MaskedConv::parse(blob, op, header)),
        2 => Box::new(quantize::Quantize::parse(record)),
        3 => Box::new(relu::Relu::parse(record)),
        4 => Box::new(elu::Elu::parse(record)),
        5 => Box::new(add::Add::parse(record)),
        6 => Box::new(depth_gate::DepthGate::parse(record)),
        7..=9 => Box::new(lstm::Lstm::parse(blob, op, header)),
        10 | 11 => Box::new(tanh::Tanh::parse(record)),
        12 => Box::new(leaky_relu::LeakyRelu::parse(record)),
        13 | 14 => return Ok(None),
        15 => Box::new(keep::Keep::parse(record, op)),
        16 => Box::new(load::Load::parse(blob, record, header)),
        17 => Box::new(conv::Conv::parse(blob, record, header)),
        18 => Box::new(table::Table::parse(blob, record, header)),
        19 => Box::new(join::Join::parse(record)),
        20 => Box::new(multiply::Multiply::parse(record)),
        21 | 22 => Box::new(gate::Gate::parse(record)),
        23 => Box::new(logits::Logits::parse(record)),
        other => return Err(format!("an op of kind {other}, which the integer model does not know")),
    }))
}
