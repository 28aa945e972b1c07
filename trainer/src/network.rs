//! Networks in Burn: an interpreter of the op list.

use crate::error::Error;
use crate::ops::{self, Context, ConvTensors, Convolution, DirectionTensors, Gated, Initial, Path, RowTensors};
use crate::parameters::{self, Parameter};
use burn::prelude::*;
use burn::tensor::{Int, activation};
use pixelrnn::network::{Activation, Conv, DiagonalBilstm, Image, InputMap, Node, Op, Output, Presence, RowLstm};
use pixelrnn_converter::Description;

/// A network: its inputs, outputs and ops.
#[derive(Clone, Debug)]
pub struct Network {
    image: Image,
    output: Output,
    input: InputMap,
    classes: usize,
    nodes: Vec<Node>,
    /// Parameters of each node.
    parameters: Vec<Vec<Parameter>>,
    /// Convolution of each node. For an LSTM, the input-to-state convolution.
    convolutions: Vec<Option<Convolution>>,
    /// For each node, true if the only node that reads it computes it; see [`Value`].
    fused: Vec<bool>,
    /// For each value, the last node that reads it.
    last_use: Vec<usize>,
    /// True if a tap reads rows below, of a value that is known before the image.
    reads_below: bool,
}

/// Value of a node.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The value itself.
    Made(Tensor<4>),
    /// `relu(x)`, left to a convolution.
    Relu(Tensor<4>),
    /// `a + b`, left to a gate.
    Sum(Box<[Tensor<4>; 2]>),
}

impl Value {
    /// The tensor.
    pub(crate) fn made(self) -> Tensor<4> {
        match self {
            Self::Made(x) => x,
            Self::Relu(x) => activation::relu(x),
            Self::Sum(both) => {
                let [a, b] = *both;
                a + b
            }
        }
    }
}

/// A network's tensors on a device, flattened, in node order.
#[derive(Clone, Debug)]
pub struct Leaves(Vec<Vec<Tensor<1>>>);

impl Leaves {
    /// Uploads all tensors of `network` to `device`. Gradients are tracked if `track`.
    pub(crate) fn new(network: &Network, values: &[Vec<f32>], device: &Device, track: bool) -> Self {
        let mut values = values.iter();
        let mut put = |_: &Parameter| {
            let values = values.next().expect("one array for each tensor of the network");
            let leaf = Tensor::from_data(TensorData::new(values.clone(), [values.len()]), device);
            if track { leaf.require_grad() } else { leaf }
        };
        Self(network.parameters.iter().map(|node| node.iter().map(&mut put).collect()).collect())
    }

    /// All tensors in one list.
    pub(crate) fn flat(&self) -> impl Iterator<Item = &Tensor<1>> {
        self.0.iter().flatten()
    }
}

impl Network {
    /// Builds the network of `description`.
    ///
    /// # Errors
    /// Fails if the description is invalid, or contains an op that cannot be trained.
    pub fn new(description: &Description) -> Result<Self, Error> {
        let Description { image, output, input, classes, .. } = *description;
        let nodes = description.nodes().map_err(|e| Error::usage(e.to_string()))?;
        if description.conditioning.is_some() {
            return Err(Error::other("a model of several scales cannot be trained"));
        }
        let mut readers = vec![0_usize; nodes.len() + 1];
        let mut last_use = vec![0; nodes.len() + 1];
        for (at, node) in nodes.iter().enumerate() {
            if matches!(node.op, Op::BatchNorm { .. }) {
                return Err(Error::other(format!(
                    "op `{}` is a batch_norm, which cannot be trained: leave it out",
                    node.name
                )));
            }
            for &value in &node.inputs[..node.op.arity()] {
                readers[value] += 1;
                last_use[value] = at;
            }
        }
        let fused = nodes.iter().map(|node| {
            let reader = (readers[node.output] == 1).then(|| &nodes[last_use[node.output]].op);
            match node.op {
                Op::Activation(Activation::Relu) => matches!(reader, Some(Op::Conv(_))),
                Op::Add { scale: 1.0 } => matches!(reader, Some(Op::Gate | Op::Glu)),
                _ => false,
            }
        });
        let fused = fused.collect();
        let reads_below = nodes.iter().any(|node| {
            let convolutions = node.op.convolutions();
            convolutions.iter().any(|(_, conv)| conv.taps().any(|(u, v)| conv.offset(u, v).0 > 0))
        });
        let parameters = parameters::list(&nodes, classes);
        let size = [image.height, image.width];
        // The directions of a Diagonal BiLSTM read the input by convolutions of one shape.
        let convolution = |node: &Node| node.op.convolutions().first().map(|(_, conv)| Convolution::new(conv, size));
        let convolutions = nodes.iter().map(convolution).collect();
        Ok(Self { image, output, input, classes, nodes, parameters, convolutions, fused, last_use, reads_below })
    }

