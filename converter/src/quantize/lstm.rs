//! LSTMs: a record for a Row LSTM, two for a Diagonal BiLSTM.

use super::conv::{self, Packed};
use super::scale::Narrow;
use super::write::BlobWriter;
use super::{Held, Lowering};
use crate::error::Error;
use crate::trained::Tensor;
use pixelrnn::blob::{LstmRecord, Weights, kind};
use pixelrnn::model::{Features, MaskedConv, Node, Op, ValueId};

/// Headroom of a cell above what calibration saw: an open forget gate keeps cells as they are that use half of their range.
const CELL_HEADROOM: f64 = 2.0;

/// Bits of a cell, at most.
const MAX_CELL_BITS: f64 = 15.0;

/// One step of the pre-activations of the gates o, f, i and g.
const GATE_STEPS: [f64; 4] = [1.0 / 2048.0, 1.0 / 2048.0, 1.0 / 2048.0, 1.0 / 4096.0];

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
        let states = self.states.get(&node.output).and_then(|directions| directions.get(part.states - 1));
        let most_h = states.map_or(1.0, |states| states.h).max(1e-3);
        let h = match self.weights {
            Weights::I8A16 => Narrow::from_range_16(-1.0, most_h),
            _ => Narrow::symmetric(most_h / 127.0),
        };
        let units = conv::sorted(hidden);
        let cell_bits: Vec<u8> = units
            .iter()
            .map(|unit| {
                let most = states.and_then(|states| states.cells.get(*unit)).copied().unwrap_or_default();
                (most * CELL_HEADROOM).max(1e-3).log2().ceil().clamp(0.0, MAX_CELL_BITS) as u8
            })
            .collect();
        let gates = conv::gates(&units);
        let out_step = self.wide[&node.output];

        let gate_step = |output: usize| GATE_STEPS[output % 4];
        let x = conv::pack(input_to_state, required("input_to_state.weight")?, gates.clone());
        let biases = [tensor("input_to_state.bias"), tensor("class.weight")];
        let seen = self.inputs.get(node.output - 1);
        let seen_by = |matrix: usize| seen.and_then(|inputs| inputs.get(matrix));
        let x = self.put_linear(blob, &x, biases, (input, seen_by(0)), (&gate_step, 0), &node.name)?;
        let state: Packed = conv::pack_state(required("state_to_state.weight")?, &units, gates);
        let state_length = state.rows.first().map_or(0, Vec::len);
        let state =
            self.put_linear(blob, &state, [None, None], (h, seen_by(part.states)), (&gate_step, 0), &node.name)?;

        let mut record = LstmRecord {
            kind: part.kind,
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
            initial_to_hidden: self.factor(1.0),
            weights_x: x.weights,
            bias: x.bias,
            multipliers_x: x.multipliers,
            weights_h: state.weights,
            multipliers_h: state.multipliers,
            class_bias: x.class_bias,
            cell_bits: if self.weights.is_integer() { blob.numbers(&cell_bits) } else { 0 },
            ..bytemuck::Zeroable::zeroed()
        };
        if let (Some(first_h), Some(first_c)) = (tensor("initial.h"), tensor("initial.c")) {
            record.initial = match self.weights {
                Weights::I8 | Weights::I8A16 => {
                    let most = first_h.data.iter().fold(0f64, |most, x| most.max(f64::from(x.abs())));
                    let step = if most > 0.0 { most / 32767.0 } else { STATE_STEP };
                    record.initial_to_hidden = self.factor(step / h.scale);
                    let short = |real: f32, step: f64| (f64::from(real) / step).round().clamp(-32768.0, 32767.0) as i16;
                    let of_c = |n: usize, c: f32| short(c, (f64::from(cell_bits[n]) - 15.0).exp2());
                    blob.numbers(&initial(first_h, first_c, &units, |h| short(h, step), of_c))
                }
                Weights::F16 | Weights::F32 => blob.numbers(&initial(first_h, first_c, &units, |h| h, |_, c| c)),
            };
        }
        let groups = hidden.groups;
        blob.patch(record.x_length(groups, groups - 1) + state_length);
        blob.op(record.into(), part.makes, out_step, &format!("{}{}", node.name, dotted(part.prefix)));
        Ok(())
    }
}

/// Initial states, `[rows, 2, hidden]`: `h`, then `c`; `of_c` is told the unit's place as well.
fn initial<T>(h: &Tensor, c: &Tensor, units: &[usize], of_h: impl Fn(f32) -> T, of_c: impl Fn(usize, f32) -> T) -> Vec<T> {
    let mut states = Vec::with_capacity(h.data.len() + c.data.len());
    for (h, c) in h.data.chunks_exact(units.len()).zip(c.data.chunks_exact(units.len())) {
        states.extend(units.iter().map(|u| of_h(h[*u])));
        states.extend(units.iter().enumerate().map(|(n, u)| of_c(n, c[*u])));
    }
    states
}

/// `.left` for the prefix `left.`.
fn dotted(prefix: &str) -> String {
    prefix.strip_suffix('.').map(|side| format!(".{side}")).unwrap_or_default()
}
