//! Concatenation and slice of residuals.

use crate::fixed::Rescale;
use bytemuck::{Pod, Zeroable};

/// Elements that one colour group of a `join` takes from one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Span {
    /// First element of the input.
    pub from: u16,
    /// Number of elements.
    pub count: u16,
}

/// `join` on the residual: in each colour group of the output, elements of the first input, then of the second, then zeros.
///
/// A `concat` takes all of both, a `slice` some of the first.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct JoinRecord {
    /// [`super::kind::JOIN`].
    pub kind: u8,
    /// Zero.
    pub pad: u8,
    /// Features written.
    pub count: u16,
    /// Registers read, `i16`.
    pub inputs: [u32; 2],
    /// Features of each input; 0 for a second one that is not there.
    pub counts: [u16; 2],
    /// Register written, `i16`.
    pub output: u32,
    /// Scale of each input to output scale.
    pub rescale: [Rescale; 2],
    /// For each input, the elements that each colour group takes.
    pub spans: [[Span; 3]; 2],
    /// Zero.
    pub reserved: [u32; 3],
}

const _: () = assert!(size_of::<JoinRecord>() == 64);
