//! The walk over the graph: constants are evaluated, all else becomes expressions.

use super::constant::{self, Constant};
use super::error::OnnxError;
use super::fold;
use super::input;
use super::maps::{Atom, Expression, Held, Id, Kind};
use super::node::Node;
use super::proto;
use super::{Options, layers, moves, pointwise, shapes};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// Most elements of all constants that nodes make.
const BUDGET: usize = 1 << 26;

/// Most nodes of a graph.
const MAX_NODES: usize = 100_000;

/// Tensor of the graph.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Constant(Constant),
    Map(Held),
    /// The label, one integer.
    Label,
    /// One tensor for each class, in the place of the batch.
    Table(Constant),
}

/// State of the walk.
#[derive(Debug)]
pub(super) struct Walk<'g> {
    pub(super) expressions: Vec<Expression>,
    values: HashMap<&'g str, Known>,
    /// Elements of constants made so far.
    made: usize,
    pub(super) batch: usize,
    /// Number of classes, once a label is used.
    pub(super) classes: usize,
    /// Names of tensors by the name that a node gives to what it makes of them.
    names: HashMap<&'g str, &'g str>,
}

/// What the walk finds: expressions, the output, and the nodes by index.
pub(super) struct Walked<'g> {
    pub(super) expressions: Vec<Expression>,
    pub(super) output: Held,
    pub(super) output_name: &'g str,
    pub(super) nodes: Vec<Node<'g>>,
    pub(super) input: input::Found<'g>,
    pub(super) classes: usize,
}

/// Walks the graph from its input to its output.
pub(super) fn walk<'g>(
    model: &'g proto::Model,
    folder: Option<&Path>,
    options: &Options,
) -> Result<Walked<'g>, OnnxError> {
    let Some(graph) = &model.graph else { return Err(OnnxError::Protobuf("it holds no graph".into())) };
    if graph.nodes.len() > MAX_NODES {
        return Err(OnnxError::Graph(format!("{} nodes, expected at most {MAX_NODES}", graph.nodes.len())));
    }
    let default = model.opsets.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    let opset = default.map_or(1, |set| set.version);
    let nodes: Vec<Node<'g>> =
        graph.nodes.iter().enumerate().map(|(index, proto)| Node { proto, index, opset }).collect();
    let Some(output) = graph.outputs.first() else { return Err(OnnxError::Graph("the graph has no output".into())) };
    let (needed, read) = needed(&nodes, &output.name);
    let input = input::find(graph, &read, options)?;
    let mut walk = Walk {
        expressions: Vec::new(),
        values: HashMap::new(),
        made: 0,
        batch: input.batch,
        classes: 0,
        names: HashMap::new(),
    };
    for tensor in graph.initializers.iter().filter(|tensor| read.contains_key(tensor.name.as_str())) {
        walk.values.insert(&tensor.name, Known::Constant(constant::read(tensor, folder)?));
        walk.names.insert(&tensor.name, &tensor.name);
    }
    input.enter(&mut walk);
    for node in nodes.iter().filter(|node| needed[node.index]) {
        walk.node(node, &read)?;
    }
    let refused = |what: &str| OnnxError::End { end: "output", name: output.name.clone(), what: what.into() };
    let made = match walk.values.remove(output.name.as_str()) {
        Some(Known::Map(held)) => held,
        Some(_) => return Err(refused("it does not depend on the image")),
        None => return Err(refused("no node makes it")),
    };
    let (classes, expressions) = (walk.classes, walk.expressions);
    Ok(Walked { expressions, output: made, output_name: &output.name, nodes, input, classes })
}

/// Nodes that the output needs, and the tensors that they read with the number of readers.
fn needed<'g>(nodes: &[Node<'g>], output: &'g str) -> (Vec<bool>, HashMap<&'g str, usize>) {
    let mut needed = vec![false; nodes.len()];
    let mut read: HashMap<&str, usize> = HashMap::from([(output, 1)]);
    for node in nodes.iter().rev() {
        if node.proto.outputs.iter().any(|name| read.contains_key(name.as_str())) {
            needed[node.index] = true;
            for name in node.proto.inputs.iter().filter(|name| !name.is_empty()) {
                *read.entry(name).or_default() += 1;
            }
        }
    }
    (needed, read)
}

impl<'g> Walk<'g> {
    pub(super) fn set(&mut self, name: &'g str, value: Known) {
        self.values.insert(name, value);
    }

