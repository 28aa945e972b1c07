//! Expansion of a list of ops to nodes: the values that ops read and make, by name.

use super::Description;
use super::causality;
use super::ops::{OpKind, OpSpec};
use crate::error::Error;
use pixelrnn::network::{Activation, Builder, Class, Conv, ConvShape, Image, NetworkError, Node, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Names that values of a list cannot have.
const RESERVED: [&str; 2] = ["image", "condition"];

/// Nodes of a network, and their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// Name of each node's op in messages; its position and kind, if it has none.
    pub(super) labels: Vec<String>,
    /// Name of each node's op, or of its value; empty if it has none.
    pub(super) names: Vec<String>,
    /// Values that a `skip` makes.
    pub(super) skips: BTreeSet<usize>,
}

impl Graph {
    /// Class of a value.
    pub(super) fn class(&self, value: usize) -> Class {
        value.checked_sub(1).and_then(|n| self.nodes.get(n)).map_or(Class::Itself, |node| node.class)
    }

    /// Label of the op that makes a value; `image` for the image.
    pub(super) fn label(&self, value: usize) -> &str {
        value.checked_sub(1).and_then(|n| self.labels.get(n)).map_or("image", String::as_str)
    }
}

/// Expands `list` to nodes, with a conditioning map of `features` features; 0: without one.
pub(super) fn expand(description: &Description, list: &[OpSpec], features: usize) -> Result<Graph, Error> {
    if list.is_empty() {
        return Err(NetworkError::Empty.into());
    }
    let graph = RefCell::new(Graph::default());
    let emit = |node| graph.borrow_mut().nodes.push(node);
    let builder = Builder::new(description.image, description.colour_groups, description.classes, emit);
    let mut reader = Reader::new(&graph, builder.conditioned(features), false);
    reader.list(list, description)?;
    let Reader { builder, .. } = reader;
    builder.finish()?;
    Ok(graph.into_inner())
}

/// Expands the `upsample` of the scale after the one of `image` to nodes.
pub(super) fn expand_upsampling(image: Image, list: &[OpSpec]) -> Result<Graph, Error> {
    let empty = || Error::Upsample("`upsample` has no ops, and the map has the size of the larger image");
    let graph = RefCell::new(Graph::default());
    let builder = Builder::upsampling(image, |node| graph.borrow_mut().nodes.push(node));
    let mut reader = Reader::new(&graph, builder, true);
    for (n, op) in list.iter().enumerate() {
        reader.op(op, &format!("upsample[{n}]"))?;
    }
    let x = reader.builder.x().id;
    if x == 0 || x != graph.borrow().nodes.len() {
        return Err(empty());
    }
    let Reader { builder, .. } = reader;
    builder.finish()?;
    let graph = graph.into_inner();
    causality::check_read(&graph)?;
    Ok(graph)
}

struct Reader<'d, F> {
    /// True for the list that makes a conditioning map.
    upsamples: bool,
    graph: &'d RefCell<Graph>,
    builder: Builder<F>,
    /// Values by the names that are seen here.
    values: BTreeMap<String, Value>,
    /// All names so far, those of residual branches too.
    names: BTreeSet<String>,
}

impl<'d, F: FnMut(Node)> Reader<'d, F> {
    fn new(graph: &'d RefCell<Graph>, builder: Builder<F>, upsamples: bool) -> Self {
        Self { upsamples, graph, builder, values: BTreeMap::new(), names: BTreeSet::new() }
    }

    fn list(&mut self, list: &[OpSpec], description: &Description) -> Result<(), Error> {
        // `batch_norm` may follow the op that makes the logits.
        let last = list.iter().rposition(|op| !matches!(op.kind, OpKind::BatchNorm { .. }));
        for (n, op) in list.iter().enumerate() {
            let at = format!("ops[{n}]");
            if Some(n) == last {
                self.last(op, &at, description)?;
            } else {
                self.op(op, &at)?;
            }
        }
        let (x, expected) = (self.builder.x(), description.logits());
        // An op that makes no value of its own cannot be the last.
        let made = self.graph.borrow().nodes.len();
        if let Some(op) = list.last().filter(|_| x.id != made || last.is_none()) {
            return Err(Error::LastOp { got: op.kind.shown() });
        }
        if x.features.count != expected {
            let name = list.last().map_or_else(String::new, |op| op.label(&format!("ops[{}]", list.len() - 1)));
            return Err(Error::Logits { name, got: x.features.count, expected });
        }
        Ok(())
    }

