//! Lowering from network nodes to engine steps: number format of each value, and op fusion.

use super::ranges::MAX_GROWTH;
use crate::error::Error;
use crate::trained::TrainedModel;
use pixelrnn::network::{Activation, Class, Node, Op, ValueId};
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
    /// `a · b` in 16 bits.
    Multiply { a: ValueId, b: ValueId, to: ValueId },
    /// `gate` or `glu` of the halves of `from`, in 16 bits.
    Gate { from: ValueId, to: ValueId, glu: bool },
    /// `factor · from` in 16 bits. A float blob adds it to the zeros of [`Held::Row`].
    Scale { from: ValueId, to: ValueId, factor: f32 },
    /// Features of `a`, then those of `b`, in 16 bits.
    Concat { a: ValueId, b: ValueId, to: ValueId },
    /// Features of `of` from `from` on, in 16 bits.
    Slice { of: ValueId, from: usize, to: ValueId },
    /// `from` plus the row of [`Held::Row`], in 16 bits.
    ClassBias { from: ValueId, to: ValueId },
    /// Row of a table of the node with this index.
    Table { node: usize, to: Held },
    /// `from` at an earlier position, in either format.
    Shift { from: Held, to: Held, rows: usize, columns: usize },
    /// The image in 16 bits.
    Widen,
    /// The logits from a residual.
    Logits { from: ValueId },
    /// A vector to its map.
    Keep { held: Held },
    /// A vector from its map, at an earlier position.
    Load { from: Held, to: Held, rows: usize, columns: usize },
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
    /// Row of a table, a residual, that the op which makes this value reads.
    Row(ValueId),
}

impl Held {
    pub(super) const fn value(self) -> ValueId {
        match self {
            Self::Narrow(v) | Self::Wide(v) | Self::Row(v) => v,
        }
    }
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
            Step::Activation { to, .. }
            | Step::Add { to, .. }
            | Step::Lstm { to, .. }
            | Step::DepthGate { to, .. }
            | Step::Multiply { to, .. }
            | Step::Gate { to, .. }
            | Step::Scale { to, .. }
            | Step::Concat { to, .. }
            | Step::Slice { to, .. }
            | Step::ClassBias { to, .. } => vec![Held::Wide(to)],
            Step::Table { to, .. } | Step::Shift { to, .. } | Step::Load { to, .. } => vec![to],
            Step::Widen => vec![Held::Wide(0)],
            Step::Logits { .. } | Step::Keep { .. } => Vec::new(),
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
            Step::Quantize { from, .. }
            | Step::Activation { from, .. }
            | Step::Gate { from, .. }
            | Step::Slice { of: from, .. }
            | Step::Logits { from } => vec![Held::Wide(from)],
            Step::Add { a, b, .. } | Step::Multiply { a, b, .. } | Step::Concat { a, b, .. } => {
                vec![Held::Wide(a), Held::Wide(b)]
            }
            Step::Scale { from, to, .. } | Step::ClassBias { from, to } => vec![Held::Wide(from), Held::Row(to)],
            Step::Shift { from, .. } => vec![from],
            Step::Keep { held } => vec![held],
            Step::Widen => vec![Held::Narrow(0)],
            Step::Table { .. } | Step::Load { .. } => Vec::new(),
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
        // Logits that no convolution makes are made from a residual.
        if let Some(last) = nodes.last().filter(|last| !matches!(last.op, Op::Conv(_))) {
            uses.demand[last.output].wide = true;
        }
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
            Op::Conv(_) | Op::RowLstm(_) | Op::DiagonalBilstm(_) => self.demand[a].narrow = true,
            Op::Activation(Activation::Relu) => {
                self.demand[a].wide |= made.wide || (made.narrow && self.only_relu(a).is_none());
            }
            Op::Activation(_)
            | Op::Slice { .. }
            | Op::Scale { .. }
            | Op::Gate
            | Op::Glu
            | Op::ClassBias
            | Op::Shift { rows: 0, columns: 0 } => self.demand[a].wide = true,
            Op::Add { .. } | Op::Multiply | Op::Concat => {
                for v in [a, b] {
                    self.demand[v].wide = true;
                }
            }
            Op::DepthGate => [a, b, t].into_iter().for_each(|v| self.demand[v].wide = true),
            Op::Shift { .. } => {
                self.demand[a].wide |= made.wide;
                self.demand[a].narrow |= made.narrow;
            }
            Op::Embed { .. } | Op::Ones => {}
            Op::ConvTranspose(_) | Op::Condition | Op::BatchNorm { .. } => {
                return Err(Error::NotInEngine { op: node.op.kind() });
            }
        }
        // These ops write residuals only; an activation is narrowed from one.
        let moved = matches!(node.op, Op::Shift { rows, columns } if rows + columns > 0);
        if made.narrow && !moved && !matches!(node.op, Op::Conv(_) | Op::Activation(Activation::Relu)) {
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
        // The scale of a gate's output is fixed.
        let fixed = onto > 0 && matches!(self.nodes[onto - 1].op, Op::Gate);
        // A value of a whole row is not computed with what is known at a pixel.
        let later = add.class > self.nodes[n].class && add.class == Class::Row;
        // Another that is read after the colour of the pixel is read from its register then.
        let read_later = self.readers[onto].iter().any(|u| self.nodes[*u].class > add.class);
        let kept = fixed || later || read_later;
        let free = !kept && onto != 0 && onto < made && self.readers[onto].iter().all(|u| u <= &n || u == sum);
        free.then_some((onto, add.output))
    }
}

