//! Masked convolution.

use super::matrix::MatrixDescriptor;
use crate::blob::format::Layout;
use crate::network::Mask;
use crate::network::taps::Reach;
use bytemuck::{Pod, Zeroable};

/// Destination of a convolution's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Destination {
    /// An `i8` register: requantized, zero point added, clamped to `output_clamp_min..=127`.
    Activation = 0,
    /// An `i16` register, saturating.
    Residual = 1,
    /// Added to an `i16` register, saturating; ends a residual block.
    Accumulate = 2,
    /// The logits.
    Logits = 3,
}

/// `masked_conv`: one matrix-vector product per pixel and colour group.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ConvRecord {
    /// [`super::kind::MASKED_CONV`].
    pub kind: u8,
    /// A [`Destination`].
    pub destination: u8,
    /// 0: mask A; 1: mask B.
    pub mask: u8,
    /// Left shift of an accumulator before its multiplier, in bits.
    pub left_shift: u8,
    /// Rows and columns of the kernel.
    pub kernel: [u8; 2],
    /// Distance between taps.
    pub dilation: u8,
    /// Zero point of the inputs; also the padding outside the image.
    pub input_zero_point: i8,
    /// Register read: `inputs` activations.
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
    /// Zero.
    pub pad: u8,
    /// Offset of the weights: per colour group, per output of the group, the open taps.
    pub weights: u32,
    /// Offset of the biases, `[outputs]` of `i32`; 0: class biases only.
    pub bias: u32,
    /// Offset of the multipliers, `[outputs]` of `i32`.
    pub multipliers: u32,
    /// Offset of the class biases, `[classes, outputs]` of `i32`, added to the biases; 0: none.
    pub class_bias: u32,
    /// Zero.
    pub reserved: [u32; 6],
}

impl ConvRecord {
    /// Mask of the centre tap. An invalid byte, refused by the reader, counts as B.
    pub const fn mask(&self) -> Mask {
        if self.mask == 0 { Mask::A } else { Mask::B }
    }

    /// Destination of the outputs; `None` for an invalid byte.
    pub const fn destination(&self) -> Option<Destination> {
        destination(self.destination)
    }

    /// Reach of the kernel.
    pub const fn reach(&self) -> Reach {
        Reach::of([self.kernel[0] as usize, self.kernel[1] as usize])
    }

    /// Taps before the centre, all of them open.
    pub const fn past_taps(&self) -> usize {
        self.reach().past_taps()
    }

    /// Pixels whose inputs are kept: from the farthest past tap to the current pixel. 0 without past taps.
    pub const fn kept_pixels(&self, height: usize, width: usize) -> usize {
        let farthest = self.reach().farthest(width, self.dilation as usize);
        let most = height * width - 1;
        match if farthest < most { farthest } else { most } {
            0 => 0,
            past => past + 1,
        }
    }

    /// Matrix of the dot products.
    pub const fn matrix(&self) -> MatrixDescriptor {
        MatrixDescriptor {
            features: self.outputs as usize,
            outputs_per_feature: 1,
            past: self.past_taps() * self.inputs as usize,
            centre: self.inputs as usize,
            mask: Some(self.mask()),
            left_shift: self.left_shift,
            weights: self.weights,
            bias: Some(self.bias),
            multipliers: self.multipliers,
            class_bias: self.class_bias,
        }
    }

    /// Length of the dot products of colour group `group`: all features of the past taps, then the open features of the centre.
    pub const fn length(&self, groups: usize, group: usize) -> usize {
        self.matrix().length(groups, group)
    }

    /// Outputs of colour group `group`: first, and one past the last.
    pub const fn group(&self, groups: usize, group: usize) -> (usize, usize) {
        self.matrix().group(groups, group)
    }

    /// Weights of the colour groups before `group`.
    pub const fn weights_before(&self, groups: usize, group: usize, layout: Layout) -> usize {
        self.matrix().weights_before(groups, group, layout)
    }

    /// Multiply-adds per pixel.
    pub const fn multiply_adds(&self, groups: usize) -> usize {
        self.weights_before(groups, groups, Layout::RowMajor)
    }
}

/// Destination by its byte; `None` for an invalid one.
pub(super) const fn destination(byte: u8) -> Option<Destination> {
    Some(match byte {
        0 => Destination::Activation,
        1 => Destination::Residual,
        2 => Destination::Accumulate,
        3 => Destination::Logits,
        _ => return None,
    })
}
