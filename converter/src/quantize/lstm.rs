//! LSTMs: a record for a Row LSTM, two for a Diagonal BiLSTM.

use super::conv::{self, Packed};
use super::scale::Narrow;
use super::write::BlobWriter;
use super::{Held, Lowering};
use crate::error::Error;
use crate::trained::Tensor;
use pixelrnn::blob::{LstmRecord, Weights, kind};
use pixelrnn::model::{Features, MaskedConv, Node, Op, ValueId};

/// Headroom of the cell above what calibration saw.
const CELL_HEADROOM: f64 = 1.25;

/// What one step of the gates' pre-activations is worth.
const GATE_STEP: f64 = 1.0 / 4096.0;

/// What one step of `h` is worth before it is narrowed.
const STATE_STEP: f64 = 1.0 / 32768.0;

/// One LSTM, or one half of a Diagonal BiLSTM.
struct Part {
    kind: u8,
    /// Prefix of the tensors' names after the node's.
    prefix: &'static str,
    /// The network's value that is whole after this part; 0: none is.
    makes: ValueId,
    /// Which of the node's [`Inputs`](super::Inputs) are the states.
    states: usize,
}

impl Lowering<'_> {
    pub(super) fn lower_lstm(&self, n: usize, to: ValueId, blob: &mut BlobWriter) -> Result<(), Error> {
        let node = &self.model.nodes()[n];
        match node.op {
            Op::RowLstm(lstm) => {
                let part = Part { kind: kind::ROW_LSTM, prefix: "", makes: to, states: 1 };
                self.lower_part(node, &part, &lstm.input_to_state, lstm.hidden, blob)
            }
            Op::DiagonalBilstm(lstm) => {
                let left = Part { kind: kind::DIAGONAL_LEFT, prefix: "left.", makes: 0, states: 1 };
                self.lower_part(node, &left, &lstm.input_to_state, lstm.hidden, blob)?;
                let right = Part { kind: kind::DIAGONAL_RIGHT, prefix: "right.", makes: to, states: 2 };
                self.lower_part(node, &right, &lstm.input_to_state, lstm.hidden, blob)
            }
            _ => Err(Error::NotInEngine { op: node.op.kind() }),
        }
    }

    fn lower_part(
        &self,
        node: &Node,
        part: &Part,
        input_to_state: &MaskedConv,
        hidden: Features,
        blob: &mut BlobWriter,
    ) -> Result<(), Error> {
        let tensor = |suffix: &str| self.model.tensor(node, &format!("{}{suffix}", part.prefix));
        let required = |suffix| tensor(suffix).ok_or(Error::NotInEngine { op: node.op.kind() });
        let input = self.narrow[&node.inputs[0]];
        let states = self.states.get(&node.output).copied().unwrap_or_default();
        let h = match self.weights {
            Weights::I8A16 => Narrow::from_range_16(-1.0, states.h.max(1e-3)),
            _ => Narrow::symmetric(states.h.max(1e-3) / 127.0),
        };
        let cell_bits = (states.c * CELL_HEADROOM).max(1e-3).log2().ceil().clamp(0.0, 12.0);
        let units = conv::sorted(hidden);
        let gates = conv::gates(&units);
        let out_step = self.wide[&node.output];

        let x = conv::pack(input_to_state, required("input_to_state.weight")?, gates.clone());
        let biases = [tensor("input_to_state.bias"), tensor("class.weight")];
        let seen = self.inputs.get(node.output - 1);
        let seen_by = |matrix: usize| seen.and_then(|inputs| inputs.get(matrix));
        let x = self.put_linear(blob, &x, biases, (input, seen_by(0)), (GATE_STEP, 0), &node.name)?;
        let state: Packed = conv::pack_state(required("state_to_state.weight")?, &units, gates);
        let state_length = state.rows.first().map_or(0, Vec::len);
        let state =
            self.put_linear(blob, &state, [None, None], (h, seen_by(part.states)), (GATE_STEP, 0), &node.name)?;

        let mut record = LstmRecord {
            kind: part.kind,
            cell_bits: cell_bits as u8,
            left_x: x.left,
            left_h: state.left,
            kernel: input_to_state.kernel[1] as u8,
            input_zero_point: input.zero_point,
            input: self.places[&Held::Narrow(node.inputs[0])],
            output: self.places[&Held::Wide(node.output)],
            inputs: input_to_state.inputs.count as u16,
            hidden: hidden.count as u16,
            to_hidden: self.factor(STATE_STEP / h.scale),
            to_output: self.factor(STATE_STEP / out_step),
            weights_x: x.weights,
            bias: x.bias,
            multipliers_x: x.multipliers,
            weights_h: state.weights,
            multipliers_h: state.multipliers,
            class_bias: x.class_bias,
            ..bytemuck::Zeroable::zeroed()
        };
        if let (Some(h), Some(c)) = (tensor("initial.h"), tensor("initial.c")) {
            record.initial = match self.weights {
                Weights::I8 | Weights::I8A16 => {
                    let cell_step = (cell_bits - 15.0).exp2();
                    let short = |real: f32, step: f64| (f64::from(real) / step).round().clamp(-32768.0, 32767.0) as i16;
                    blob.numbers(&initial(h, c, &units, |h| short(h, STATE_STEP), |c| short(c, cell_step)))
                }
                Weights::F16 | Weights::F32 => blob.numbers(&initial(h, c, &units, |h| h, |c| c)),
            };
        }
        let groups = hidden.groups;
        blob.patch(record.x_length(groups, groups - 1) + state_length);
        blob.op(record.into(), part.makes, out_step, &format!("{}{}", node.name, dotted(part.prefix)));
        Ok(())
    }
}

/// Initial states, `[rows, 2, hidden]`: `h`, then `c`.
fn initial<T>(h: &Tensor, c: &Tensor, units: &[usize], of_h: impl Fn(f32) -> T, of_c: impl Fn(f32) -> T) -> Vec<T> {
    let mut states = Vec::with_capacity(h.data.len() + c.data.len());
    for (h, c) in h.data.chunks_exact(units.len()).zip(c.data.chunks_exact(units.len())) {
        states.extend(units.iter().map(|u| of_h(h[*u])));
        states.extend(units.iter().map(|u| of_c(c[*u])));
    }
    states
}

/// `.left` for the prefix `left.`.
fn dotted(prefix: &str) -> String {
    prefix.strip_suffix('.').map(|side| format!(".{side}")).unwrap_or_default()
}
