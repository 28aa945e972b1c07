//! The Diagonal BiLSTM.

use super::cell::{self, Initial};
use super::convolution::{Convolution, convolve};
use super::{Context, ConvTensors};
use crate::plan::{Plan, State};
use burn::prelude::*;
use pixelrnn::network::DiagonalBilstm;

/// Tensors of one direction, as in the trained-model file.
pub(crate) struct DirectionTensors {
    pub input_to_state: ConvTensors,
    /// `[4 · hidden, hidden, 2, 1]`: tap for the row above, then for the same row.
    pub state_to_state: Tensor<4>,
    /// State before the first pixel of each row, `[height, hidden]`.
    pub initial: Option<Initial>,
}

/// `left[i, j] + right[i - 1, j]`.
pub(crate) fn diagonal_bilstm(
    context: &Context,
    x: Tensor<4>,
    [left, right]: [DirectionTensors; 2],
    lstm: &DiagonalBilstm,
    input_to_state: &Convolution,
) -> Tensor<4> {
    let left = direction(context, x.clone(), left, lstm, input_to_state, false);
    let rows = context.path.rows();
    let height = left.dims()[rows];
    if height == 1 {
        return left;
    }
    let right = direction(context, x, right, lstm, input_to_state, true);
    let mut first = left.dims();
    first[rows] = 1;
    let lowered = Tensor::cat(vec![Tensor::zeros(first, &left.device()), right.narrow(rows, 0, height - 1)], rows);
    left + lowered
}

fn direction(
    context: &Context,
    x: Tensor<4>,
    tensors: DirectionTensors,
    lstm: &DiagonalBilstm,
    input_to_state: &Convolution,
    mirrored: bool,
) -> Tensor<4> {
    let gates = convolve(context, x, tensors.input_to_state, input_to_state, false);
    let Some(scan) = context.path.lstm_scan() else {
        return stock(gates, tensors.state_to_state, tensors.initial, lstm, mirrored);
    };
    let (dims, rows) = (gates.dims(), context.path.rows());
    let (height, width) = (dims[rows], dims[rows + 1]);
    let zeros = || Initial::zeros(height, lstm.hidden.count, &gates.device());
    let Initial { h, c } = tensors.initial.unwrap_or_else(zeros);
    let (h, c) = (h.narrow(0, 0, height), c.narrow(0, 0, height));
    scan(gates, tensors.state_to_state, h, c, plan(height, width, mirrored).into())
}

/// Wavefront plan with a diagonal per wave.
pub(super) fn plan(height: usize, width: usize, mirrored: bool) -> Plan {
    let pixel = |i: usize, step: usize| i * width + if mirrored { width - 1 - step } else { step };
    let diagonals = (0..height + width - 1)
        .map(|t| (0..height).filter(|&i| i <= t && t - i < width).map(|i| pixel(i, t - i)).collect());
    Plan::new(height * width, height, 2, diagonals, |at| {
        let (i, j) = (at / width, at % width);
        let step = if mirrored { width - 1 - j } else { j };
        let above = if i > 0 { State::Pixel(at - width) } else { State::Zero };
        let beside = if step > 0 { State::Pixel(pixel(i, step - 1)) } else { State::Initial(i) };
        (vec![above, beside], beside)
    })
}

/// Shifts row `i` of `x` `[N, F, H, W]` right by `i`, so that diagonals become columns: `[N, F, H, H + W - 1]`.
fn skew(x: Tensor<4>) -> Tensor<4> {
    let [n, f, height, width] = x.dims();
    let wide = height + width - 1;
    let x = x.pad([(0, height)], 0.0).reshape([n, f, height * (width + height)]);
    x.narrow(2, 0, height * wide).reshape([n, f, height, wide])
}

/// Inverse of [`skew`].
fn unskew(x: Tensor<4>, width: usize) -> Tensor<4> {
    let [n, f, height, wide] = x.dims();
    let x = x.reshape([n, f, height * wide]).pad([(0, height)], 0.0);
    x.reshape([n, f, height, wide + 1]).narrow(3, 0, width)
}

/// Scan over diagonals, with `gates` `[N, 4 · hidden, H, W]`.
fn stock(
    gates: Tensor<4>,
    weight: Tensor<4>,
    initial: Option<Initial>,
    lstm: &DiagonalBilstm,
    mirrored: bool,
) -> Tensor<4> {
    let ([n, _, height, width], hidden) = (gates.dims(), lstm.hidden.count);
    let device = gates.device();
    let turn = |x: Tensor<4>| if mirrored { x.flip([3]) } else { x };
    let gates = skew(turn(gates));
    // Both taps in one matrix, `[4 · hidden, 2 · hidden]`.
    let weight = weight.reshape([4 * hidden, hidden, 2]).permute([0, 2, 1]).reshape([1, 4 * hidden, 2 * hidden]);
    // Row i starts at diagonal i and holds its initial state until then.
    let start = |of: Option<Tensor<2>>| match of {
        Some(state) => state.narrow(0, 0, height).transpose().reshape([1, hidden, height]).expand([n, hidden, height]),
        None => Tensor::zeros([n, hidden, height], &device),
    };
    let (first_h, first_c) = initial.map_or((None, None), |initial| (Some(initial.h), Some(initial.c)));
    let (first_h, first_c) = (start(first_h), start(first_c));
    let (mut h, mut c) = (first_h.clone(), first_c.clone());
    // The state above is zero only in the first row: when row i starts, row i - 1 has started.
    let mut columns = Vec::with_capacity(height + width - 1);
    for t in 0..height + width - 1 {
        let above = h.clone().pad([(1, 0)], 0.0).narrow(2, 0, height);
        let z = weight.clone().matmul(Tensor::cat(vec![above, h], 1)).expand([n, 4 * hidden, height])
            + gates.clone().narrow(3, t, 1).reshape([n, 4 * hidden, height]);
        (h, c) = cell::step(&z, c, 1);
        columns.push(h.clone());
        // Rows that have not started keep their initial state.
        let begun: Vec<f32> = (0..height).map(|i| if i <= t { 1.0 } else { 0.0 }).collect();
        let begun = Tensor::<1>::from_data(TensorData::new(begun, [height]), &device).reshape([1, 1, height]);
        let waiting = begun.clone().neg() + 1.0;
        h = h * begun.clone() + first_h.clone() * waiting.clone();
        c = c * begun + first_c.clone() * waiting;
    }
    turn(unskew(Tensor::stack(columns, 3), width))
}
