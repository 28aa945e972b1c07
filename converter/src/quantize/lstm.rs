//! LSTMs: a record for a Row LSTM, two for a Diagonal BiLSTM.

use super::conv::{self, Packed};
use super::scale::{self, Narrow};
use super::write::BlobWriter;
use super::{Held, Lowering};
use crate::error::Error;
use crate::trained::Tensor;
use pixelrnn::blob::{LstmRecord, kind};
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
}

impl Lowering<'_> {
    pub(super) fn lower_lstm(&self, n: usize, to: ValueId, blob: &mut BlobWriter) -> Result<(), Error> {
        let node = &self.model.nodes()[n];
        match node.op {
            Op::RowLstm(lstm) => {
                let part = Part { kind: kind::ROW_LSTM, prefix: "", makes: to };
                self.lower_part(node, &part, &lstm.input_to_state, lstm.hidden, blob)
            }
            Op::DiagonalBilstm(lstm) => {
                let left = Part { kind: kind::DIAGONAL_LEFT, prefix: "left.", makes: 0 };
                self.lower_part(node, &left, &lstm.input_to_state, lstm.hidden, blob)?;
                let right = Part { kind: kind::DIAGONAL_RIGHT, prefix: "right.", makes: to };
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
        let states = self.states[&node.output];
        let h = Narrow { scale: states.h.max(1e-3) / 127.0, zero_point: 0, low: -128 };
        let cell_bits = (states.c * CELL_HEADROOM).max(1e-3).log2().ceil().clamp(0.0, 12.0);
        let units = conv::sorted(hidden);
        let gates = conv::gates(&units);
        let out_step = self.wide[&node.output];

        let x = conv::pack(input_to_state, required("input_to_state.weight")?, gates.clone());
        let x = conv::quantize(&x, tensor("input_to_state.bias"), tensor("class.weight"), input);
        let state: Packed = conv::pack_state(required("state_to_state.weight")?, &units, gates);
        let state_length = state.rows.first().map_or(0, Vec::len);
        let state = conv::quantize(&state, None, None, h);
        let factors = |q: &conv::Quantized| {
            let factors: Vec<f64> = q.scales.iter().map(|s| s / GATE_STEP).collect();
            scale::multipliers(&factors, q.bound).ok_or_else(|| Error::OutOfScale { op: node.name.to_string() })
        };
        let ((left_x, multipliers_x), (left_h, multipliers_h)) = (factors(&x)?, factors(&state)?);

        let mut record = LstmRecord {
            kind: part.kind,
            cell_bits: cell_bits as u8,
            left_x,
            left_h,
            kernel: input_to_state.kernel[1] as u8,
            input_zero_point: input.zero_point,
            input: self.places[&Held::Narrow(node.inputs[0])],
            output: self.places[&Held::Wide(node.output)],
            inputs: input_to_state.inputs.count as u16,
            hidden: hidden.count as u16,
            to_hidden: scale::rescale(STATE_STEP / h.scale),
            to_output: scale::rescale(STATE_STEP / out_step),
            ..bytemuck::Zeroable::zeroed()
        };
        record.weights_x = blob.weights(&x.weights);
        record.bias = blob.numbers(&x.bias);
        record.multipliers_x = blob.numbers(&multipliers_x);
        record.weights_h = blob.weights(&state.weights);
        record.multipliers_h = blob.numbers(&multipliers_h);
        record.class_bias = if x.class_bias.is_empty() { 0 } else { blob.numbers(&x.class_bias) };
        if let (Some(h), Some(c)) = (tensor("initial.h"), tensor("initial.c")) {
            record.initial = blob.shorts(&initial(h, c, &units, cell_bits));
        }
        let groups = hidden.groups;
        blob.patch(record.x_length(groups, groups - 1) + state_length);
        blob.op(record.into(), part.makes, out_step, &format!("{}{}", node.name, dotted(part.prefix)));
        Ok(())
    }
}

/// Initial states, `[rows, 2, hidden]`: `h` in steps of 2⁻¹⁵, `c` in steps of the cell.
fn initial(h: &Tensor, c: &Tensor, units: &[usize], cell_bits: f64) -> Vec<i16> {
    let cell_step = (cell_bits - 15.0).exp2();
    let short = |real: f32, step: f64| (f64::from(real) / step).round().clamp(-32768.0, 32767.0) as i16;
    let rows = h.data.chunks_exact(units.len()).zip(c.data.chunks_exact(units.len()));
    rows.flat_map(|(h, c)| {
        let h = units.iter().map(|u| short(h[*u], STATE_STEP));
        h.chain(units.iter().map(|u| short(c[*u], cell_step))).collect::<Vec<_>>()
    })
    .collect()
}

/// `.left` for the prefix `left.`.
fn dotted(prefix: &str) -> String {
    prefix.strip_suffix('.').map(|side| format!(".{side}")).unwrap_or_default()
}
