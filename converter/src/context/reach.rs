//! Receptive field allowed by the masks, whatever the weights.

use pixelrnn::Position;
use pixelrnn::network::taps::Offset;
use pixelrnn::network::{Conv, Features, Image, Node, Op};

/// Set of positions `[groups, height, width]`: a colour group at a pixel.
#[derive(Clone)]
struct Places {
    height: usize,
    width: usize,
    set: Vec<bool>,
}

impl Places {
    fn none(groups: usize, height: usize, width: usize) -> Self {
        Self { height, width, set: vec![false; groups * height * width] }
    }

    /// Members of the set: group, row, column.
    fn each(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<'_> {
        let plane = self.height * self.width;
        let set = self.set.iter().enumerate().filter(|(_, set)| **set);
        set.map(move |(at, _)| (at / plane, at % plane / self.width, at % self.width))
    }

    /// Inserts a position if it lies inside the image.
    fn put(&mut self, group: usize, row: isize, column: isize) {
        let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column)) else { return };
        if row < self.height && column < self.width {
            self.set[(group * self.height + row) * self.width + column] = true;
        }
    }

    fn groups(&self) -> usize {
        self.set.len() / (self.height * self.width)
    }

    /// The set moved up by `rows` and to the left by `columns`.
    fn moved(&self, rows: usize, columns: usize) -> Self {
        let mut moved = Self::none(self.groups(), self.height, self.width);
        for (group, row, column) in self.each() {
            moved.put(group, row as isize - rows as isize, column as isize - columns as isize);
        }
        moved
    }

    /// The same places, in all groups of `features`.
    fn of_any(&self, features: &Features) -> Self {
        let mut any = Self::none(self.groups(), self.height, self.width);
        for (_, row, column) in self.each() {
            for group in groups(features) {
                any.put(group, row as isize, column as isize);
            }
        }
        any
    }

    fn add(&mut self, other: &Self) {
        for (set, more) in self.set.iter_mut().zip(&other.set) {
            *set |= more;
        }
    }

    /// Transitive closure of an LSTM's recurrence: for each position, adds all groups of `features` at each of
    /// `distances`, until nothing changes.
    fn follow(&mut self, features: &Features, distances: &[Offset]) {
        loop {
            let before = self.clone();
            for (_, row, column) in before.each() {
                for (down, right) in distances {
                    for group in groups(features) {
                        self.put(group, row as isize + down, column as isize + right);
                    }
                }
            }
            if self.set == before.set {
                return;
            }
        }
    }
}

/// Colour groups that have features.
fn groups(features: &Features) -> impl Iterator<Item = usize> + use<> {
    let features = *features;
    (0..features.groups).filter(move |group| (0..features.count).any(|f| features.group(f) == *group))
}

/// Values of an image, `[C, H, W]`, in the receptive field of the prediction at `target`.
///
/// Follows the masks backwards from the target. [`super::Dependence`] finds these values or fewer. Without colour groups, one group
/// stands for all channels.
pub fn reach(nodes: &[Node], image: &Image, target: Position) -> Vec<bool> {
    let Image { height, width, channels, .. } = *image;
    let count = nodes.last().map_or(1, |last| last.features.groups);
    let mut needed = vec![Places::none(count, height, width); nodes.len() + 1];
    if let Some(last) = needed.last_mut() {
        last.put(target.channel % count, target.row as isize, target.column as isize);
    }
    for node in nodes.iter().rev() {
        let wanted = needed[node.output].clone();
        for input in node.inputs.into_iter().take(node.op.arity()) {
            let read = match node.op {
                Op::Shift { rows, columns } => wanted.moved(rows, columns),
                _ if !node.op.convolutions().is_empty() => through_op(node, &wanted),
                _ => match input.checked_sub(1).map(|n| &nodes[n].features) {
                    Some(features) if mixes(node, features) => wanted.of_any(features),
                    _ => wanted.clone(),
                },
            };
            needed[input].add(&read);
        }
    }
    let read = needed.swap_remove(0).set;
    if count == channels { read } else { read.repeat(channels) }
}

/// True if features of one group of an elementwise op's output read features of others.
fn mixes(node: &Node, input: &Features) -> bool {
    match node.op {
        Op::Add { .. } | Op::Multiply | Op::DepthGate => node.features != *input,
        Op::Gate | Op::Glu => input.slice(node.features.count, node.features.count) != Some(node.features),
        _ => false,
    }
}

/// Inputs that an op with convolutions reads for `wanted`: first through the recurrence of an LSTM, then through the
/// kernel over the input.
fn through_op(node: &Node, wanted: &Places) -> Places {
    let mut read = Places::none(wanted.groups(), wanted.height, wanted.width);
    let recurrences = node.op.recurrences();
    for (n, (_, conv)) in node.op.convolutions().iter().enumerate() {
        let states = recurrences.get(n).map(|recurrence| {
            let mut states = wanted.moved(recurrence.lowered, 0);
            states.follow(&node.features, &recurrence.taps);
            states
        });
        through(conv, states.as_ref().unwrap_or(wanted), &mut read);
    }
    read
}

fn through(conv: &Conv, wanted: &Places, read: &mut Places) {
    for (to, row, column) in wanted.each() {
        for from in groups(&conv.inputs) {
            for (u, v) in conv.taps() {
                let (down, right) = conv.offset(u, v);
                let open = (down, right) != (0, 0) || conv.mask.is_none_or(|mask| mask.centre_open(from, to));
                if open {
                    read.put(from, row as isize + down, column as isize + right);
                }
            }
        }
    }
}
