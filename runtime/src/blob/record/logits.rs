//! Logits from a residual, for a network that does not end in a convolution.

use crate::fixed::Rescale;
use bytemuck::{Pod, Zeroable};

/// `logits`: a residual becomes the logits. A model with colour groups has none.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct LogitsRecord {
    /// [`super::kind::LOGITS`].
    pub kind: u8,
    /// Left shift of a logit to units of 2⁻¹⁶, in bits.
    pub logit_shift: u8,
    /// Features: the number of logits.
    pub count: u16,
    /// Register read, `i16`.
    pub input: u32,
    /// Input scale to units of a logit before its shift.
    pub rescale: Rescale,
    /// Zero.
    pub reserved: [u32; 13],
}

const _: () = assert!(size_of::<LogitsRecord>() == 64);
