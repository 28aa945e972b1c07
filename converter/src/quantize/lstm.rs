//! LSTM lowering: one record for a Row LSTM, two for a Diagonal BiLSTM.

use super::conv::{self, Packed, TapOrder};
use super::layout::sorted;
use super::linear::{Source, Unit};
use super::scale::Narrow;
use super::schedule::Form;
use super::write::BlobWriter;
use super::{Held, Lowering};
use crate::error::Error;
use crate::reference::StateRange;
use crate::trained::Tensor;
use pixelrnn::arithmetic::Int8A16;
use pixelrnn::blob::{LstmRecord, NumberFormat, kind};
use pixelrnn::network::{Conv, Features, Node, Op, ValueId};

/// Headroom of a cell above its calibrated range. An open forget gate leaves cells within half of their range
/// unchanged.
const CELL_HEADROOM: f64 = 2.0;

/// Minimum number of 2⁻¹⁵ steps that the largest state spans.
const MIN_STEPS: f64 = 64.0;

/// Smallest accepted state range.
const MIN_STATE: f64 = MIN_STEPS * STATE_STEP;

/// Minimum number of steps, as read by matrix products, for states other than the initial ones.
const MIN_HIDDEN_STEPS: f64 = 24.0;

/// Maximum integer bits of a cell.
const MAX_CELL_BITS: f64 = 15.0;

/// Step of the pre-activations of the gates o, f and i.
const GATE_STEP: f64 = 1.0 / 2048.0;

/// Headroom of gate g above its calibrated range.
const GATE_HEADROOM: f64 = 2.0;

/// Minimum and maximum fraction bits of gate g.
const FRACTION: (f64, f64) = (7.0, 14.0);

/// Step of `h` before it is narrowed.
const STATE_STEP: f64 = 1.0 / 32768.0;

/// A Row LSTM, or one direction of a Diagonal BiLSTM.
struct Part {
    kind: u8,
    /// Prefix of the tensor names after the node's name.
    prefix: &'static str,
    /// Network value completed by this part, 0 if none.
    makes: ValueId,
    /// Index of the states in the node's [`Inputs`](super::Inputs).
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

    /// Quantization of the states read by matrix products: wide enough for initial states, fine enough for the others.
    fn hidden_form(&self, node: &Node, states: Option<&StateRange>, initial: Option<&Tensor>) -> Result<Narrow, Error> {
        let running = states.map_or(1.0, |states| states.h);
        let initial = initial.map_or(0.0, largest);
        let most = running.max(initial);
        if !self.weights.is_integer() {
            return Ok(Narrow::symmetric(1.0));
        }
        let refused = |why: String| Err(Error::OutOfScale { op: node.name.to_string(), why });
        if running > 0.0 && running < MIN_STATE {
            return refused(format!(
                "its states stay below {running:.1e}, less than {MIN_STEPS} of their 16-bit steps"
            ));
        }
        let (steps, instead) = match self.weights {
            NumberFormat::I8A16 => (f64::from(Int8A16::MAX), "--weights f16"),
            _ => (127.0, "--activations 16"),
        };
        if most * MIN_HIDDEN_STEPS > running * steps && initial > running {
            return refused(format!(
                "its initial states reach {initial:.1} and the others {running:.3}, too far apart for one range of {steps} \
                 steps: try {instead}"
            ));
        }
        Ok(match self.weights {
            NumberFormat::I8A16 => Narrow::from_range_16(most),
            _ => Narrow::symmetric(super::scale::step(most / steps)),
        })
    }

