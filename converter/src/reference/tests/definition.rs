//! Second implementation of the convolution and the LSTMs: recursive, unbuffered, straight from the formulas.

use super::*;
use crate::testing::{random_model, random_tensors};
use pixelrnn::network::{ColourGroups, Preset};
use std::cell::RefCell;

struct Tensors(BTreeMap<String, Tensor>);

impl Tensors {
    fn at(&self, name: &str, index: &[usize]) -> f64 {
        let Some(tensor) = self.0.get(name) else { return 0.0 };
        assert_eq!(tensor.shape.len(), index.len(), "{name}");
        let flat = index.iter().zip(&tensor.shape).fold(0, |flat, (i, size)| flat * size + i);
        f64::from(tensor.data[flat])
    }
}

/// `x[c, i, j]`, zero outside the image.
fn padded(x: &Map, c: usize, i: isize, j: isize) -> f64 {
    let inside = (0..x.height as isize).contains(&i) && (0..x.width as isize).contains(&j);
    if inside { x.at(c, i as usize, j as usize) } else { 0.0 }
}

/// Colour group of feature `f` among `count` features in `parts` equal parts.
fn colour(f: usize, count: usize, parts: usize, contiguous: bool) -> usize {
    let part = count / parts;
    if contiguous { f % part / (part / 3) } else { f % part % 3 }
}

#[derive(Clone, Copy)]
struct Grouping {
    rgb: bool,
    contiguous: bool,
    /// 4 for the gates of an LSTM.
    parts: usize,
    /// True when the input is the image itself.
    image: bool,
}

/// Masks A and B of the definition: rows above and pixels to the left open, the centre by colour group.
fn open(
    row: isize,
    column: isize,
    a: bool,
    [from, inputs]: [usize; 2],
    [to, outputs]: [usize; 2],
    by: Grouping,
) -> bool {
    if (row, column) != (0, 0) {
        return row < 0 || (row == 0 && column < 0);
    }
    if !by.rgb {
        return !a;
    }
    let from = if by.image { from } else { colour(from, inputs, 1, by.contiguous) };
    let to = colour(to, outputs, by.parts, by.contiguous);
    if a { from < to } else { from <= to }
}

/// Masked convolution `name` at one position, without its bias.
fn conv_at(tensors: &Tensors, name: &str, x: &Map, a: bool, by: Grouping, [to, i, j]: [usize; 3]) -> f64 {
    let weight = format!("{name}weight");
    let shape = tensors.0[&weight].shape.clone();
    let mut sum = 0.0;
    for from in 0..shape[1] {
        for u in 0..shape[2] {
            for v in 0..shape[3] {
                let (row, column) = (u as isize - (shape[2] / 2) as isize, v as isize - (shape[3] / 2) as isize);
                if open(row, column, a, [from, shape[1]], [to, shape[0]], by) {
                    let x = padded(x, from, i as isize + row, j as isize + column);
                    sum += tensors.at(&weight, &[to, from, u, v]) * x;
                }
            }
        }
    }
    sum
}

/// `(h, c)` of one unit.
type State = (f64, f64);

/// One LSTM by its formulas. `side` is empty for the Row LSTM, `"left."` or `"right."` for a direction of the BiLSTM.
struct Lstm<'a> {
    tensors: &'a Tensors,
    name: String,
    side: &'a str,
    hidden: usize,
    x: &'a Map,
    by: Grouping,
    label: Option<usize>,
    /// Memoized states: the plain recursion takes exponential time.
    known: RefCell<BTreeMap<(usize, isize, isize), State>>,
}

impl Lstm<'_> {
    fn tensor(&self, suffix: &str, index: &[usize]) -> f64 {
        self.tensors.at(&format!("{}.{}{suffix}", self.name, self.side), index)
    }

    /// `(h, c)` of a unit at `(i, j)`, which may be one step outside the image.
    fn state(&self, unit: usize, i: isize, j: isize) -> State {
        let (height, width) = (self.x.height as isize, self.x.width as isize);
        if self.side.is_empty() {
            if !(0..width).contains(&j) {
                return (0.0, 0.0);
            }
            if i < 0 {
                return (self.tensor("initial.h", &[unit]), self.tensor("initial.c", &[unit]));
            }
        } else {
            if i < 0 || i >= height {
                return (0.0, 0.0);
            }
            if !(0..width).contains(&j) {
                let row = i as usize;
                return (self.tensor("initial.h", &[row, unit]), self.tensor("initial.c", &[row, unit]));
            }
        }
        if let Some(&state) = self.known.borrow().get(&(unit, i, j)) {
            return state;
        }
        let [o, f, i_gate, g] = [0, 1, 2, 3].map(|gate| self.z(gate * self.hidden + unit, i, j));
        let logistic = |x: f64| 0.5 * (1.0 + (0.5 * x).tanh());
        let before =
            if self.side.is_empty() { self.state(unit, i - 1, j).1 } else { self.state(unit, i, self.behind(j)).1 };
        let c = logistic(f) * before + logistic(i_gate) * g.tanh();
        let state = (logistic(o) * c.tanh(), c);
        self.known.borrow_mut().insert((unit, i, j), state);
        state
    }

    fn behind(&self, j: isize) -> isize {
        if self.side == "right." { j + 1 } else { j - 1 }
    }

    fn z(&self, gate: usize, i: isize, j: isize) -> f64 {
        let prefix = format!("{}.{}input_to_state.", self.name, self.side);
        let place = [gate, i as usize, j as usize];
        let mut z = conv_at(self.tensors, &prefix, self.x, false, Grouping { parts: 4, ..self.by }, place);
        z += self.tensor("input_to_state.bias", &[gate]);
        if let Some(label) = self.label {
            z += self.tensor("class.weight", &[gate, label]);
        }
        for unit in 0..self.hidden {
            if self.side.is_empty() {
                let weight = format!("{}.state_to_state.weight", self.name);
                let kernel = self.tensors.0[&weight].shape[3];
                for v in 0..kernel {
                    let column = j + v as isize - (kernel / 2) as isize;
                    z += self.tensors.at(&weight, &[gate, unit, 0, v]) * self.state(unit, i - 1, column).0;
                }
            } else {
                let above = self.state(unit, i - 1, j).0;
                let beside = self.state(unit, i, self.behind(j)).0;
                z += self.tensor("state_to_state.weight", &[gate, unit, 0, 0]) * above;
                z += self.tensor("state_to_state.weight", &[gate, unit, 1, 0]) * beside;
            }
        }
        z
    }
}

