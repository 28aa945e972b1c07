//! Random graphs: ops of every kind between values of every class.

use crate::models::{self, converted, tensors};
use crate::random::Random;
use pixelrnn::blob::NumberFormat;
use pixelrnn::network::{
    Activation, Architecture, Builder, Class, ColourGroups, Conv, ConvShape, Image, InputMap, Mask, NetworkError, Node,
    Output, Preset, Value,
};
use pixelrnn_converter::{Blob, Description, NetworkSpec, OpKind, OpSpec, TrainedModel};

/// A random graph, determined by its seed.
///
/// # Panics
/// Panics if the generated description is invalid, which is a bug in this function.
pub fn random(seed: u64) -> TrainedModel {
    let mut random = Random::new(seed);
    let description = description(&mut random);
    let tensors = tensors(&description, &mut random);
    TrainedModel::new(description, tensors).unwrap_or_else(|e| panic!("graph {seed}: {e}"))
}

/// Blob of [`random`], calibrated on a few random images. `None` if the converter refuses it.
///
/// # Panics
/// Panics if conversion fails for a reason that a graph cannot give.
pub fn random_blob(seed: u64, weights: NumberFormat) -> Option<(TrainedModel, Blob)> {
    converted(random(seed), seed, weights)
}

/// A gated `PixelCNN`, determined by its seed: gray or colour, with and without colour groups, classes and skips.
///
/// # Panics
/// Panics if the preset is invalid, which is a bug in this function.
pub fn gated(seed: u64) -> TrainedModel {
    let mut random = Random::new(seed);
    let channels = if seed.is_multiple_of(3) { 3 } else { 1 };
    let levels = random.choose(&[2, 4]);
    let preset = Preset {
        architecture: Architecture::GatedPixelCnn,
        image: Image { height: random.between(1, 7), width: random.between(1, 9), channels, levels },
        hidden: random.between(1, 7),
        layers: random.between(0, 4),
        input_kernel: random.choose(&[3, 5, 7]),
        kernel: random.choose(&[1, 3, 5]),
        head: random.between(1, 6),
        output: if levels == 2 { Output::Bernoulli } else { Output::Softmax },
        residual: !random.once_in(3),
        skip: false,
        depth_gate: false,
        initial_state: false,
        classes: random.choose(&[0, 3]),
        colour_groups: if random.once_in(4) { ColourGroups::None } else { ColourGroups::Cyclic },
    };
    let description = Description::from(Preset { skip: preset.layers > 0 && random.once_in(2), ..preset });
    models::of(&description, seed)
}

/// Blob of [`gated`]; see [`random_blob`].
///
/// # Panics
/// See [`random_blob`].
pub fn gated_blob(seed: u64, weights: NumberFormat) -> Option<(TrainedModel, Blob)> {
    converted(gated(seed), seed, weights)
}

struct Graph<'r, F> {
    random: &'r mut Random,
    builder: Builder<F>,
    ops: Vec<OpSpec>,
    values: Vec<(String, Value)>,
    read: Vec<bool>,
    threes: usize,
    names: usize,
}

fn description(random: &mut Random) -> Description {
    let image = Image {
        height: random.between(1, 5),
        width: random.between(1, 6),
        channels: random.choose(&[1, 1, 3]),
        levels: random.choose(&[2, 2, 4, 16]),
    };
    let output = if image.levels == 2 && random.once_in(2) { Output::Bernoulli } else { Output::Softmax };
    let groups = random.choose(&[ColourGroups::Cyclic, ColourGroups::Contiguous, ColourGroups::None]);
    let classes = random.choose(&[0, 3]);
    let threes = if image.channels == 3 { 3 } else { 1 };
    let builder = Builder::new(image, groups, classes, |_| {});
    let mut graph = Graph { random, builder, ops: Vec::new(), values: Vec::new(), read: Vec::new(), threes, names: 0 };
    for _ in 0..graph.random.between(3, 12) {
        graph.any();
    }
    graph.end(image.channels * output.logits_per_channel(image.levels), output);
    let ops = graph.ops;
    let input = if random.once_in(2) { InputMap::unit(image.levels) } else { InputMap { scale: 0.5, shift: -1.0 } };
    Description {
        image,
        output,
        input,
        classes,
        colour_groups: groups,
        network: NetworkSpec::Ops(ops),
        conditioning: None,
    }
}