    fn lower_part(
        &self,
        node: &Node,
        part: &Part,
        input_to_state: &Conv,
        hidden: Features,
        blob: &mut BlobWriter,
    ) -> Result<(), Error> {
        let tensor = |suffix: &str| self.model.tensor(node, &format!("{}{suffix}", part.prefix));
        let required = |suffix| tensor(suffix).ok_or(Error::NotInEngine { op: node.op.kind() });
        let input = self.ranges.narrow[&node.inputs[0]];
        let states = self.states.get(&node.output).and_then(|directions| directions.get(part.states - 1));
        let initial = tensor("initial.h").zip(tensor("initial.c"));
        let h = self.hidden_form(node, states, initial.map(|(h, _)| h))?;
        let units = sorted(hidden);
        let fraction = |unit: &usize| {
            let most = states.and_then(|states| states.gates.get(*unit)).copied().unwrap_or(f64::INFINITY);
            // A gate that is always 0 is exact in any unit.
            let (least, finest) = FRACTION;
            if most > 0.0 { (10.0 - (most * GATE_HEADROOM).log2()).floor().clamp(least, finest) } else { least }
        };
        let fractions: Vec<f64> = units.iter().map(fraction).collect();
        let cell_bits = units
            .iter()
            .zip(&fractions)
            .map(|(unit, fraction)| {
                let most = states.and_then(|states| states.cells.get(*unit)).copied().unwrap_or_default();
                let bits = (most * CELL_HEADROOM).max(1.0).log2().ceil();
                if bits > MAX_CELL_BITS {
                    let why = format!("the cell of unit {unit} reaches {most:.1}, and 16-bit cells hold up to 16384");
                    return Err(Error::OutOfScale { op: node.name.to_string(), why });
                }
                Ok(bits as u8 + 16 * *fraction as u8)
            })
            .collect::<Result<Vec<u8>, Error>>()?;
        let gates = conv::gates(&units);
        let out_step = self.ranges.wide[&node.output];

        let step_of = |output: usize| {
            if output % 4 == 3 { (-5.0 - fractions[output / 4]).exp2() } else { GATE_STEP }
        };
        let unit = Unit { of: &step_of, coarsest: 0 };
        let order = TapOrder::new(input_to_state, Form::Masked);
        let inputs = &self.layouts[node.inputs[0]];
        let weight = required("input_to_state.weight")?;
        let rows = gates.iter().copied().map(Some).collect();
        let x = conv::pack(input_to_state, weight, &order, inputs, (rows, 4));
        let biases = [tensor("input_to_state.bias"), tensor("class.weight")];
        let seen = self.inputs.get(node.output - 1);
        let seen_by = |matrix: usize| seen.and_then(|inputs| inputs.get(matrix));
        let x = self.put_linear(blob, &x, biases, Source { form: input, seen: seen_by(0) }, unit, &node.name)?;
        let state: Packed = conv::pack_state(required("state_to_state.weight")?, &units, gates);
        let state_length = state.rows.first().map_or(0, Vec::len);
        let state = self.put_linear(
            blob,
            &state,
            [None, None],
            Source { form: h, seen: seen_by(part.states) },
            unit,
            &node.name,
        )?;

        let mut record = LstmRecord {
            kind: part.kind,
            left_shift_x: x.left_shift,
            left_shift_h: state.left_shift,
            kernel: input_to_state.kernel[1] as u8,
            input_zero_point: input.zero_point,
            input: self.at(Held::Narrow(node.inputs[0])),
            output: self.at(Held::Wide(node.output)),
            inputs: inputs.len() as u16,
            hidden: hidden.count as u16,
            to_hidden: self.factor(STATE_STEP / h.scale, node.output)?,
            to_output: self.factor(STATE_STEP / out_step, node.output)?,
            initial_to_hidden: self.factor(1.0, node.output)?,
            weights_x: x.weights,
            bias: x.bias,
            multipliers_x: x.multipliers,
            weights_h: state.weights,
            multipliers_h: state.multipliers,
            class_bias: x.class_bias,
            cell_bits: if self.weights.is_integer() { blob.numbers(&cell_bits) } else { 0 },
            ..bytemuck::Zeroable::zeroed()
        };
        if let Some((first_h, first_c)) = initial {
            record.initial = match self.weights {
                NumberFormat::I8 | NumberFormat::I8A16 => {
                    let step = super::scale::step(largest(first_h) / 32767.0);
                    record.initial_to_hidden = self.factor(step / h.scale, node.output)?;
                    let short = |real: f32, step: f64| (f64::from(real) / step).round().clamp(-32768.0, 32767.0) as i16;
                    let of_c = |n: usize, c: f32| short(c, (f64::from(cell_bits[n] & 15) - 15.0).exp2());
                    blob.numbers(&initial_states(first_h, first_c, &units, |h| short(h, step), of_c))
                }
                NumberFormat::F16 | NumberFormat::F32 => {
                    blob.numbers(&initial_states(first_h, first_c, &units, |h| h, |_, c| c))
                }
            };
        }
        let groups = hidden.groups;
        blob.patch(record.x_length(groups, groups - 1) + state_length);
        blob.op(record.into(), part.makes, out_step, &format!("{}{}", node.name, dotted(part.prefix)));
        Ok(())
    }
}

/// Largest magnitude in a tensor.
fn largest(tensor: &Tensor) -> f64 {
    tensor.data.iter().fold(0.0, |most, x| most.max(f64::from(x.abs())))
}

/// Initial states, `[rows, 2, hidden]`: `h`, then `c`. `of_c` also receives the unit's index.
fn initial_states<T>(
    h: &Tensor,
    c: &Tensor,
    units: &[usize],
    of_h: impl Fn(f32) -> T,
    of_c: impl Fn(usize, f32) -> T,
) -> Vec<T> {
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