    /// Image size and levels.
    pub fn image(&self) -> Image {
        self.image
    }

    /// Output distribution.
    pub fn output(&self) -> Output {
        self.output
    }

    /// Number of classes; 0 if unconditional.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All parameters, in op order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().flatten()
    }

    /// Op list.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// True if a row's logits depend on whether there are rows below, though never on their pixels: a convolution reads
    /// rows below of a value that is known before the image.
    pub(crate) fn reads_below(&self) -> bool {
        self.reads_below
    }

    /// Logits `[N, H, W, channels · logits]` of images `[N, H, W, channels]` of levels.
    ///
    /// Images may have fewer rows than the network's, unless [`Network::reads_below`].
    pub(crate) fn logits(
        &self,
        leaves: &Leaves,
        levels: Tensor<4>,
        labels: Option<Tensor<1, Int>>,
        path: Path,
    ) -> Tensor<4> {
        self.walk(leaves, levels, labels, path, |_, _| {})
    }

    /// Like [`Network::logits`], passing each node's value to `see`.
    pub(crate) fn walk(
        &self,
        leaves: &Leaves,
        levels: Tensor<4>,
        labels: Option<Tensor<1, Int>>,
        path: Path,
        mut see: impl FnMut(&Node, &Value),
    ) -> Tensor<4> {
        let x = levels.clone() * self.input.scale + self.input.shift;
        let context = Context { path, labels, levels };
        let mut values: Vec<Option<Value>> = vec![None; self.nodes.len() + 1];
        values[0] = Some(Value::Made(if path.is_fast() { x } else { x.permute([0, 3, 1, 2]) }));
        let mut logits = None;
        for (at, node) in self.nodes.iter().enumerate() {
            let value = |i: usize| {
                let id = node.inputs[i];
                let again = node.inputs[i + 1..node.op.arity()].contains(&id);
                let found = if self.last_use[id] == at && !again { values[id].take() } else { values[id].clone() };
                found.expect("the op list makes each value before it is read")
            };
            let y = self.apply(&context, at, &leaves.0[at], value);
            see(node, &y);
            values[node.output] = Some(y.clone());
            logits = Some(y);
        }
        let logits = logits.expect("a network has ops").made();
        if path.is_fast() { logits } else { logits.permute([0, 2, 3, 1]) }
    }

    /// Value of node `at`, from its tensors and the values that it reads.
    fn apply(
        &self,
        context: &Context,
        at: usize,
        leaves: &[Tensor<1>],
        mut value: impl FnMut(usize) -> Value,
    ) -> Value {
        let (node, path) = (&self.nodes[at], context.path);
        let mut tensors = Tensors { rest: leaves.iter().cloned(), classes: self.classes };
        let convolution = || self.convolutions[at].as_ref().expect("made for each op that convolves");
        let mut x = |i: usize| value(i).made();
        Value::Made(match &node.op {
            Op::Conv(conv) => {
                let (x, relu) = match value(0) {
                    Value::Relu(x) => (x, true),
                    other => (other.made(), false),
                };
                ops::convolve(context, x, tensors.conv(conv), convolution(), relu)
            }
            Op::Activation(Activation::Relu) if self.fused[at] => return Value::Relu(x(0)),
            Op::Activation(activation) => ops::activation(*activation, x(0)),
            Op::Add { .. } if self.fused[at] => return Value::Sum(Box::new([x(0), x(1)])),
            Op::Add { scale: 1.0 } => x(0) + x(1),
            Op::Add { scale } => x(0) * *scale + x(1),
            Op::Multiply => x(0) * x(1),
            Op::Concat => Tensor::cat(vec![x(0), x(1)], path.features()),
            Op::Slice { from } => x(0).narrow(path.features(), *from, node.features.count),
            Op::Scale { factor } => x(0) * *factor,
            Op::Gate => ops::gate(path, value(0), Gated::Tanh),
            Op::Glu => ops::gate(path, value(0), Gated::Linear),
            Op::DepthGate => {
                let (a, b) = (x(0), x(1));
                a + activation::sigmoid(x(2)) * b
            }
            Op::Shift { rows, columns } => ops::shift(path, x(0), *rows, *columns),
            Op::ClassBias => ops::class_bias(context, x(0), tensors.next([node.features.count, self.classes])),
            Op::Embed { levels } => ops::embed(context, tensors.next([*levels, node.features.count])),
            Op::Ones => ops::ones(context),
            Op::ConvTranspose(_) | Op::Condition | Op::BatchNorm { .. } => unreachable!("refused by `new`"),
            Op::RowLstm(lstm) => ops::row_lstm(context, x(0), tensors.row(lstm), lstm, convolution()),
            Op::DiagonalBilstm(lstm) => {
                let directions = [tensors.direction(lstm), tensors.direction(lstm)];
                ops::diagonal_bilstm(context, x(0), directions, lstm, convolution())
            }
        })
    }
}