    /// The op that makes the logits. In a model with colour groups it is a convolution, whose outputs are channel-major.
    fn last(&mut self, op: &OpSpec, at: &str, description: &Description) -> Result<(), Error> {
        let Some((name, shape)) = op.kind.conv() else {
            if self.builder.image().features.groups > 1 {
                return Err(Error::LastOp { got: op.kind.shown() });
            }
            return self.op(op, at);
        };
        self.begin(op, at)?;
        let expected = description.logits();
        if shape.out != expected {
            return Err(Error::Logits { name: name.into(), got: shape.out, expected });
        }
        self.builder.logits(name, shape, description.output).map_err(|source| self.refused(op, at, source))?;
        self.end(op, at)
    }

    fn op(&mut self, op: &OpSpec, at: &str) -> Result<(), Error> {
        if self.upsamples {
            check_upsampling(op, at)?;
        }
        let latest = self.builder.x();
        let inputs = self.begin(op, at)?;
        let condition = self.condition(op, at)?;
        let builder = &mut self.builder;
        let done = match &op.kind {
            OpKind::Conv { .. } | OpKind::MaskedConv { .. } => match op.kind.conv() {
                Some((name, shape)) => builder.conv(name, shape),
                None => Ok(()),
            },
            OpKind::Relu {} => builder.activation(Activation::Relu),
            OpKind::Elu {} => builder.activation(Activation::Elu),
            OpKind::LeakyRelu { slope } => builder.activation(Activation::LeakyRelu { slope: *slope }),
            OpKind::Tanh {} => builder.activation(Activation::Tanh),
            OpKind::Sigmoid {} => builder.activation(Activation::Sigmoid),
            OpKind::BatchNorm { name, eps } => builder.batch_norm(name, *eps),
            OpKind::ConvTranspose { name, kernel, stride, out } => {
                builder.conv_transpose(name, [kernel[0], *stride, *out])
            }
            OpKind::RowLstm { name, hidden, kernel, initial_state, condition: _ } => {
                builder.conditioned_row_lstm(name, [*hidden, *kernel], *initial_state, condition)
            }
            OpKind::DiagonalBilstm { name, hidden, initial_state, condition: _ } => {
                builder.conditioned_diagonal_bilstm(name, *hidden, *initial_state, condition)
            }
            OpKind::Residual { ops, scale } => {
                builder.begin_residual().map_err(|source| self.refused(op, at, source))?;
                let outside = self.values.clone();
                for (n, inner) in ops.iter().enumerate() {
                    self.op(inner, &format!("{at}.ops[{n}]"))?;
                }
                self.values = outside;
                self.builder.end_residual(*scale)
            }
            OpKind::Skip { name } => {
                let done = builder.skip(name);
                builder.set_x(latest);
                done
            }
            OpKind::SkipSum {} => builder.skip_sum(),
            OpKind::Shift { rows, columns } => builder.shift(*rows, *columns),
            OpKind::Add {} => builder.add(&inputs),
            OpKind::Multiply {} => match inputs.as_slice() {
                [a, b] => builder.multiply(*a, *b),
                other => Err(NetworkError::Inputs { got: other.len(), expected: "2" }),
            },
            OpKind::Concat {} => builder.concat(&inputs),
            OpKind::Slice { from, count } => builder.slice(*from, *count),
            OpKind::Scale { factor } => builder.scale(*factor),
            OpKind::Gate {} => builder.gate(),
            OpKind::Glu {} => builder.glu(),
            OpKind::ClassBias { name } => builder.class_bias(name),
            OpKind::Embed { name, out } => builder.embed(name, *out),
            OpKind::Ones {} => builder.ones(),
        };
        done.map_err(|source| self.refused(op, at, source))?;
        self.end(op, at)
    }

    /// Looks up what `op` reads and makes it the latest value.
    fn begin(&mut self, op: &OpSpec, at: &str) -> Result<Vec<Value>, Error> {
        if op.kind.name() == Some("") {
            return Err(Error::NoName { op: format!("{at} ({})", op.kind.kind()) });
        }
        let mut inputs = Vec::new();
        for name in &op.inputs {
            inputs.push(self.value(name, op, at)?);
        }
        let (expected, right) = match op.kind {
            OpKind::Add {} | OpKind::Concat {} => ("2 or more", inputs.len() >= 2),
            OpKind::Multiply {} => ("2", inputs.len() == 2),
            OpKind::Ones {} | OpKind::SkipSum {} => ("none", inputs.is_empty()),
            _ => ("1", inputs.len() <= 1),
        };
        if !right {
            return Err(self.refused(op, at, NetworkError::Inputs { got: inputs.len(), expected }));
        }
        if let [x] = inputs.as_slice() {
            self.builder.set_x(*x);
        }
        Ok(inputs)
    }

