//! Order of each value's features in the engine: sorted by colour group, and padded where groups must be equal.

use crate::error::Error;
use pixelrnn::blob::group_start;
use pixelrnn::network::{Features, Node, Op, ValueId};
use std::collections::BTreeMap;

/// Features of a value in the order of the engine; `None` is padding, always 0.
pub(crate) type Slots = Vec<Option<usize>>;

/// Feature order of the engine: stable sort by colour group.
pub(crate) fn sorted(features: Features) -> Vec<usize> {
    let mut order: Vec<usize> = (0..features.count).collect();
    order.sort_by_key(|f| features.group(*f));
    order
}

/// Layouts of all values of a network, indexed by [`ValueId`].
pub(super) fn of_values(image: Features, nodes: &[Node]) -> Result<Vec<Slots>, Error> {
    if image.groups == 1 {
        let of = |features: &Features| (0..features.count).map(Some).collect();
        return Ok(std::iter::once(&image).chain(nodes.iter().map(|node| &node.features)).map(of).collect());
    }
    let ties = Ties::new(nodes);
    let mut layouts = Layouts { image, nodes, ties: &ties, known: BTreeMap::new() };
    let slots: Vec<Slots> = (0..=nodes.len()).map(|v| layouts.of(ties.class[v])).collect::<Result<_, _>>()?;
    // An LSTM writes its units as they are.
    for node in nodes {
        let units: Slots = sorted(node.features).into_iter().map(Some).collect();
        if !node.op.recurrences().is_empty() && slots[node.output] != units {
            return Err(refused(node));
        }
        // A mask opens the centre by the colours of a value's own features, the engine by their places.
        let masked = node.op.convolutions().iter().any(|(_, conv)| conv.mask.is_some());
        let features = |v: ValueId| if v == 0 { image } else { nodes[v - 1].features };
        let own = |v: ValueId| in_groups(&slots[v], &features(v));
        if masked && !(own(node.inputs[0]) && own(node.output)) {
            return Err(refused(node));
        }
    }
    Ok(slots)
}

/// True if each feature lies in the engine's place of its own group.
fn in_groups(slots: &Slots, features: &Features) -> bool {
    let start = |group: usize| group_start(slots.len(), features.groups, group);
    let lies = |slot: usize, f: usize| (start(features.group(f))..start(features.group(f) + 1)).contains(&slot);
    slots.iter().enumerate().all(|(slot, f)| f.is_none_or(|f| lies(slot, f)))
}

fn refused(node: &Node) -> Error {
    let op = if node.name.is_empty() { node.op.kind().to_string() } else { node.name.to_string() };
    Error::Colours { op }
}

/// Values whose features an op combines one by one have one layout.
struct Ties<'n> {
    /// Smallest value of the class of each value.
    class: Vec<ValueId>,
    /// For each class that a gate reads, the gates.
    gates: BTreeMap<ValueId, Vec<&'n Node>>,
}

impl<'n> Ties<'n> {
    fn new(nodes: &'n [Node]) -> Self {
        let mut class: Vec<ValueId> = (0..=nodes.len()).collect();
        for node in nodes {
            let tied = match node.op {
                Op::Activation(_)
                | Op::Add { .. }
                | Op::DepthGate
                | Op::Multiply
                | Op::Scale { .. }
                | Op::Shift { .. }
                | Op::ClassBias
                | Op::BatchNorm { .. } => &node.inputs[..node.op.arity()],
                Op::Conv(_)
                | Op::ConvTranspose(_)
                | Op::Condition
                | Op::RowLstm(_)
                | Op::DiagonalBilstm(_)
                | Op::Concat
                | Op::Slice { .. }
                | Op::Gate
                | Op::Glu
                | Op::Embed { .. }
                | Op::Ones => &[],
            };
            for input in tied {
                let (a, b) = (class[*input], class[node.output]);
                let (low, high) = (a.min(b), a.max(b));
                class.iter_mut().filter(|class| **class == high).for_each(|class| *class = low);
            }
        }
        let mut gates: BTreeMap<ValueId, Vec<&Node>> = BTreeMap::new();
        for node in nodes.iter().filter(|node| matches!(node.op, Op::Gate | Op::Glu)) {
            gates.entry(class[node.inputs[0]]).or_default().push(node);
        }
        Self { class, gates }
    }
}

struct Layouts<'t, 'n> {
    image: Features,
    nodes: &'n [Node],
    ties: &'t Ties<'n>,
    known: BTreeMap<ValueId, Slots>,
}

impl Layouts<'_, '_> {
    fn of(&mut self, class: ValueId) -> Result<Slots, Error> {
        if let Some(slots) = self.known.get(&class) {
            return Ok(slots.clone());
        }
        let gates = self.ties.gates.get(&class).cloned().unwrap_or_default();
        let mut slots = None;
        for gate in gates {
            let of_gate = self.gate_input(gate)?;
            if slots.get_or_insert_with(|| of_gate.clone()) != &of_gate {
                return Err(refused(gate));
            }
        }
        let slots = slots.unwrap_or_else(|| self.by_groups(class));
        self.known.insert(class, slots.clone());
        Ok(slots)
    }

    /// In each group the features of the first half, then those of the last.
    fn gate_input(&mut self, gate: &Node) -> Result<Slots, Error> {
        let output = self.of(self.ties.class[gate.output])?;
        let (half, each) = (gate.features.count, output.len() / self.image.groups);
        let groups = output.chunks(each.max(1));
        Ok(groups
            .flat_map(|group| {
                let last = group.iter().map(move |f| f.map(|f| f + half));
                group.iter().copied().chain(last).collect::<Vec<_>>()
            })
            .collect())
    }

    /// Sorted by groups, whose sizes differ by one at most, larger ones first; equal ones for a gate's output. Padded to that.
    fn by_groups(&self, class: ValueId) -> Slots {
        let features = self.features(class);
        let groups = |g: usize| (0..features.count).filter(move |f| features.group(*f) == g).collect::<Vec<_>>();
        let groups: Vec<Vec<usize>> = (0..features.groups).map(groups).collect();
        let gated = self.nodes.iter().filter(|node| matches!(node.op, Op::Gate | Op::Glu));
        let even = gated.into_iter().any(|gate| self.ties.class[gate.output] == class);
        let most = groups.iter().map(Vec::len).max().unwrap_or(0);
        let sizes = |g: usize| features.count / features.groups + usize::from(g < features.count % features.groups);
        let balanced = groups.iter().enumerate().all(|(g, group)| group.len() == sizes(g));
        if balanced && (!even || features.count.is_multiple_of(features.groups)) {
            return groups.into_iter().flatten().map(Some).collect();
        }
        let padded = |group: Vec<usize>| {
            let rest = most - group.len();
            group.into_iter().map(Some).chain(std::iter::repeat_n(None, rest)).collect::<Vec<_>>()
        };
        groups.into_iter().flat_map(padded).collect()
    }

    /// Features of the class: of a value that is computed group by group, if there is one.
    fn features(&self, class: ValueId) -> Features {
        let members = || (0..=self.nodes.len()).filter(|v| self.ties.class[*v] == class);
        let of = |v: ValueId| if v == 0 { self.image } else { self.nodes[v - 1].features };
        let by_group = |v: &ValueId| *v == 0 || self.nodes[v - 1].class > pixelrnn::network::Class::Above;
        members().find(by_group).or_else(|| members().next()).map_or(self.image, of)
    }
}
