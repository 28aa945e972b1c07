//! Lowering from network nodes to engine steps: number format of each value, and op fusion.

use super::ranges::MAX_GROWTH;
use crate::error::Error;
use crate::trained::TrainedModel;
use pixelrnn::network::{Activation, Node, Op, ValueId};
use std::collections::BTreeMap;

/// An engine op, in terms of network values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Masked convolution of the node with this index.
    Conv { node: usize, to: Target },
    /// Narrows a residual to an activation; `to` is the same value or its ReLU.
    Quantize { from: ValueId, to: ValueId },
    /// Activation function in 16 bits.
    Activation { activation: Activation, from: ValueId, to: ValueId },
    /// The LSTM of the node with this index.
    Lstm { node: usize, to: ValueId },
    /// `a + sigmoid(t) · b` in 16 bits.
    DepthGate { a: ValueId, b: ValueId, t: ValueId, to: ValueId },
    /// `scale · a + b` in 16 bits.
    Add { a: ValueId, b: ValueId, scale: f32, to: ValueId },
}

/// Destination of a convolution's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Activation of the convolution's own value or of its ReLU.
    Narrow(ValueId),
    /// Residual of the convolution's own value.
    Wide(ValueId),
    /// Added in place to the residual of `onto`, which becomes `to`.
    Accumulate { onto: ValueId, to: ValueId },
    /// The logits.
    Logits,
}

/// A value in one number format: activation (narrow) or residual (wide).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Held {
    Narrow(ValueId),
    Wide(ValueId),
}

impl Target {
    pub(super) fn held(self) -> Option<Held> {
        match self {
            Target::Narrow(v) => Some(Held::Narrow(v)),
            Target::Wide(v) | Target::Accumulate { to: v, .. } => Some(Held::Wide(v)),
            Target::Logits => None,
        }
    }

    pub(super) fn destination(self) -> pixelrnn::blob::Destination {
        use pixelrnn::blob::Destination;
        match self {
            Target::Narrow(_) => Destination::Activation,
            Target::Wide(_) => Destination::Residual,
            Target::Accumulate { .. } => Destination::Accumulate,
            Target::Logits => Destination::Logits,
        }
    }
}

impl Step {
    /// Number of ops in the blob: two for a Diagonal BiLSTM.
    pub(super) fn ops(&self, model: &TrainedModel) -> usize {
        match *self {
            Step::Lstm { node, .. } if matches!(model.nodes()[node].op, Op::DiagonalBilstm(_)) => 2,
            _ => 1,
        }
    }

    pub(super) fn writes(&self) -> Vec<Held> {
        match *self {
            Step::Conv { to, .. } => to.held().into_iter().collect(),
            Step::Quantize { to, .. } => vec![Held::Narrow(to)],
            Step::Activation { to, .. } | Step::Add { to, .. } | Step::Lstm { to, .. } | Step::DepthGate { to, .. } => {
                vec![Held::Wide(to)]
            }
        }
    }

    pub(super) fn reads(&self, model: &TrainedModel) -> Vec<Held> {
        match *self {
            Step::Conv { node, to } => {
                let mut reads = vec![Held::Narrow(model.nodes()[node].inputs[0])];
                if let Target::Accumulate { onto, .. } = to {
                    reads.push(Held::Wide(onto));
                }
                reads
            }
            Step::Lstm { node, .. } => vec![Held::Narrow(model.nodes()[node].inputs[0])],
            Step::DepthGate { a, b, t, .. } => vec![Held::Wide(a), Held::Wide(b), Held::Wide(t)],
            Step::Quantize { from, .. } | Step::Activation { from, .. } => vec![Held::Wide(from)],
            Step::Add { a, b, .. } => vec![Held::Wide(a), Held::Wide(b)],
        }
    }
}

/// Number formats in which a value is read.
#[derive(Clone, Copy, Default)]
struct Demand {
    wide: bool,
    narrow: bool,
}

/// Largest magnitude of each value. Empty for a float blob, which has no scales.
pub(super) type Magnitudes = Vec<f64>;

/// Readers of each value, and the number formats they need.
struct Uses<'a> {
    nodes: &'a [Node],
    /// Nodes that read each value.
    readers: Vec<Vec<usize>>,
    demand: Vec<Demand>,
}

impl<'a> Uses<'a> {
    fn new(nodes: &'a [Node]) -> Result<Self, Error> {
        let values = nodes.len() + 1;
        let mut readers = vec![Vec::new(); values];
        for (n, node) in nodes.iter().enumerate() {
            for input in &node.inputs[..node.op.arity()] {
                readers[*input].push(n);
            }
        }
        let mut uses = Self { nodes, readers, demand: vec![Demand::default(); values] };
        for node in nodes.iter().rev() {
            uses.demand_of(node)?;
        }
        Ok(uses)
    }

