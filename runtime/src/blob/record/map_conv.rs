//! Convolution over a map, with any anchor.

use super::matrix::MatrixDescriptor;
use super::{Destination, conv};
use crate::network::Mask;
use bytemuck::{Pod, Zeroable};

/// `conv`: taps of a map in rows above, then in the row of the position, then in rows below, and a centre from a register.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct MapConvRecord {
    /// [`super::kind::CONV`].
    pub kind: u8,
    /// A [`Destination`].
    pub destination: u8,
    /// Inputs of the register `input`: 0, none; 1 and 2, those that mask A or B opens; 3, all.
    pub centre: u8,
    /// Left shift of an accumulator before its multiplier, in bits.
    pub left_shift: u8,
    /// Rows of taps above the position, taps per row.
    pub above: [u8; 2],
    /// Distance between taps.
    pub dilation: u8,
    /// Zero point of the inputs; also the padding outside the image.
    pub input_zero_point: i8,
    /// Register read for the centre: `inputs` activations.
    pub input: u32,
    /// Register written: `outputs` values. Unused for logits.
    pub output: u32,
    /// Features read.
    pub inputs: u16,
    /// Features written.
    pub outputs: u16,
    /// Zero point of the output activations.
    pub output_zero_point: i8,
    /// Minimum of the output activations; equal to the zero point for a fused ReLU.
    pub output_clamp_min: i8,
    /// Left shift of a logit to units of 2⁻¹⁶, in bits.
    pub logit_shift: u8,
    /// Taps of the map in the row of the position, from its first tap on.
    pub own: u8,
    /// Offset of the weights: per colour group, per output of the group, the taps of the map, then the open inputs of the centre.
    pub weights: u32,
    /// Offset of the biases, `[outputs]` of `i32`; 0: class biases only.
    pub bias: u32,
    /// Offset of the multipliers, `[outputs]` of `i32`.
    pub multipliers: u32,
    /// Offset of the class biases, `[classes, outputs]` of `i32`, added to the biases; 0: none.
    pub class_bias: u32,
    /// Rows from the first row of taps to the position, in taps; columns from the first tap of a row to the position.
    pub anchor: [u8; 2],
    /// Index of the record of the map, a [`super::KeepRecord`]; unused without taps.
    pub map: u16,
    /// Rows of taps below the position.
    pub below: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Zero.
    pub reserved: [u32; 4],
}

const _: () = assert!(size_of::<MapConvRecord>() == 64);

impl MapConvRecord {
    /// Destination of the outputs; `None` for an invalid byte.
    pub const fn destination(&self) -> Option<Destination> {
        conv::destination(self.destination)
    }

    /// Number of taps of the map.
    pub const fn taps(&self) -> usize {
        (self.above[0] as usize + self.below as usize) * self.above[1] as usize + self.own as usize
    }

    /// Kernel rows of taps: each with its offset in image rows, positive below, and its number of taps, in the order of the weights.
    pub fn rows(&self) -> impl Iterator<Item = (isize, usize)> + use<> {
        let [above, width] = self.above.map(usize::from);
        let (anchor, own, below, dilation) =
            (usize::from(self.anchor[0]), usize::from(self.own), usize::from(self.below), isize::from(self.dilation));
        let up = (0..above).map(move |u| ((u as isize - anchor as isize) * dilation, width));
        let down = (1..=below).map(move |u| (u as isize * dilation, width));
        up.chain(core::iter::once((0, own))).chain(down).filter(|(_, taps)| *taps > 0)
    }

    /// Matrix of the dot products.
    pub const fn matrix(&self) -> MatrixDescriptor {
        MatrixDescriptor {
            features: self.outputs as usize,
            outputs_per_feature: 1,
            past: self.taps() * self.inputs as usize,
            centre: if self.centre == 0 { 0 } else { self.inputs as usize },
            mask: match self.centre {
                1 => Some(Mask::A),
                2 => Some(Mask::B),
                _ => None,
            },
            left_shift: self.left_shift,
            weights: self.weights,
            bias: Some(self.bias),
            multipliers: self.multipliers,
            class_bias: self.class_bias,
        }
    }
}