fn small(architecture: Architecture, channels: usize) -> Preset {
    let image = Image { height: 3, width: 3, channels, levels: 2 };
    // Two units in gray images, so that every gate of every unit is distinguished.
    let hidden = if channels == 1 { 2 } else { 3 };
    Preset { layers: 1, hidden, input_kernel: 3, ..preset(architecture, image) }
}

#[test]
fn convolutions_follow_the_definition() {
    for contiguous in [false, true] {
        for channels in [1, 3] {
            let colour_groups = if contiguous { ColourGroups::Contiguous } else { ColourGroups::Cyclic };
            let options = Preset { colour_groups, ..small(Architecture::PixelCnn, channels) };
            let description = Description::from(options);
            let (tensors, model) = (Tensors(random_tensors(&description, 9)), random_model(&description, 9));
            let values = Reference::new(&model).run(&Random(3).image(&options.image), None).unwrap();
            let by = Grouping { rgb: channels == 3, contiguous, parts: 1, image: false };
            // Values: 0 image, 1 input, 2 relu, 3 reduce, 4 relu, 5 conv.
            for (n, name, a, image) in
                [(1, "input.", true, true), (3, "blocks.0.reduce.", false, false), (5, "blocks.0.conv.", false, false)]
            {
                let x = &values[n - 1];
                let y = &values[n];
                for at in 0..y.data.len() {
                    let place = [at / 9, at / 3 % 3, at % 3];
                    let expected = conv_at(&tensors, name, x, a, Grouping { image, ..by }, place)
                        + tensors.at(&format!("{name}bias"), &[place[0]]);
                    close(&[y.data[at]], &[expected]);
                }
            }
        }
    }
}

#[test]
fn lstms_follow_the_definition() {
    for architecture in [Architecture::RowLstm, Architecture::DiagonalBilstm] {
        for (channels, initial_state, classes, contiguous) in
            [(1, false, 0, false), (1, true, 0, false), (1, false, 2, false), (3, true, 2, false), (3, false, 0, true)]
        {
            // Even kernels as well: their centre is off the middle.
            for kernel in [2, 3] {
                let colour_groups = if contiguous { ColourGroups::Contiguous } else { ColourGroups::Cyclic };
                let options = Preset { initial_state, classes, colour_groups, kernel, ..small(architecture, channels) };
                let description = Description::from(options);
                let (tensors, model) = (Tensors(random_tensors(&description, 9)), random_model(&description, 9));
                let label = (classes > 0).then_some(1);
                let values = Reference::new(&model).run(&Random(3).image(&options.image), label).unwrap();
                let by = Grouping { rgb: channels == 3, contiguous, parts: 1, image: false };
                let lstm = |side| Lstm {
                    tensors: &tensors,
                    name: "blocks.0".to_string(),
                    side,
                    hidden: options.hidden,
                    x: &values[1],
                    by,
                    label,
                    known: RefCell::default(),
                };
                let [row, left, right] = ["", "left.", "right."].map(lstm);
                for at in 0..values[2].data.len() {
                    let (unit, i, j) = (at / 9, (at / 3 % 3) as isize, (at % 3) as isize);
                    let expected = if architecture == Architecture::RowLstm {
                        row.state(unit, i, j).0
                    } else {
                        let lowered = if i > 0 { right.state(unit, i - 1, j).0 } else { 0.0 };
                        left.state(unit, i, j).0 + lowered
                    };
                    close(&[values[2].data[at]], &[expected]);
                }
            }
        }
    }
}

#[test]
fn classes_move_what_the_definition_says() {
    let options = Preset { classes: 2, ..small(Architecture::PixelCnn, 1) };
    let description = Description::from(options);
    let tensors = Tensors(random_tensors(&description, 9));
    let reference = Reference::new(&random_model(&description, 9));
    let image = Random(3).image(&options.image);
    let [first, second] = [0, 1].map(|label| reference.run(&image, Some(label)).unwrap());
    assert_eq!(first[2], second[2]);
    // `reduce` receives the class bias of a PixelCNN block.
    for unit in 0..2 {
        let weight = |label| tensors.at("blocks.0.reduce.class.weight", &[unit, label]);
        close(&[second[3].at(unit, 1, 2) - first[3].at(unit, 1, 2)], &[weight(1) - weight(0)]);
    }
}
