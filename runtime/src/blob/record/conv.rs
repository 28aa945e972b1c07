//! Masked convolution.

use super::matrix::MatrixDescriptor;
use crate::blob::format::Layout;
use crate::network::Mask;
use crate::network::taps::Reach;
use bytemuck::{Pod, Zeroable};

/// Where a convolution puts its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Destination {
    /// An `i8` register: requantized, zero point added, clamped to `output_clamp_min..=127`.
    Activation = 0,
    /// An `i16` register, saturating.
    Residual = 1,
    /// Added to an `i16` register, saturating: the end of a residual block.
    Accumulate = 2,
    /// The logits.
    Logits = 3,
}

/// `masked_conv`: the dot products of one pixel.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ConvRecord {
    /// [`super::kind::MASKED_CONV`].
    pub kind: u8,
    /// A [`Destination`].
    pub destination: u8,
    /// 0: mask A; 1: mask B.
    pub mask: u8,
    /// Bits that a sum is shifted left before it is multiplied.
    pub left_shift: u8,
    /// Rows and columns of the kernel.
    pub kernel: [u8; 2],
    /// Distance between taps.
    pub dilation: u8,
    /// The activation that means 0, which stands for all pixels outside the image.
    pub input_zero_point: i8,
    /// Register read: `inputs` activations.
    pub input: u32,
    /// Register written: `outputs` values. Unused for logits.
    pub output: u32,
    /// Features read.
    pub inputs: u16,
    /// Features made.
    pub outputs: u16,
    /// Added to an activation.
    pub output_zero_point: i8,
    /// The least activation: the zero point where a ReLU follows.
    pub output_clamp_min: i8,
    /// Bits that a logit is shifted left, to units of 2⁻¹⁶.
    pub logit_shift: u8,
    /// Zero.
    pub pad: u8,
    /// Where the weights are: for each colour group, for each of its outputs, the open taps.
    pub weights: u32,
    /// Where the biases are, `[outputs]` of `i32`; 0: those of the classes are all there are.
    pub bias: u32,
    /// Where the multipliers are, `[outputs]` of `i32`.
    pub multipliers: u32,
    /// Where the classes' biases are, `[classes, outputs]` of `i32`, which are added to the biases; 0: none.
    pub class_bias: u32,
    /// Zero.
    pub reserved: [u32; 6],
}

impl ConvRecord {
    /// The mask; a byte that means nothing counts as B, after the reader has refused it.
    pub const fn mask(&self) -> Mask {
        if self.mask == 0 { Mask::A } else { Mask::B }
    }

    /// Where results go; `None` for a byte that means nothing.
    pub const fn destination(&self) -> Option<Destination> {
        Some(match self.destination {
            0 => Destination::Activation,
            1 => Destination::Residual,
            2 => Destination::Accumulate,
            3 => Destination::Logits,
            _ => return None,
        })
    }

    /// Reach of the kernel.
    pub const fn reach(&self) -> Reach {
        Reach::of([self.kernel[0] as usize, self.kernel[1] as usize])
    }

    /// Taps before the centre, all of them open.
    pub const fn past_taps(&self) -> usize {
        self.reach().past_taps()
    }

    /// Pixels whose inputs are kept: this one and those back to the farthest that a tap reads, or none where no tap
    /// reads an earlier one.
    pub const fn kept_pixels(&self, height: usize, width: usize) -> usize {
        let farthest = self.reach().farthest(width, self.dilation as usize);
        let most = height * width - 1;
        match if farthest < most { farthest } else { most } {
            0 => 0,
            past => past + 1,
        }
    }

    /// The sums of the outputs.
    pub const fn matrix(&self) -> MatrixDescriptor {
        MatrixDescriptor {
            features: self.outputs as usize,
            outputs_per_feature: 1,
            past: self.past_taps() * self.inputs as usize,
            centre: self.inputs as usize,
            mask: self.mask(),
            left_shift: self.left_shift,
            weights: self.weights,
            bias: Some(self.bias),
            multipliers: self.multipliers,
            class_bias: self.class_bias,
        }
    }

    /// Length of the dot products of colour group `group`: all features of the past taps, then the open ones of the centre.
    pub const fn length(&self, groups: usize, group: usize) -> usize {
        self.matrix().length(groups, group)
    }

    /// Outputs of colour group `group`: the first and one past the last.
    pub const fn group(&self, groups: usize, group: usize) -> (usize, usize) {
        self.matrix().group(groups, group)
    }

    /// Weights of the colour groups before `group`.
    pub const fn weights_before(&self, groups: usize, group: usize, layout: Layout) -> usize {
        self.matrix().weights_before(groups, group, layout)
    }

    /// Multiply-adds a pixel.
    pub const fn multiply_adds(&self, groups: usize) -> usize {
        self.weights_before(groups, groups, Layout::RowMajor)
    }
}