/// Lowers nodes to steps. A convolution accumulates into a residual in place if the sum has a similar magnitude.
///
/// # Errors
/// When the engine lacks an op.
#[allow(clippy::too_many_lines)] // one arm an op
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
    if uses.demand[0].wide {
        steps.push(Step::Widen);
    }
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
            Op::Multiply => steps.push(Step::Multiply { a, b, to }),
            Op::Gate | Op::Glu => steps.push(Step::Gate { from: a, to, glu: node.op == Op::Glu }),
            Op::Scale { factor } => {
                if magnitudes.is_empty() {
                    steps.push(Step::Table { node: n, to: Held::Row(to) });
                }
                steps.push(Step::Scale { from: a, to, factor });
            }
            Op::Concat => steps.push(Step::Concat { a, b, to }),
            Op::Slice { from } => steps.push(Step::Slice { of: a, from, to }),
            Op::ClassBias => {
                steps.push(Step::Table { node: n, to: Held::Row(to) });
                steps.push(Step::ClassBias { from: a, to });
            }
            Op::Embed { .. } | Op::Ones => steps.push(Step::Table { node: n, to: Held::Wide(to) }),
            // A shift by nothing is a copy.
            Op::Shift { rows: 0, columns: 0 } => steps.push(Step::Slice { of: a, from: 0, to }),
            Op::Shift { rows, columns } => {
                if made.wide {
                    steps.push(Step::Shift { from: Held::Wide(a), to: Held::Wide(to), rows, columns });
                }
                if made.narrow {
                    steps.push(Step::Shift { from: Held::Narrow(a), to: Held::Narrow(to), rows, columns });
                }
            }
            Op::ConvTranspose(_) | Op::Condition | Op::BatchNorm { .. } => {}
        }
        let narrowed = matches!(
            node.op,
            Op::Multiply
                | Op::Gate
                | Op::Glu
                | Op::Scale { .. }
                | Op::Concat
                | Op::Slice { .. }
                | Op::ClassBias
                | Op::Embed { .. }
                | Op::Ones
                | Op::Shift { rows: 0, columns: 0 }
        );
        if narrowed && made.narrow {
            steps.push(Step::Quantize { from: to, to });
        }
        if n + 1 == nodes.len() && !matches!(node.op, Op::Conv(_)) {
            steps.push(Step::Logits { from: to });
        }
    }
    Ok(steps)
}
