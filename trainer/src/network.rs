//! Networks in Burn: an interpreter of the op list.

use crate::error::Error;
use crate::ops::{self, Context, ConvTensors, Convolution, DirectionTensors, Initial, Path, RowTensors};
use crate::parameters::{self, Parameter};
use burn::prelude::*;
use burn::tensor::{Int, activation};
use pixelrnn::network::{Activation, DiagonalBilstm, Image, InputMap, MaskedConv, Node, Op, Output, Presence, RowLstm};
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
    /// For each node, true for a ReLU fused into the single convolution that reads it.
    fused: Vec<bool>,
    /// For each value, the last node that reads it.
    last_use: Vec<usize>,
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
        let fused = nodes
            .iter()
            .map(|node| {
                node.op == Op::Activation(Activation::Relu)
                    && readers[node.output] == 1
                    && matches!(nodes[last_use[node.output]].op, Op::Conv(_))
            })
            .collect();
        let parameters = parameters::list(&nodes, classes);
        // The directions of a Diagonal BiLSTM read the input by convolutions of one shape.
        let convolution = |node: &Node| node.op.convolutions().first().map(|(_, conv)| Convolution::new(*conv));
        let convolutions = nodes.iter().map(convolution).collect();
        Ok(Self { image, output, input, classes, nodes, parameters, convolutions, fused, last_use })
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

    /// Logits `[N, H, W, channels · logits]` of images `[N, H, W, channels]` of levels.
    ///
    /// Images may have fewer rows than the network's, since a row does not depend on the rows below.
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
        mut see: impl FnMut(&Node, &Tensor<4>),
    ) -> Tensor<4> {
        let context = Context { path, labels };
        let x = levels * self.input.scale + self.input.shift;
        let mut values: Vec<Option<Tensor<4>>> = vec![None; self.nodes.len() + 1];
        values[0] = Some(if path.is_fast() { x } else { x.permute([0, 3, 1, 2]) });
        let mut logits = None;
        for (at, node) in self.nodes.iter().enumerate() {
            let mut value = |i: usize| {
                let id = node.inputs[i];
                let again = node.inputs[i + 1..node.op.arity()].contains(&id);
                let found = if self.last_use[id] == at && !again { values[id].take() } else { values[id].clone() };
                found.expect("the op list makes each value before it is read")
            };
            let mut tensors = Tensors { rest: leaves.0[at].iter().cloned(), classes: self.classes };
            let convolution = || self.convolutions[at].as_ref().expect("made for each op that convolves");
            let y = match &node.op {
                Op::Conv(conv) => {
                    let relu = node.inputs[0] > 0 && self.fused[node.inputs[0] - 1];
                    ops::masked_conv(&context, value(0), tensors.conv(conv), convolution(), relu)
                }
                Op::Activation(_) if self.fused[at] => value(0),
                Op::Activation(activation) => ops::activation(*activation, value(0)),
                Op::Add { scale: 1.0 } => value(0) + value(1),
                Op::Add { scale } => value(0) * *scale + value(1),
                Op::DepthGate => {
                    let (a, b) = (value(0), value(1));
                    a + activation::sigmoid(value(2)) * b
                }
                Op::BatchNorm { .. } => unreachable!("refused by `new`"),
                Op::RowLstm(lstm) => ops::row_lstm(&context, value(0), tensors.row(lstm), lstm, convolution()),
                Op::DiagonalBilstm(lstm) => {
                    let directions = [tensors.direction(lstm), tensors.direction(lstm)];
                    ops::diagonal_bilstm(&context, value(0), directions, lstm, convolution())
                }
            };
            see(node, &y);
            values[node.output] = Some(y.clone());
            logits = Some(y);
        }
        let logits = logits.expect("a network has ops");
        if path.is_fast() { logits } else { logits.permute([0, 2, 3, 1]) }
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

    fn conv(&mut self, conv: &MaskedConv) -> ConvTensors {
        let (inputs, outputs, [kh, kw]) = (conv.inputs.count, conv.outputs.count, conv.kernel);
        ConvTensors {
            weight: self.next([outputs, inputs, kh, kw]),
            bias: (conv.bias != Presence::Absent).then(|| self.next([outputs])),
            class: self.class(conv),
        }
    }

    fn class(&mut self, conv: &MaskedConv) -> Option<Tensor<2>> {
        (conv.class != Presence::Absent).then(|| self.next([conv.outputs.count, self.classes]))
    }

    /// Input-to-state convolution with its class bias, and the state-to-state tensor stored after its bias.
    fn gates(&mut self, conv: &MaskedConv, state_to_state: [usize; 4]) -> (ConvTensors, Tensor<4>) {
        let gates = self.conv(&MaskedConv { class: Presence::Absent, ..*conv });
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
