//! Expansion of a list of ops to nodes: the values that ops read and make, by name.

use super::Description;
use super::causality;
use super::ops::{OpKind, OpSpec};
use crate::error::Error;
use pixelrnn::network::{Activation, Builder, Class, Conv, ConvShape, NetworkError, Node, Value};
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

/// Expands `list` to nodes.
pub(super) fn expand(description: &Description, list: &[OpSpec]) -> Result<Graph, Error> {
    if list.is_empty() {
        return Err(NetworkError::Empty.into());
    }
    let graph = RefCell::new(Graph::default());
    let builder = Builder::new(description.image, description.colour_groups, description.classes, |node| {
        graph.borrow_mut().nodes.push(node);
    });
    let mut reader = Reader { description, graph: &graph, builder, values: BTreeMap::new(), names: BTreeSet::new() };
    reader.list(list)?;
    let Reader { builder, .. } = reader;
    builder.finish()?;
    Ok(graph.into_inner())
}

struct Reader<'d, F> {
    description: &'d Description,
    graph: &'d RefCell<Graph>,
    builder: Builder<F>,
    /// Values by the names that are seen here.
    values: BTreeMap<String, Value>,
    /// All names so far, those of residual branches too.
    names: BTreeSet<String>,
}

impl<F: FnMut(Node)> Reader<'_, F> {
    fn list(&mut self, list: &[OpSpec]) -> Result<(), Error> {
        // `batch_norm` may follow the op that makes the logits.
        let last = list.iter().rposition(|op| !matches!(op.kind, OpKind::BatchNorm { .. }));
        for (n, op) in list.iter().enumerate() {
            let at = format!("ops[{n}]");
            if Some(n) == last {
                self.last(op, &at)?;
            } else {
                self.op(op, &at)?;
            }
        }
        let (x, expected) = (self.builder.x(), self.description.logits());
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
    fn last(&mut self, op: &OpSpec, at: &str) -> Result<(), Error> {
        let Some((name, shape)) = op.kind.conv() else {
            if self.builder.image().features.groups > 1 {
                return Err(Error::LastOp { got: op.kind.shown() });
            }
            return self.op(op, at);
        };
        self.begin(op, at)?;
        let expected = self.description.logits();
        if shape.out != expected {
            return Err(Error::Logits { name: name.into(), got: shape.out, expected });
        }
        let output = self.description.output;
        self.builder.logits(name, shape, output).map_err(|source| self.refused(op, at, source))?;
        self.end(op, at)
    }

    fn op(&mut self, op: &OpSpec, at: &str) -> Result<(), Error> {
        let latest = self.builder.x();
        let inputs = self.begin(op, at)?;
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
            OpKind::RowLstm { name, hidden, kernel, initial_state } => {
                builder.row_lstm(name, *hidden, *kernel, *initial_state)
            }
            OpKind::DiagonalBilstm { name, hidden, initial_state } => {
                builder.diagonal_bilstm(name, *hidden, *initial_state)
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
            let value = if name == "image" { Some(self.builder.image()) } else { self.values.get(name).copied() };
            inputs.push(value.ok_or_else(|| Error::NoValue { op: at_op(op, at), name: name.clone() })?);
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
