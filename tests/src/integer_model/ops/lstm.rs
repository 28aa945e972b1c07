//! Kinds 7, 8 and 9: Row LSTM and the two directions of the Diagonal BiLSTM.

use super::super::bytes::{biases, i8_at, i16_at, i32_list, offset_at, u8_at, u16_at};
use super::super::gates::{cell, pre_activation};
use super::super::header::{Activations, Header};
use super::super::numbers::{Rescale, requantize, sat16, wrap32};
use super::{Image, Op};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Row,
    Left,
    Right,
}

/// `H` and `C` of a pixel, one number per unit.
#[derive(Clone, Debug)]
struct State {
    h: Vec<i16>,
    c: Vec<i16>,
    /// True for an initial state, whose `H` has its own scale.
    initial: bool,
}

/// An LSTM layer with its weights.
#[derive(Debug)]
pub struct Lstm {
    op: usize,
    kind: Kind,
    /// `b` of each unit.
    cell_bits: Vec<u8>,
    left_shift_x: u8,
    left_shift_h: u8,
    kernel: usize,
    input_zero_point: i8,
    input: usize,
    output: usize,
    inputs: usize,
    hidden: usize,
    to_hidden: Rescale,
    to_output: Rescale,
    initial_to_hidden: Rescale,
    /// `weights_x[4u + q][n]`.
    weights_x: Vec<Vec<i8>>,
    bias: Vec<i32>,
    multipliers_x: Vec<i32>,
    /// `weights_h[4u + q][n]`.
    weights_h: Vec<Vec<i8>>,
    multipliers_h: Vec<i32>,
    /// `class_bias[label][4u + q]`.
    class_bias: Option<Vec<Vec<i32>>>,
    /// Initial states: one per row, or a single one for a Row LSTM.
    initial: Vec<State>,
}

impl Lstm {
    /// Parses record `op` and the data it points to.
    pub fn parse(blob: &[u8], op: usize, header: &Header) -> Self {
        let record = header.record(blob, op);
        let hidden = usize::from(u16_at(record, 18));
        let gates = |at: usize| i32_list(blob, offset_at(record, at), 4 * hidden);
        let kind = match u8_at(record, 0) {
            7 => Kind::Row,
            8 => Kind::Left,
            _ => Kind::Right,
        };
        let mut lstm = Self {
            op,
            kind,
            cell_bits: (0..hidden).map(|u| u8_at(blob, offset_at(record, 56) + u)).collect(),
            left_shift_x: u8_at(record, 2),
            left_shift_h: u8_at(record, 3),
            kernel: u8_at(record, 4).into(),
            input_zero_point: i8_at(record, 5),
            input: offset_at(record, 8),
            output: offset_at(record, 12),
            inputs: u16_at(record, 16).into(),
            hidden,
            to_hidden: Rescale::parse(record, 20),
            to_output: Rescale::parse(record, 24),
            initial_to_hidden: Rescale::parse(record, 60),
            weights_x: Vec::new(),
            bias: biases(blob, offset_at(record, 32), 4 * hidden),
            multipliers_x: gates(36),
            weights_h: Vec::new(),
            multipliers_h: gates(44),
            class_bias: None,
            initial: Vec::new(),
        };
        let mut x = offset_at(record, 28);
        for g in 0..header.groups {
            let count = 4 * (header.start(hidden, g + 1) - header.start(hidden, g));
            let length = lstm.x_length(header, g);
            lstm.weights_x.extend(header.matrix(blob, x, count, length));
            x += count * header.row(length);
        }
        lstm.weights_h = header.matrix(blob, offset_at(record, 40), 4 * hidden, lstm.h_length());
        let class_bias = offset_at(record, 48);
        if class_bias != 0 {
            let of = |k: usize| i32_list(blob, class_bias + 16 * k * hidden, 4 * hidden);
            lstm.class_bias = Some((0..header.classes).map(of).collect());
        }
        let rows = if kind == Kind::Row { 1 } else { header.height };
        lstm.initial = match offset_at(record, 52) {
            0 => vec![lstm.zero(); rows],
            at => {
                let of = |at: usize| (0..hidden).map(|u| i16_at(blob, at + 2 * u)).collect();
                (0..rows)
                    .map(|row| at + 4 * row * hidden)
                    .map(|at| State { h: of(at), c: of(at + 2 * hidden), initial: true })
                    .collect()
            }
        };
        lstm
    }

    /// `nx(g)`.
    fn x_length(&self, header: &Header, g: usize) -> usize {
        self.kernel / 2 * self.inputs + header.start(self.inputs, g + 1)
    }

    /// `nh`.
    fn h_length(&self) -> usize {
        if self.kind == Kind::Row { self.kernel * self.hidden } else { 2 * self.hidden }
    }

    fn zero(&self) -> State {
        State { h: vec![0; self.hidden], c: vec![0; self.hidden], initial: false }
    }

    /// `N` of a state.
    fn narrow(&self, state: &State, Activations { min, max, .. }: Activations) -> Vec<i16> {
        let to_hidden = if state.initial { self.initial_to_hidden } else { self.to_hidden };
        state.h.iter().map(|h| to_hidden.apply((*h).into()).clamp(min, max) as i16).collect()
    }

