//! The Row LSTM.

use super::cell::{self, Initial};
use super::convolution::{Convolution, convolve};
use super::{Context, ConvTensors};
use crate::plan::{Plan, State};
use burn::prelude::*;
use pixelrnn::network::RowLstm;

/// Tensors of a Row LSTM, as in the trained-model file.
pub(crate) struct RowTensors {
    pub input_to_state: ConvTensors,
    /// `[4 · hidden, hidden, 1, kernel]`.
    pub state_to_state: Tensor<4>,
    /// State of every column above the image, `[1, hidden]`.
    pub initial: Option<Initial>,
}

/// Applies the layer to `x`.
pub(crate) fn row_lstm(
    context: &Context,
    x: Tensor<4>,
    tensors: RowTensors,
    lstm: &RowLstm,
    input_to_state: &Convolution,
) -> Tensor<4> {
    let gates = convolve(context, x, tensors.input_to_state, input_to_state, false);
    let Some(scan) = context.path.lstm_scan() else {
        return stock(&gates, tensors.state_to_state, tensors.initial, lstm);
    };
    let (dims, rows) = (gates.dims(), context.path.rows());
    let initial = tensors.initial.unwrap_or_else(|| Initial::zeros(1, lstm.hidden.count, &gates.device()));
    let plan = plan(dims[rows], dims[rows + 1], lstm.kernel);
    scan(gates, tensors.state_to_state, initial.h, initial.c, plan.into())
}

/// Wavefront plan with a row per wave.
pub(super) fn plan(height: usize, width: usize, kernel: usize) -> Plan {
    let rows = (0..height).map(|i| (i * width..(i + 1) * width).collect());
    Plan::new(height * width, 1, kernel, rows, |at| {
        let (i, j) = (at / width, at % width);
        let above = |column: usize| if i > 0 { State::Pixel((i - 1) * width + column) } else { State::Initial(0) };
        let tap = |v: usize| match (j + v).checked_sub(kernel / 2) {
            Some(column) if column < width => above(column),
            _ => State::Zero,
        };
        ((0..kernel).map(tap).collect(), above(j))
    })
}

/// Scan over rows, with `gates` `[N, 4 · hidden, H, W]`.
fn stock(gates: &Tensor<4>, weight: Tensor<4>, initial: Option<Initial>, lstm: &RowLstm) -> Tensor<4> {
    let ([n, _, height, width], hidden, k) = (gates.dims(), lstm.hidden.count, lstm.kernel);
    let start = |of: Option<Tensor<2>>| match of {
        Some(state) => state.reshape([1, hidden, 1]).expand([n, hidden, width]),
        None => Tensor::zeros([n, hidden, width], &gates.device()),
    };
    let (h, c) = initial.map_or((None, None), |initial| (Some(initial.h), Some(initial.c)));
    let (mut h, mut c) = (start(h), start(c));
    // All taps in one matrix, `[4 · hidden, k · hidden]`.
    let weight = weight.reshape([4 * hidden, hidden, k]).permute([0, 2, 1]).reshape([1, 4 * hidden, k * hidden]);
    let mut rows = Vec::with_capacity(height);
    for i in 0..height {
        let padded = h.pad([(k / 2, k - 1 - k / 2)], 0.0);
        let taps = (0..k).map(|v| padded.clone().narrow(2, v, width)).collect();
        let z = weight.clone().matmul(Tensor::cat(taps, 1)).expand([n, 4 * hidden, width])
            + gates.clone().narrow(2, i, 1).reshape([n, 4 * hidden, width]);
        (h, c) = cell::step(&z, c, 1);
        rows.push(h.clone());
    }
    Tensor::stack(rows, 2)
}