    fn node(&mut self, node: &Node<'g>, read: &HashMap<&'g str, usize>) -> Result<(), OnnxError> {
        if !matches!(node.proto.domain.as_str(), "" | "ai.onnx") {
            return Err(node.refused(format!(
                "operator of `{}`, expected those of ONNX alone: export with the functions inlined (`onnx.inliner`)",
                node.proto.domain
            )));
        }
        let mut inputs = Vec::with_capacity(node.proto.inputs.len());
        for name in &node.proto.inputs {
            inputs.push(match (name.as_str(), self.values.get(name.as_str())) {
                ("", _) => None,
                (_, Some(known)) => Some(known.clone()),
                (name, None) => return Err(node.refused(format!("no node before it makes its input `{name}`"))),
            });
        }
        let made = self.evaluate(node, &inputs)?;
        if let ([Known::Constant(_)], [to]) = (made.as_slice(), node.proto.outputs.as_slice()) {
            // A mask that is multiplied in, or a transpose, leaves the tensor its name.
            let mut names = node.proto.inputs.iter().filter_map(|name| self.names.get(name.as_str()).copied());
            let first = names.next();
            if let Some(name) = first.filter(|name| !name.ends_with("mask")).or(names.next()).or(first) {
                self.names.insert(to, name);
            }
        }
        for (name, value) in node.proto.outputs.iter().zip(made) {
            if let Known::Map(held) = &value {
                self.expressions[held.id].readers += read.get(name.as_str()).copied().unwrap_or(0);
            }
            self.values.insert(name, value);
        }
        Ok(())
    }

    fn evaluate(&mut self, node: &Node<'g>, inputs: &[Option<Known>]) -> Result<Vec<Known>, OnnxError> {
        if node.op() == "Constant" {
            return Ok(vec![Known::Constant(node.constant()?)]);
        }
        let mut constants = Vec::with_capacity(inputs.len());
        let (mut maps, mut labels) = (false, false);
        for input in inputs {
            constants.push(match input {
                Some(Known::Constant(constant)) => Some(constant.clone()),
                Some(Known::Map(_)) => {
                    maps = true;
                    None
                }
                Some(Known::Label | Known::Table(_)) => {
                    labels = true;
                    None
                }
                None => None,
            });
        }
        if maps {
            return self.map(node, inputs, &constants);
        }
        if labels {
            return super::label::evaluate(self, node, inputs, &constants);
        }
        let folded = fold::evaluate(node, &constants).map_err(|what| node.refused(what))?;
        let made = folded.ok_or_else(|| node.refused(unknown(node.op())))?;
        self.spend(node, made.iter().map(Constant::len).sum())?;
        Ok(made.into_iter().map(Known::Constant).collect())
    }

    /// Counts elements of constants.
    pub(super) fn spend(&mut self, node: &Node<'_>, elements: usize) -> Result<(), OnnxError> {
        self.made = self.made.saturating_add(elements);
        if self.made > BUDGET {
            return Err(node.refused(format!("the constants of the graph have more than {BUDGET} elements")));
        }
        Ok(())
    }

    /// A node that reads a map.
    fn map(
        &mut self,
        node: &Node<'g>,
        inputs: &[Option<Known>],
        constants: &[Option<Constant>],
    ) -> Result<Vec<Known>, OnnxError> {
        match node.op() {
            "Conv" | "ConvTranspose" | "MatMul" | "Gemm" | "BatchNormalization" => {
                Ok(vec![Known::Map(layers::layer(self, node, inputs, constants)?)])
            }
            "Shape" | "Size" | "Identity" | "Dropout" | "Cast" | "CastLike" | "Reshape" | "Flatten" | "Squeeze"
            | "Unsqueeze" | "Transpose" | "Slice" | "Split" | "Gather" | "Pad" | "Concat" | "Expand" => {
                moves::moved(self, node, inputs, constants)
            }
            _ => match pointwise::pointwise(self, node, inputs, constants)? {
                Some(held) => Ok(vec![Known::Map(held)]),
                None if pools(node, inputs, constants) => Err(OnnxError::Leak {
                    node: node.label(),
                    knows: "all pixels, later ones as well".into(),
                    mend: "leave it out: nothing may be taken over rows or columns".into(),
                }),
                None => Err(node.refused(unknown(node.op()))),
            },
        }
    }

    /// The map among `inputs` at `n`.
    pub(super) fn held<'a>(node: &Node<'_>, inputs: &'a [Option<Known>], n: usize) -> Result<&'a Held, OnnxError> {
        match inputs.get(n).and_then(Option::as_ref) {
            Some(Known::Map(held)) => Ok(held),
            Some(_) => Err(node.refused(format!("its input {n} is a constant, expected what is made of the image"))),
            None => Err(node.refused(format!("its input {n} is missing"))),
        }
    }