    /// im2col input of the product with x for the last group. Other groups use prefixes of it.
    fn gather_x(&self, image: &Image<'_>, row: usize, column: usize) -> Vec<i16> {
        let mut gathered = Vec::new();
        for v in 0..=self.kernel / 2 {
            let at = (column + v).checked_sub(self.kernel / 2);
            for c in 0..self.inputs {
                gathered.push(match at {
                    Some(j) => image.registers.narrow(row * image.header.width + j, self.input, c),
                    None => image.header.activations.zero_point(self.input_zero_point),
                });
            }
        }
        gathered
    }

    /// State of a pixel where the op has run: `H`, then `C`.
    fn state(&self, image: &Image<'_>, row: usize, column: usize) -> State {
        let kept = &image.kept[self.op][row * image.header.width + column];
        let (h, c) = kept.split_at(self.hidden);
        State { h: h.to_vec(), c: c.to_vec(), initial: false }
    }

    /// States read by the product with h, in order, and the state with the previous cell.
    fn before(&self, image: &Image<'_>, row: usize, column: usize) -> (Vec<State>, State) {
        let width = image.header.width;
        let above = |j: usize| row.checked_sub(1).map(|i| self.state(image, i, j));
        match self.kind {
            Kind::Row => {
                let at = |v: usize| match (column + v).checked_sub(self.kernel / 2) {
                    Some(j) if j < width => above(j).unwrap_or_else(|| self.initial[0].clone()),
                    _ => self.zero(),
                };
                ((0..self.kernel).map(at).collect(), at(self.kernel / 2))
            }
            Kind::Left | Kind::Right => {
                let beside = if self.kind == Kind::Left { column.checked_sub(1) } else { Some(column + 1) };
                let beside = match beside {
                    Some(j) if j < width => self.state(image, row, j),
                    _ => self.initial[row].clone(),
                };
                (vec![above(column).unwrap_or_else(|| self.zero()), beside.clone()], beside)
            }
        }
    }

    /// New state from its inputs.
    fn step(&self, x: &[i16], h: &[i16], cells: &[i16], label: Option<usize>) -> State {
        let dot = |weights: &[i8], input: &[i16]| -> i64 {
            // `zip` truncates the input to the group's prefix.
            weights.iter().zip(input).map(|(w, x)| i64::from(*w) * i64::from(*x)).sum()
        };
        let mut state = self.zero();
        for (u, before) in cells.iter().enumerate() {
            let z = |q: usize| {
                let n = 4 * u + q;
                let class = match (&self.class_bias, label) {
                    (Some(class_bias), Some(label)) => class_bias[label][n].into(),
                    _ => 0,
                };
                let sx = wrap32(i64::from(self.bias[n]) + class + dot(&self.weights_x[n], x));
                let sh = wrap32(dot(&self.weights_h[n], h));
                let x = requantize(sx, self.left_shift_x, self.multipliers_x[n]);
                pre_activation(x, requantize(sh, self.left_shift_h, self.multipliers_h[n]))
            };
            (state.h[u], state.c[u]) = cell([0, 1, 2, 3].map(z), *before, self.cell_bits[u].into());
        }
        state
    }
}

impl Op for Lstm {
    fn row(&self, image: &mut Image<'_>, row: usize) {
        let width = image.header.width;
        for n in 0..width {
            let column = if self.kind == Kind::Right { width - 1 - n } else { n };
            let (read, cell) = self.before(image, row, column);
            let h: Vec<i16> = read.iter().flat_map(|state| self.narrow(state, image.header.activations)).collect();
            let State { h, c, .. } = self.step(&self.gather_x(image, row, column), &h, &cell.c, image.label);
            image.kept[self.op][row * width + column] = [h, c].concat();
        }
        for column in 0..width {
            let pixel = row * width + column;
            for u in 0..self.hidden {
                let rescaled = |row: usize| self.to_output.apply(self.state(image, row, column).h[u].into());
                let value = match (self.kind, row) {
                    (Kind::Right, 0) => continue,
                    (Kind::Right, _) => i64::from(image.registers.wide(pixel, self.output, u)) + rescaled(row - 1),
                    _ => rescaled(row),
                };
                image.registers.set_wide(pixel, self.output, u, sat16(value));
            }
        }
    }

    fn state_bytes(&self, header: &Header) -> usize {
        let (w, k, c, h) = (header.width, self.kernel, self.inputs, self.hidden);
        let a = header.activations.bytes;
        let parts = match self.kind {
            Kind::Row => [if k > 1 { a * (k / 2 + 1) * c } else { 0 }, a * (w + k / 2 + 1) * h, 2 * (w + 1) * h],
            Kind::Left => [0, a * (w + 1) * h, 4 * h],
            Kind::Right => [a * w * c, 2 * (w + 1) * h, 4 * h],
        };
        parts.iter().map(|bytes| bytes.next_multiple_of(4)).sum()
    }

    fn im2col_bytes(&self, header: &Header) -> usize {
        (header.row(self.x_length(header, header.groups - 1)) + header.row(self.h_length())) * header.activations.bytes
    }
}
