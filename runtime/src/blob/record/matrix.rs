//! The weighted sums of an op: a matrix of weights for each colour group, and what scales its results.

use super::group_start;
use crate::blob::header::Layout;

/// Sums of an op over one of its inputs, as its record describes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatrixDescriptor {
    /// Features that are made.
    pub(crate) features: usize,
    /// Sums a feature: 1, or the 4 gates of a unit.
    pub(crate) each: usize,
    /// Inputs that all colour groups read.
    pub(crate) past: usize,
    /// Inputs of which a colour group reads those of the groups before it,
    pub(crate) centre: usize,
    /// and its own where this is 1 and not 0.
    pub(crate) own: usize,
    /// Bits that a sum is shifted left before it is multiplied.
    pub(crate) left: u8,
    /// Where the weights are.
    pub(crate) weights: u32,
    /// Where the biases are; at 0, those of the classes are all there are; without, they are zero.
    pub(crate) bias: Option<u32>,
    /// Where the multipliers are.
    pub(crate) multipliers: u32,
    /// Where the classes' biases are, which are added to those; 0: none.
    pub(crate) class_bias: u32,
}

impl MatrixDescriptor {
    /// All sums.
    pub(crate) const fn sums(&self) -> usize {
        self.features * self.each
    }

    /// Sums of colour group `group`: the first and one past the last.
    pub(crate) const fn group(&self, groups: usize, group: usize) -> (usize, usize) {
        let first = group_start(self.features, groups, group);
        (self.each * first, self.each * group_start(self.features, groups, group + 1))
    }

    /// Inputs of the centre that colour group `group` reads: the first so many.
    pub(crate) const fn open(&self, groups: usize, group: usize) -> usize {
        group_start(self.centre, groups, group + self.own)
    }

    /// Inputs of a sum of colour group `group`.
    pub(crate) const fn length(&self, groups: usize, group: usize) -> usize {
        self.past + self.open(groups, group)
    }

    /// Weights of the colour groups before `group`.
    pub(crate) const fn weights_before(&self, groups: usize, group: usize, layout: Layout) -> usize {
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