    /// Records the formats that `node` needs of its inputs. Nodes must be visited last to first.
    fn demand_of(&mut self, node: &Node) -> Result<(), Error> {
        let [a, b, t] = node.inputs;
        let made = self.demand[node.output];
        match node.op {
            Op::Conv(conv) if conv.centred_mask().is_none() => return Err(Error::NotInEngine { op: node.op.kind() }),
            Op::Conv(_) | Op::RowLstm(_) | Op::DiagonalBilstm(_) => self.demand[a].narrow = true,
            Op::Activation(Activation::Relu) => {
                self.demand[a].wide |= made.wide || (made.narrow && self.only_relu(a).is_none());
            }
            Op::Activation(_) => self.demand[a].wide = true,
            Op::Add { .. } => [a, b].into_iter().for_each(|v| self.demand[v].wide = true),
            Op::DepthGate => [a, b, t].into_iter().for_each(|v| self.demand[v].wide = true),
            Op::BatchNorm { .. }
            | Op::Multiply
            | Op::Concat
            | Op::Slice { .. }
            | Op::Scale { .. }
            | Op::Gate
            | Op::Glu
            | Op::Shift { .. }
            | Op::ClassBias
            | Op::Embed { .. }
            | Op::Ones => return Err(Error::NotInEngine { op: node.op.kind() }),
        }
        // These ops write residuals only; an activation is narrowed from one.
        if made.narrow && !matches!(node.op, Op::Conv(_) | Op::Activation(Activation::Relu)) {
            self.demand[node.output].wide = true;
        }
        Ok(())
    }

    /// The ReLU that is a convolution's only reader. The convolution can write its activation directly.
    fn only_relu(&self, v: ValueId) -> Option<ValueId> {
        let conv = v > 0 && matches!(self.nodes[v - 1].op, Op::Conv(_));
        match self.readers[v].as_slice() {
            [n] if conv && self.nodes[*n].op == Op::Activation(Activation::Relu) => Some(self.nodes[*n].output),
            _ => None,
        }
    }

    /// For a convolution that only adds to a value without later readers: that value, and the sum.
    fn accumulates(&self, n: usize) -> Option<(ValueId, ValueId)> {
        let made = self.nodes[n].output;
        let [sum] = self.readers[made].as_slice() else { return None };
        let add = &self.nodes[*sum];
        if !matches!(add.op, Op::Add { scale } if scale.to_bits() == 1f32.to_bits()) {
            return None;
        }
        let [a, b, _] = add.inputs;
        let onto = if b == made { a } else { b };
        let free = onto != 0 && onto < made && self.readers[onto].iter().all(|u| u <= &n || u == sum);
        free.then_some((onto, add.output))
    }
}

/// Lowers nodes to steps. A convolution accumulates into a residual in place if the sum has a similar magnitude.
///
/// # Errors
/// When the engine lacks an op.
pub(super) fn plan(nodes: &[Node], magnitudes: &Magnitudes) -> Result<Vec<Step>, Error> {
    let uses = Uses::new(nodes)?;
    let mut steps = Vec::new();
    // Smallest and largest magnitude among the values that share a scale, keyed by the last of them.
    let mut spans: BTreeMap<ValueId, (f64, f64)> = BTreeMap::new();
    let mut shares_scale = |onto: ValueId, sum: ValueId| {
        let of = |v: ValueId| magnitudes.get(v).copied().unwrap_or(1.0);
        let (low, high) = spans.get(&onto).copied().unwrap_or((of(onto), of(onto)));
        // A value that is always 0 fits any scale.
        let span = if low > 0.0 { (low.min(of(sum)), high.max(of(sum))) } else { (of(sum), of(sum)) };
        let shares = span.1 <= span.0 * MAX_GROWTH;
        if shares {
            spans.insert(sum, span);
        }
        shares
    };
    let mut accumulated = vec![false; nodes.len() + 1];
    for (n, node) in nodes.iter().enumerate() {
        let [a, b, t] = node.inputs;
        let to = node.output;
        let made = uses.demand[to];
        match node.op {
            Op::Conv(_) => {
                let target = if n + 1 == nodes.len() {
                    Target::Logits
                } else if let Some((onto, sum)) = uses.accumulates(n).filter(|(onto, sum)| shares_scale(*onto, *sum)) {
                    accumulated[sum] = true;
                    Target::Accumulate { onto, to: sum }
                } else if made.wide {
                    Target::Wide(to)
                } else if let Some(relu) = uses.only_relu(to) {
                    Target::Narrow(relu)
                } else {
                    Target::Narrow(to)
                };
                steps.push(Step::Conv { node: n, to: target });
                if made.wide && made.narrow && matches!(target, Target::Wide(_)) {
                    steps.push(Step::Quantize { from: to, to });
                }
            }
            Op::Activation(activation @ Activation::Relu) => {
                if made.wide {
                    steps.push(Step::Activation { activation, from: a, to });
                }
                if made.narrow && uses.only_relu(a).is_none() {
                    steps.push(Step::Quantize { from: a, to });
                } else if made.narrow && made.wide {
                    steps.push(Step::Quantize { from: to, to });
                }
            }
            Op::Activation(activation) => {
                steps.push(Step::Activation { activation, from: a, to });
                if made.narrow {
                    steps.push(Step::Quantize { from: to, to });
                }
            }
            Op::Add { scale } => {
                if !accumulated[to] {
                    steps.push(Step::Add { a, b, scale, to });
                }
                if made.narrow {
                    steps.push(Step::Quantize { from: to, to });
                }
            }
            Op::RowLstm(_) | Op::DiagonalBilstm(_) => {
                steps.push(Step::Lstm { node: n, to });
                if made.narrow {
                    steps.push(Step::Quantize { from: to, to });
                }
            }
            Op::DepthGate => {
                steps.push(Step::DepthGate { a, b, t, to });
                if made.narrow {
                    steps.push(Step::Quantize { from: to, to });
                }
            }
            Op::BatchNorm { .. }
            | Op::Multiply
            | Op::Concat
            | Op::Slice { .. }
            | Op::Scale { .. }
            | Op::Gate
            | Op::Glu
            | Op::Shift { .. }
            | Op::ClassBias
            | Op::Embed { .. }
            | Op::Ones => {}
        }
    }
    Ok(steps)
}