impl<F: FnMut(Node)> Graph<'_, F> {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("op{}", self.names)
    }

    /// Index of a random value; `None` for the image.
    fn pick(&mut self) -> Option<usize> {
        if self.values.is_empty() || self.random.once_in(8) { None } else { Some(self.random.below(self.values.len())) }
    }

    fn value(&self, at: Option<usize>) -> Value {
        at.map_or(self.builder.image(), |at| self.values[at].1)
    }

    /// Applies an op to values if it is valid, and names what it makes.
    fn apply(
        &mut self,
        kind: OpKind,
        inputs: &[Option<usize>],
        build: impl FnOnce(&mut Builder<F>, &[Value]) -> Result<(), NetworkError>,
    ) -> Option<usize> {
        let values: Vec<Value> = inputs.iter().map(|at| self.value(*at)).collect();
        if let Some(first) = values.first() {
            self.builder.set_x(*first);
        }
        build(&mut self.builder, &values).ok()?;
        let names = inputs.iter().map(|at| at.map_or("image".to_string(), |at| self.values[at].0.clone())).collect();
        for at in inputs.iter().flatten() {
            self.read[*at] = true;
        }
        let name = format!("v{}", self.values.len());
        self.ops.push(OpSpec { kind, inputs: names, value: Some(name.clone()) });
        self.values.push((name, self.builder.x()));
        self.read.push(false);
        Some(self.values.len() - 1)
    }

    fn conv(&mut self, from: Option<usize>, shape: ConvShape) -> Option<usize> {
        let name = self.name();
        let ConvShape { mask, kernel, anchor, dilation, out, parts } = shape;
        let kind = OpKind::Conv { name: name.clone(), kernel, out, anchor: Some(anchor), dilation, mask, parts };
        self.apply(kind, &[from], |builder, _| builder.conv(&name, shape))
    }

    fn any(&mut self) {
        let (a, b) = (self.pick(), self.pick());
        let features = self.value(a).features.count;
        match self.random.below(20) {
            0..=5 => {
                let kernel = [self.random.between(1, 3), self.random.between(1, 4)];
                let any = [self.random.below(kernel[0] + 2), self.random.below(kernel[1] + 2)];
                let anchor = if self.random.once_in(2) { any } else { Conv::centre(kernel) };
                let mask = self.random.choose(&[None, None, Some(Mask::A), Some(Mask::B)]);
                let parts = self.random.choose(&[1, 1, 2]);
                let out = self.threes * parts * self.random.between(1, 3);
                let dilation = self.random.choose(&[1, 1, 2]);
                self.conv(a, ConvShape { mask, kernel, anchor, dilation, out, parts });
            }
            6 => {
                let (kind, activation) = self.random.choose(&[
                    (0, Activation::Relu),
                    (1, Activation::Tanh),
                    (2, Activation::Sigmoid),
                    (3, Activation::LeakyRelu { slope: -0.5 }),
                    (4, Activation::Elu),
                ]);
                let kinds = [
                    OpKind::Relu {},
                    OpKind::Tanh {},
                    OpKind::Sigmoid {},
                    OpKind::LeakyRelu { slope: -0.5 },
                    OpKind::Elu {},
                ];
                self.apply(kinds[kind].clone(), &[a], |builder, _| builder.activation(activation));
            }
            7 | 8 => {
                self.apply(OpKind::Gate {}, &[a], |builder, _| builder.gate());
            }
            9 => {
                self.apply(OpKind::Glu {}, &[a], |builder, _| builder.glu());
            }
            10 => {
                self.apply(OpKind::Multiply {}, &[a, b], |builder, of| builder.multiply(of[0], of[1]));
            }
            11 => {
                self.apply(OpKind::Add {}, &[a, b], Builder::add);
            }
            12 => {
                self.apply(OpKind::Concat {}, &[a, b], Builder::concat);
            }
            13 => {
                let (from, count) = (self.random.below(features), self.random.between(1, features));
                self.apply(OpKind::Slice { from, count }, &[a], |builder, _| builder.slice(from, count));
            }
            14 => {
                let factor = self.random.choose(&[0.5, -2.0]);
                self.apply(OpKind::Scale { factor }, &[a], |builder, _| builder.scale(factor));
            }
            15 => {
                let (rows, columns) = (self.random.below(2), self.random.below(2));
                self.apply(OpKind::Shift { rows, columns }, &[a], |builder, _| builder.shift(rows, columns));
            }
            16 => {
                let name = self.name();
                self.apply(OpKind::ClassBias { name: name.clone() }, &[a], |builder, _| builder.class_bias(&name));
            }
            17 => {
                let (name, out) = (self.name(), self.threes * self.random.between(1, 3));
                self.apply(OpKind::Embed { name: name.clone(), out }, &[None], |builder, _| builder.embed(&name, out));
            }
            18 => {
                self.apply(OpKind::Ones {}, &[], |builder, _| builder.ones());
            }
            _ => {
                let (name, hidden, kernel) = (self.name(), self.threes * self.random.between(1, 2), 3);
                if self.random.once_in(2) {
                    let kind =
                        OpKind::RowLstm { name: name.clone(), hidden, kernel, initial_state: false, condition: None };
                    self.apply(kind, &[a], |builder, _| builder.row_lstm(&name, hidden, kernel, false));
                } else {
                    let kind =
                        OpKind::DiagonalBilstm { name: name.clone(), hidden, initial_state: true, condition: None };
                    self.apply(kind, &[a], |builder, _| builder.diagonal_bilstm(&name, hidden, true));
                }
            }
        }
    }

    /// Brings everything that is not read yet to the logits, without what a prediction must not know.
    fn end(&mut self, logits: usize, output: Output) {
        if self.values.is_empty() {
            self.conv(None, ConvShape::masked(Mask::A, [3, 3], self.threes));
        }
        let mut parts = Vec::new();
        for at in 0..self.values.len() {
            if self.read[at] {
                continue;
            }
            let last = match self.values[at].1.class {
                Class::Row => {
                    self.apply(OpKind::Shift { rows: 1, columns: 0 }, &[Some(at)], |builder, _| builder.shift(1, 0))
                }
                Class::Itself => self.conv(Some(at), ConvShape::masked(Mask::A, [1, 3], self.threes)),
                Class::Given | Class::Above | Class::Past => Some(at),
            };
            parts.extend(last);
        }
        let mut all = parts[0];
        for part in &parts[1..] {
            let both = [Some(all), Some(*part)];
            all = self.apply(OpKind::Concat {}, &both, Builder::concat).expect("a concatenation");
        }
        let name = self.name();
        let shape = ConvShape::masked(Mask::B, [1, 1], logits);
        let kind = OpKind::MaskedConv {
            name: name.clone(),
            mask: Mask::B,
            kernel: [1, 1],
            out: logits,
            dilation: 1,
            parts: 1,
        };
        self.apply(kind, &[Some(all)], |builder, _| builder.logits(&name, shape, output)).expect("the logits");
        // Without colour groups, another op may make the logits.
        if self.builder.x().features.groups == 1 && self.values.len().is_multiple_of(3) {
            let kind = [OpKind::Scale { factor: 1.5 }, OpKind::Tanh {}][self.values.len() % 2].clone();
            self.ops.push(OpSpec { kind, inputs: Vec::new(), value: None });
        }
    }
}
