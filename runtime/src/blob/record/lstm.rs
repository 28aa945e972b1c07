//! LSTMs.

use super::matrix::MatrixDescriptor;
use super::{group_start, kind};
use crate::blob::Plan;
use crate::blob::format::NumberFormat;
use crate::fixed::Rescale;
use crate::network::Mask;
use crate::network::taps::Reach;
use bytemuck::{Pod, Zeroable};

/// Bytes of a sum, `i32` or `f32`.
const SUM_BYTES: usize = 4;

/// Row LSTM, or one half of a Diagonal BiLSTM.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct LstmRecord {
    /// [`kind::ROW_LSTM`], [`kind::DIAGONAL_LEFT`] or [`kind::DIAGONAL_RIGHT`].
    pub kind: u8,
    /// Zero.
    pub pad: u8,
    /// Left shift of an `input_to_state` accumulator before its multiplier, in bits.
    pub left_shift_x: u8,
    /// Left shift of a `state_to_state` accumulator before its multiplier, in bits.
    pub left_shift_h: u8,
    /// Columns of a Row LSTM's kernels; 1 for a half of a Diagonal BiLSTM.
    pub kernel: u8,
    /// Zero point of the inputs.
    pub input_zero_point: i8,
    /// Zero.
    pub pad2: u16,
    /// Register read: `inputs` activations.
    pub input: u32,
    /// Register written, or added to by a right half: `hidden` residuals, `i16`.
    pub output: u32,
    /// Features read.
    pub inputs: u16,
    /// Units.
    pub hidden: u16,
    /// `h` in units of 2⁻¹⁵ to the activations that `state_to_state` reads; their zero point is 0.
    pub to_hidden: Rescale,
    /// `h` in units of 2⁻¹⁵ to the scale of the output.
    pub to_output: Rescale,
    /// Offset of the `input_to_state` weights: per unit, per gate in the order o, f, i, g, the open taps.
    pub weights_x: u32,
    /// Offset of the biases, `[hidden, 4]` of `i32`; 0: class biases only.
    pub bias: u32,
    /// Offset of the `input_to_state` multipliers, `[hidden, 4]` of `i32`.
    pub multipliers_x: u32,
    /// Offset of the `state_to_state` weights, `[hidden, 4, taps, hidden]`.
    pub weights_h: u32,
    /// Offset of the `state_to_state` multipliers, `[hidden, 4]` of `i32`.
    pub multipliers_h: u32,
    /// Offset of the class biases, `[classes, hidden, 4]` of `i32`, added to the biases; 0: none.
    pub class_bias: u32,
    /// Offset of the initial states, `[1 or height, 2, hidden]` of `i16`, `h` before `c`; 0: zero states.
    pub initial: u32,
    /// Offset of the number formats of the units, `[hidden]` of `u8`; 0 in a float blob. Low nibble: `bits` of the cell, in units
    /// of `2^(bits - 15)`. High nibble: `fraction` of gate g, 7 to 14, in units of `2^-(fraction + 5)`.
    pub cell_bits: u32,
    /// Units of the initial `h` to the activations that `state_to_state` reads.
    pub initial_to_hidden: Rescale,
}

impl LstmRecord {
    /// Reach of a Row LSTM's kernels within their row.
    pub const fn reach(&self) -> Reach {
        Reach::of([1, self.kernel as usize])
    }

    /// Matrix of `input_to_state`.
    pub const fn over_input(&self) -> MatrixDescriptor {
        MatrixDescriptor {
            features: self.hidden as usize,
            outputs_per_feature: 4,
            past: self.reach().left * self.inputs as usize,
            centre: self.inputs as usize,
            mask: Some(Mask::B),
            left_shift: self.left_shift_x,
            weights: self.weights_x,
            bias: Some(self.bias),
            multipliers: self.multipliers_x,
            class_bias: self.class_bias,
        }
    }

    /// Matrix of `state_to_state`. Every colour group reads the whole state.
    pub const fn over_state(&self) -> MatrixDescriptor {
        MatrixDescriptor {
            past: self.h_length(),
            centre: 0,
            left_shift: self.left_shift_h,
            weights: self.weights_h,
            bias: None,
            multipliers: self.multipliers_h,
            class_bias: 0,
            ..self.over_input()
        }
    }

    /// Length of the `input_to_state` dot products of colour group `group`.
    pub const fn x_length(&self, groups: usize, group: usize) -> usize {
        self.over_input().length(groups, group)
    }

    /// Length of the `state_to_state` dot products: `kernel` pixels of the row above, or the pixels above and beside.
    pub const fn h_length(&self) -> usize {
        let taps = if self.kind == kind::ROW_LSTM { self.kernel as usize } else { 2 };
        taps * self.hidden as usize
    }

    /// Units of colour group `group`: first, and one past the last.
    pub const fn group(&self, groups: usize, group: usize) -> (usize, usize) {
        let hidden = self.hidden as usize;
        (group_start(hidden, groups, group), group_start(hidden, groups, group + 1))
    }

    /// Sizes of the op's state in bytes, each a multiple of four: inputs, `h`, `c`, and `state_to_state` sums of a row.
    pub const fn memory(&self, width: usize, weights: NumberFormat, plan: Plan) -> [usize; 4] {
        let (inputs, hidden) = (self.inputs as usize, self.hidden as usize);
        let left = self.reach().left;
        let (activation, residual) = (weights.activation_bytes(), weights.residual_bytes());
        let [x, h, c, sums] = match (self.kind, plan) {
            (kind::ROW_LSTM, plan) => {
                let x = activation * if left > 0 { (left + 1) * inputs } else { 0 };
                let h = activation * (width + left + 1) * hidden;
                let sums = match plan {
                    Plan::Pixel => 0,
                    Plan::Row => SUM_BYTES * width * 4 * hidden,
                };
                [x, h, residual * (width + 1) * hidden, sums]
            }
            (kind::DIAGONAL_LEFT, _) => [0, activation * (width + 1) * hidden, residual * 2 * hidden, 0],
            _ => [activation * width * inputs, residual * (width + 1) * hidden, residual * 2 * hidden, 0],
        };
        [x.next_multiple_of(4), h.next_multiple_of(4), c.next_multiple_of(4), sums]
    }
}