    /// Name of the tensor that `name` was made of.
    pub(super) fn origin(&self, name: &str) -> String {
        self.names.get(name).map_or_else(String::new, |name| (*name).to_string())
    }

    pub(super) fn expression(&self, id: Id) -> &Expression {
        &self.expressions[id]
    }

    /// Adds an expression that is as large as `size` and may be other than 0 in `support`.
    pub(super) fn push(
        &mut self,
        node: Option<&Node<'_>>,
        kind: Kind,
        features: usize,
        (size, support): ([usize; 2], [Range<usize>; 2]),
    ) -> Id {
        let node = node.map(|node| node.index);
        self.expressions.push(Expression { kind, features, size, support, node, readers: 0 });
        self.expressions.len() - 1
    }

    /// Adds an expression of one map that is as large as this one; `keeps` tells that it makes 0 of 0.
    pub(super) fn push_like(&mut self, node: &Node<'_>, kind: Kind, like: Id, features: usize, keeps: bool) -> Id {
        let Expression { size, support, .. } = self.expression(like).clone();
        let support = if keeps { support } else { size.map(|side| 0..side) };
        self.push(Some(node), kind, features, (size, support))
    }
}

impl Kind {
    /// Expressions that it reads.
    pub(super) fn reads(&self) -> Vec<Id> {
        match self {
            Self::Image { .. } | Self::Embed { .. } | Self::Uniform(_) => Vec::new(),
            Self::Conv { x, .. }
            | Self::Function { x, .. }
            | Self::Affine { x, .. }
            | Self::Norm { x, .. }
            | Self::Slice { x, .. }
            | Self::Pad { x, .. }
            | Self::Crop { x, .. }
            | Self::ClassBias { x, .. }
            | Self::Softmax { x, .. } => vec![*x],
            Self::Add(a, b) | Self::Multiply(a, b) => vec![*a, *b],
            Self::Concat(all) => all.clone(),
        }
    }
}

/// True if a node takes the pixels of a map together.
fn pools(node: &Node<'_>, inputs: &[Option<Known>], constants: &[Option<Constant>]) -> bool {
    let op = node.op();
    if matches!(op, "GlobalAveragePool" | "GlobalMaxPool" | "InstanceNormalization" | "GroupNormalization") {
        return true;
    }
    let Some(Some(Known::Map(held))) = inputs.first() else { return false };
    let pixels = |axis: &Vec<Atom>| axis.iter().any(|atom| matches!(atom, Atom::Row(_) | Atom::Column(_)));
    let given = constants.get(1).and_then(Option::as_ref).and_then(Constant::as_ints).or_else(|| node.ints("axes"));
    let axes = given.map_or_else(|| (0..held.axes.len() as i64).collect(), <[i64]>::to_vec);
    let taken = |n: &i64| shapes::axis(*n, held.axes.len()).is_ok_and(|n| pixels(&held.axes[n]));
    op.starts_with("Reduce") && axes.iter().any(taken)
}

/// Sentence for an operator without counterpart.
fn unknown(op: &str) -> String {
    let help = match op {
        "LSTM" | "GRU" | "RNN" | "Loop" | "Scan" => {
            "a recurrent layer runs in an order that the graph does not tell: give the checkpoint with a description that has `row_lstm` or `diagonal_bilstm`"
        }
        "If" => "a choice at run time has no counterpart: export the branch that is used alone",
        "LayerNormalization" | "LpNormalization" | "MeanVarianceNormalization" => {
            "it normalizes with what it reads: train with BatchNormalization, or without"
        }
        "MaxPool" | "AveragePool" | "Resize" | "Upsample" | "DepthToSpace" | "SpaceToDepth" => {
            "maps keep the image's size here"
        }
        "Gelu" | "Erf" | "HardSwish" | "HardSigmoid" | "Softplus" | "Selu" | "Celu" | "Mish" | "Swish" | "Exp"
        | "Sqrt" | "Pow" | "Abs" | "Softsign" => {
            "activation functions are Relu, Elu, LeakyRelu, Tanh and Sigmoid: train with one of these"
        }
        "QuantizeLinear" | "DequantizeLinear" | "QLinearConv" | "ConvInteger" => {
            "export the float model: `pixelrnn convert` quantizes it"
        }
        "Attention" | "MultiHeadAttention" | "Einsum" => "attention has no counterpart",
        _ => "this operator has no counterpart among the ops of a network",
    };
    format!("it cannot be imported: {help}")
}