    /// The value of a name.
    fn value(&mut self, name: &str, op: &OpSpec, at: &str) -> Result<Value, Error> {
        match name {
            "image" => Ok(self.builder.image()),
            "condition" => {
                let value = self.builder.condition().map_err(|source| self.refused(op, at, source))?;
                let mut graph = self.graph.borrow_mut();
                let count = graph.nodes.len();
                graph.labels.resize(count, "condition".into());
                graph.names.resize(count, "condition".into());
                Ok(value)
            }
            name => {
                let value = self.values.get(name).copied();
                value.ok_or_else(|| Error::NoValue { op: at_op(op, at), name: name.to_string() })
            }
        }
    }

    /// The condition of a recurrent layer.
    fn condition(&mut self, op: &OpSpec, at: &str) -> Result<Option<Value>, Error> {
        let (OpKind::RowLstm { condition, .. } | OpKind::DiagonalBilstm { condition, .. }) = &op.kind else {
            return Ok(None);
        };
        condition.as_deref().map(|name| self.value(name, op, at)).transpose()
    }

    /// Records the name of what `op` made, and the op's label for each of its nodes.
    fn end(&mut self, op: &OpSpec, at: &str) -> Result<(), Error> {
        let mut graph = self.graph.borrow_mut();
        let (before, count) = (graph.labels.len(), graph.nodes.len());
        graph.labels.resize(count, op.label(at));
        graph.names.resize(count, op.name().unwrap_or_default().to_string());
        if matches!(op.kind, OpKind::Skip { .. }) {
            graph.skips.extend(before + 1..=count);
        }
        let Some(name) = &op.value else { return Ok(()) };
        let bad = if name.is_empty() {
            Some("is empty")
        } else if matches!(op.kind, OpKind::Skip { .. }) {
            Some("is given to a `skip`, which makes no value")
        } else if RESERVED.contains(&name.as_str()) {
            Some("is reserved")
        } else if !self.names.insert(name.clone()) {
            Some("is taken by another value")
        } else {
            None
        };
        if let Some(why) = bad {
            return Err(Error::ValueName { op: at_op(op, at), name: name.clone(), why });
        }
        self.values.insert(name.clone(), self.builder.x());
        Ok(())
    }

    fn refused(&self, op: &OpSpec, at: &str, source: NetworkError) -> Error {
        if let NetworkError::Unknown { .. } = source {
            let graph = self.graph.borrow();
            return causality::lets_in(&graph, self.builder.x().id, &op.label(at));
        }
        Error::Op { op: at_op(op, at), source }
    }
}

/// Refuses the ops that cannot stand in `upsample`.
fn check_upsampling(op: &OpSpec, at: &str) -> Result<(), Error> {
    let what = match &op.kind {
        OpKind::RowLstm { .. } | OpKind::DiagonalBilstm { .. } => "an LSTM cannot stand in `upsample`",
        OpKind::ClassBias { .. } => "`class_bias` cannot stand in `upsample`",
        OpKind::MaskedConv { .. } | OpKind::Conv { mask: Some(_), .. } => {
            "a mask cannot stand in `upsample`: the smaller image is known"
        }
        OpKind::Skip { .. } | OpKind::SkipSum {} => "`skip` cannot stand in `upsample`; use `add`",
        OpKind::ConvTranspose { kernel: [h, w], .. } if h != w => "the kernel of a `conv_transpose` is a square",
        _ => return Ok(()),
    };
    Err(Error::UpsampleOp { op: at_op(op, at), what })
}

/// Position of an op, its kind and, if it has one, its `name`, else its `as`.
fn at_op(op: &OpSpec, at: &str) -> String {
    match (op.kind.name(), &op.value) {
        (None, Some(value)) => format!("{at} ({} `{value}`)", op.kind.kind()),
        _ => format!("{at} ({})", op.kind.shown()),
    }
}

impl OpKind {
    /// Name and shape of a convolution.
    fn conv(&self) -> Option<(&str, ConvShape)> {
        match *self {
            Self::Conv { ref name, kernel, out, anchor, dilation, mask, parts } => {
                let anchor = anchor.unwrap_or(Conv::centre(kernel));
                Some((name, ConvShape { mask, kernel, anchor, dilation, out, parts }))
            }
            Self::MaskedConv { ref name, mask, kernel, out, dilation, parts } => {
                Some((name, ConvShape { dilation, parts, ..ConvShape::masked(mask, kernel, out) }))
            }
            _ => None,
        }
    }
}