/// Iterator over a node's tensors, in the order of `Node::tensors`.
struct Tensors<I> {
    rest: I,
    classes: usize,
}

impl<I: Iterator<Item = Tensor<1>>> Tensors<I> {
    fn next<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        self.rest.next().expect("as many tensors as `Node::tensors` lists").reshape(shape)
    }

    fn conv(&mut self, conv: &Conv) -> ConvTensors {
        let (inputs, outputs, [kh, kw]) = (conv.inputs.count, conv.outputs.count, conv.kernel);
        ConvTensors {
            weight: self.next([outputs, inputs, kh, kw]),
            bias: (conv.bias != Presence::Absent).then(|| self.next([outputs])),
            class: self.class(conv),
        }
    }

    fn class(&mut self, conv: &Conv) -> Option<Tensor<2>> {
        (conv.class != Presence::Absent).then(|| self.next([conv.outputs.count, self.classes]))
    }

    /// Input-to-state convolution with its class bias, and the state-to-state tensor stored after its bias.
    fn gates(&mut self, conv: &Conv, state_to_state: [usize; 4]) -> (ConvTensors, Tensor<4>) {
        let gates = self.conv(&Conv { class: Presence::Absent, ..*conv });
        let state_to_state = self.next(state_to_state);
        (ConvTensors { class: self.class(conv), ..gates }, state_to_state)
    }

    fn initial(&mut self, learned: bool, shape: [usize; 2]) -> Option<Initial> {
        learned.then(|| Initial { h: self.next(shape), c: self.next(shape) })
    }

    fn row(&mut self, lstm: &RowLstm) -> RowTensors {
        let h = lstm.hidden.count;
        let (input_to_state, state_to_state) = self.gates(&lstm.input_to_state, [4 * h, h, 1, lstm.kernel]);
        RowTensors { input_to_state, state_to_state, initial: self.initial(lstm.initial_state, [1, h]) }
    }

    fn direction(&mut self, lstm: &DiagonalBilstm) -> DirectionTensors {
        let h = lstm.hidden.count;
        let (input_to_state, state_to_state) = self.gates(&lstm.input_to_state, [4 * h, h, 2, 1]);
        let initial = self.initial(lstm.initial_state, [lstm.height, h]);
        DirectionTensors { input_to_state, state_to_state, initial }
    }
}
