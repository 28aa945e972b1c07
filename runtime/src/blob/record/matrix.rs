//! The weighted sums of an op: a matrix of weights for each colour group, and what scales its results.

use super::group_start;
use crate::blob::format::Layout;
use crate::network::Mask;

/// Sums of an op over one of its inputs, as its record describes them.
#[derive(Clone, Copy, Debug)]
pub struct MatrixDescriptor {
    /// Features that are made.
    pub features: usize,
    /// Sums a feature: 1, or the 4 gates of a unit.
    pub outputs_per_feature: usize,
    /// Inputs that all colour groups read.
    pub past: usize,
    /// Inputs of the centre tap, which `mask` opens by colour group.
    pub centre: usize,
    /// Mask of the centre tap: whether a colour group reads its own features, or those of the groups before it alone.
    pub mask: Mask,
    /// Bits that a sum is shifted left before it is multiplied.
    pub left_shift: u8,
    /// Where the weights are.
    pub weights: u32,
    /// Where the biases are; at 0, those of the classes are all there are; without, they are zero.
    pub bias: Option<u32>,
    /// Where the multipliers are.
    pub multipliers: u32,
    /// Where the classes' biases are, which are added to those; 0: none.
    pub class_bias: u32,
}

impl MatrixDescriptor {
    /// All sums.
    pub const fn sums(&self) -> usize {
        self.features * self.outputs_per_feature
    }

    /// Sums of colour group `group`: the first and one past the last.
    pub const fn group(&self, groups: usize, group: usize) -> (usize, usize) {
        let first = group_start(self.features, groups, group);
        (self.outputs_per_feature * first, self.outputs_per_feature * group_start(self.features, groups, group + 1))
    }

    /// Inputs of the centre that colour group `group` reads: the first so many.
    pub const fn open(&self, groups: usize, group: usize) -> usize {
        group_start(
            self.centre,
            groups,
            match self.mask {
                Mask::A => group,
                Mask::B => group + 1,
            },
        )
    }

    /// Inputs of a sum of colour group `group`.
    pub const fn length(&self, groups: usize, group: usize) -> usize {
        self.past + self.open(groups, group)
    }

    /// Weights of the colour groups before `group`.
    pub const fn weights_before(&self, groups: usize, group: usize, layout: Layout) -> usize {
        let mut count = 0;
        let mut before = 0;
        while before < group {
            let (first, end) = self.group(groups, before);
            count += (end - first) * layout.row(self.length(groups, before));
            before += 1;
        }
        count
    }
}
