//! Section 3 of the specification: the ops, one file each, over whole images.

mod add;
mod depth_gate;
mod elu;
mod leaky_relu;
mod lstm;
mod masked_conv;
mod quantize;
mod relu;
mod tanh;

use super::header::Header;
use super::registers::Registers;
use std::fmt::Debug;

/// Inputs and outputs of an op.
pub struct Image<'a> {
    /// The header.
    pub header: &'a Header,
    /// The class, where the model has classes.
    pub label: Option<usize>,
    /// The registers of all pixels.
    pub registers: &'a mut Registers,
    /// Logits `[pixel][C · (L or 1)]`. Empty until the last op.
    pub logits: &'a mut Vec<Vec<i32>>,
}

/// An op of a blob.
pub trait Op: Debug {
    /// Computes all features at all pixels.
    fn apply(&self, image: &mut Image<'_>);

    /// Section 5: state size in bytes in the `pixelrnn` engine.
    fn state_bytes(&self, _: &Header) -> usize {
        0
    }

    /// Section 5: bytes of the longest dot-product input.
    fn im2col_bytes(&self, _: &Header) -> usize {
        0
    }
}

/// Parses the op record at `at`.
///
/// # Errors
/// Fails if the op kind is unknown.
pub fn parse(blob: &[u8], at: usize, header: &Header) -> Result<Box<dyn Op>, String> {
    let record = &blob[at..at + 64];
    Ok(match record[0] {
        1 => Box::new(masked_conv::MaskedConv::parse(blob, record, header)),
        2 => Box::new(quantize::Quantize::parse(record)),
        3 => Box::new(relu::Relu::parse(record)),
        4 => Box::new(elu::Elu::parse(record)),
        5 => Box::new(add::Add::parse(record)),
        6 => Box::new(depth_gate::DepthGate::parse(record)),
        10 | 11 => Box::new(tanh::Tanh::parse(record)),
        12 => Box::new(leaky_relu::LeakyRelu::parse(record)),
        7..=9 => Box::new(lstm::Lstm::parse(blob, record, header)),
        other => return Err(format!("an op of kind {other}, which the integer model does not know")),
    })
}
