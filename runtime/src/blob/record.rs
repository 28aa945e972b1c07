//! The ops of a blob, 64 bytes each.
//!
//! Where an op of the network description ([`crate::model::Op`]) works on floats and whole images, one of these works
//! on integers and one pixel: it reads and writes *registers*, byte ranges that hold one vector of `i8` activations or
//! of `i16` values of the residual stream. In a colour model the features of a vector are sorted by colour group.

use crate::model::Mask;
use crate::numbers::Rescale;
use bytemuck::{Pod, Zeroable};

/// Bytes of a record.
pub const RECORD_BYTES: usize = size_of::<Record>();

/// Any op; the first byte says which.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Record {
    words: [u32; 16],
}

/// Kinds of ops: the first byte of a record.
pub mod kind {
    /// [`super::ConvRecord`].
    pub const MASKED_CONV: u8 = 1;
    /// [`super::QuantizeRecord`].
    pub const QUANTIZE: u8 = 2;
    /// [`super::ReluRecord`].
    pub const RELU: u8 = 3;
    /// [`super::EluRecord`].
    pub const ELU: u8 = 4;
    /// [`super::AddRecord`].
    pub const ADD: u8 = 5;
}

/// Where a convolution puts its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Destination {
    /// An `i8` register: requantized, zero point added, clamped to `output_low..=127`.
    Activation = 0,
    /// An `i16` register, saturating.
    Stream = 1,
    /// Added to an `i16` register, saturating: the end of a residual block.
    Accumulate = 2,
    /// The logits.
    Logits = 3,
}

/// `masked_conv`: the dot products of one pixel.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ConvRecord {
    /// [`kind::MASKED_CONV`].
    pub kind: u8,
    /// A [`Destination`].
    pub destination: u8,
    /// 0: mask A; 1: mask B.
    pub mask: u8,
    /// Bits that a sum is shifted left before it is multiplied.
    pub left: u8,
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
    pub output_low: i8,
    /// Bits that a logit is shifted left, to units of 2⁻¹⁶.
    pub logit_shift: u8,
    /// Zero.
    pub pad: u8,
    /// Where the weights are: for each colour group, for each of its outputs, the open taps.
    pub weights: u32,
    /// Where the biases are, `[outputs]` of `i32`.
    pub bias: u32,
    /// Where the multipliers are, `[outputs]` of `i32`.
    pub multipliers: u32,
    /// Where the classes' biases are, `[classes, outputs]` of `i32`; 0: none.
    pub class_bias: u32,
    /// Zero.
    pub reserved: [u32; 6],
}

