//! Receptive field allowed by the masks, whatever the weights.

use pixelrnn::Position;
use pixelrnn::network::{DiagonalBilstm, Features, Image, MaskedConv, Node, Op, RowLstm};

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

    fn add(&mut self, other: &Self) {
        for (set, more) in self.set.iter_mut().zip(&other.set) {
            *set |= more;
        }
    }

    /// Transitive closure of an LSTM's recurrence: for each position, adds all groups of `features` at each of
    /// `distances`, until nothing changes.
    fn follow(&mut self, features: &Features, distances: &[(isize, isize)]) {
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
/// Follows the masks backwards from the target. [`super::Dependence`] finds these values or fewer.
pub fn reach(nodes: &[Node], image: &Image, target: Position) -> Vec<bool> {
    let Image { height, width, channels, .. } = *image;
    let mut needed = vec![Places::none(channels, height, width); nodes.len() + 1];
    if let Some(last) = needed.last_mut() {
        last.put(target.channel, target.row as isize, target.column as isize);
    }
    for node in nodes.iter().rev() {
        let wanted = needed[node.output].clone();
        for input in node.inputs.into_iter().take(node.op.arity()) {
            let mut read = Places::none(channels, height, width);
            match &node.op {
                Op::MaskedConv(conv) => through(conv, &wanted, &mut read),
                Op::RowLstm(lstm) => through_row(lstm, &wanted, &mut read),
                Op::DiagonalBilstm(lstm) => through_diagonal(lstm, &wanted, &mut read),
                Op::BatchNorm { .. } | Op::Relu | Op::Elu | Op::Add { .. } | Op::DepthGate => read = wanted.clone(),
            }
            needed[input].add(&read);
        }
    }
    needed.swap_remove(0).set
}

fn through(conv: &MaskedConv, wanted: &Places, read: &mut Places) {
    let [height, width] = conv.kernel;
    let centre = (height / 2, width / 2);
    for (to, row, column) in wanted.each() {
        for (u, v) in (0..height).flat_map(|u| (0..width).map(move |v| (u, v))) {
            if (u, v) > centre {
                break;
            }
            let (down, right) = conv.offset(u, v);
            for from in groups(&conv.inputs) {
                if (u, v) < centre || conv.mask.centre_open(from, to) {
                    read.put(from, row as isize + down, column as isize + right);
                }
            }
        }
    }
}

fn through_row(lstm: &RowLstm, wanted: &Places, read: &mut Places) {
    let centre = (lstm.kernel / 2) as isize;
    let above: Vec<_> = (0..lstm.kernel as isize).map(|v| (-1, v - centre)).collect();
    let mut states = wanted.clone();
    states.follow(&lstm.hidden, &above);
    through(&lstm.input_to_state, &states, read);
}

fn through_diagonal(lstm: &DiagonalBilstm, wanted: &Places, read: &mut Places) {
    let mut left = wanted.clone();
    left.follow(&lstm.hidden, &[(-1, 0), (0, -1)]);
    through(&lstm.input_to_state, &left, read);
    // The right map is moved down one row.
    let mut right = Places::none(lstm.hidden.groups, wanted.height, wanted.width);
    for (group, row, column) in wanted.each() {
        right.put(group, row as isize - 1, column as isize);
    }
    right.follow(&lstm.hidden, &[(-1, 0), (0, 1)]);
    through(&lstm.input_to_state, &right, read);
}