/// `quantize`: stream to activations, with a ReLU where `low` is the zero point.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct QuantizeRecord {
    /// [`kind::QUANTIZE`].
    pub kind: u8,
    /// The activation that means 0.
    pub zero_point: i8,
    /// The least activation.
    pub low: i8,
    /// Zero.
    pub pad: u8,
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i8`.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the scale of the stream to that of the activations.
    pub rescale: Rescale,
    /// Zero.
    pub reserved: [u32; 11],
}

/// `relu` on the stream, where no convolution follows that could do it.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct ReluRecord {
    /// [`kind::RELU`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may be the same.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Zero.
    pub reserved: [u32; 12],
}

/// `elu` on the stream; the scale stays.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct EluRecord {
    /// [`kind::ELU`].
    pub kind: u8,
    /// Zero.
    pub pad: [u8; 3],
    /// Register read, `i16`.
    pub input: u32,
    /// Register written, `i16`; may be the same.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the stream's scale to base-2 exponents in units of 2⁻¹⁶.
    pub exponent: Rescale,
    /// From units of 2⁻³⁰ to the stream's scale, by the high word of the product.
    pub back: i32,
    /// Zero.
    pub reserved: [u32; 10],
}

/// `add` on the stream: a sum of two values with scales of their own.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct AddRecord {
    /// [`kind::ADD`].
    pub kind: u8,
    /// 1 where the first value is subtracted (a negative scale), else 0.
    pub negate: u8,
    /// Zero.
    pub pad: u16,
    /// Register of the first value, `i16`.
    pub a: u32,
    /// Register of the second value, `i16`.
    pub b: u32,
    /// Register written, `i16`; may be either.
    pub output: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// From the first value's scale to the result's.
    pub rescale_a: Rescale,
    /// From the second value's scale to the result's.
    pub rescale_b: Rescale,
    /// Zero.
    pub reserved: [u32; 9],
}

/// A record, read as what it is.
#[derive(Clone, Copy, Debug)]
pub enum Instruction<'a> {
    /// Masked convolution.
    MaskedConv(&'a ConvRecord),
    /// Stream to activations.
    Quantize(&'a QuantizeRecord),
    /// ReLU on the stream.
    Relu(&'a ReluRecord),
    /// ELU on the stream.
    Elu(&'a EluRecord),
    /// Sum of two values.
    Add(&'a AddRecord),
}

impl Record {
    /// What the record is; `None` for a kind that this version does not know.
    #[inline]
    pub fn instruction(&self) -> Option<Instruction<'_>> {
        Some(match self.words[0] as u8 {
            kind::MASKED_CONV => Instruction::MaskedConv(bytemuck::must_cast_ref(self)),
            kind::QUANTIZE => Instruction::Quantize(bytemuck::must_cast_ref(self)),
            kind::RELU => Instruction::Relu(bytemuck::must_cast_ref(self)),
            kind::ELU => Instruction::Elu(bytemuck::must_cast_ref(self)),
            kind::ADD => Instruction::Add(bytemuck::must_cast_ref(self)),
            _ => return None,
        })
    }
}

macro_rules! into_record {
    ($($record:ty),*) => {$(
        impl From<$record> for Record {
            fn from(record: $record) -> Self {
                bytemuck::must_cast(record)
            }
        }
    )*};
}
into_record!(ConvRecord, QuantizeRecord, ReluRecord, EluRecord, AddRecord);

/// First feature of colour group `group` of `groups`, of `count` features sorted by group; `group == groups` gives `count`.
///
/// Groups differ in size by one at most, the first ones being larger.
#[inline]
pub const fn group_start(count: usize, groups: usize, group: usize) -> usize {
    if groups == 3 {
        let (each, rest) = (count / 3, count % 3);
        group * each + if group < rest { group } else { rest }
    } else if group == 0 {
        0
    } else {
        count
    }
}

impl ConvRecord {
    /// The mask; a byte that means nothing counts as B, after the reader has refused it.
    #[inline]
    pub const fn mask(&self) -> Mask {
        if self.mask == 0 { Mask::A } else { Mask::B }
    }

    /// Where results go; `None` for a byte that means nothing.
    #[inline]
    pub const fn destination(&self) -> Option<Destination> {
        Some(match self.destination {
            0 => Destination::Activation,
            1 => Destination::Stream,
            2 => Destination::Accumulate,
            3 => Destination::Logits,
            _ => return None,
        })
    }

    /// Rows above the centre, and columns to its left and right.
    #[inline]
    pub const fn reach(&self) -> (usize, usize, usize) {
        let [height, width] = [self.kernel[0] as usize, self.kernel[1] as usize];
        (height / 2, width / 2, width - 1 - width / 2)
    }

    /// Taps before the centre, all of them open.
    #[inline]
    pub const fn past_taps(&self) -> usize {
        let (top, left, _) = self.reach();
        top * self.kernel[1] as usize + left
    }

    /// Earlier pixels that the convolution reads: the farthest one's distance in raster order.
    pub const fn past_pixels(&self, height: usize, width: usize) -> usize {
        let (top, left, _) = self.reach();
        let farthest = (top * width + left) * self.dilation as usize;
        let most = height * width - 1;
        if farthest < most { farthest } else { most }
    }

    /// Length of the dot products of colour group `group`: all features of the past taps, then the open ones of the centre.
    #[inline]
    pub const fn length(&self, groups: usize, group: usize) -> usize {
        let open = match self.mask() {
            Mask::A => group,
            Mask::B => group + 1,
        };
        let inputs = self.inputs as usize;
        self.past_taps() * inputs + group_start(inputs, groups, open)
    }

    /// Outputs of colour group `group`: the first and one past the last.
    #[inline]
    pub const fn group(&self, groups: usize, group: usize) -> (usize, usize) {
        let outputs = self.outputs as usize;
        (group_start(outputs, groups, group), group_start(outputs, groups, group + 1))
    }

    /// Weights of all colour groups, which is also the multiply-adds a pixel.
    pub const fn weight_count(&self, groups: usize) -> usize {
        let mut count = 0;
        let mut group = 0;
        while group < groups {
            let (first, end) = self.group(groups, group);
            count += (end - first) * self.length(groups, group);
            group += 1;
        }
        count
    }
}

impl Instruction<'_> {
    /// Bytes of state that the op keeps from pixel to pixel, a multiple of four.
    pub const fn state_bytes(&self, height: usize, width: usize) -> usize {
        match self {
            Self::MaskedConv(conv) => (conv.past_pixels(height, width) * conv.inputs as usize).next_multiple_of(4),
            Self::Quantize(_) | Self::Relu(_) | Self::Elu(_) | Self::Add(_) => 0,
        }
    }

    /// Multiply-adds a pixel.
    pub const fn multiply_adds(&self, groups: usize) -> usize {
        match self {
            Self::MaskedConv(conv) => conv.weight_count(groups),
            Self::Quantize(_) | Self::Relu(_) | Self::Elu(_) | Self::Add(_) => 0,
        }
    }

    /// The op's name, for people.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MaskedConv(_) => "masked_conv",
            Self::Quantize(_) => "quantize",
            Self::Relu(_) => "relu",
            Self::Elu(_) => "elu",
            Self::Add(_) => "add",
        }
    }
}
