//! Weight matrix of an op, one block per colour group, with biases and multipliers.

use super::group_start;
use crate::blob::format::Layout;
use crate::network::Mask;

/// Matrix-vector product of an op over one of its inputs, as its record describes it.
#[derive(Clone, Copy, Debug)]
pub struct MatrixDescriptor {
    /// Features of the output.
    pub features: usize,
    /// Sums per feature: 1, or the 4 gates of a unit.
    pub outputs_per_feature: usize,
    /// Inputs that all colour groups read.
    pub past: usize,
    /// Inputs of the centre tap, which `mask` opens by colour group.
    pub centre: usize,
    /// Mask of the centre tap: A opens it to later colour groups only, B also to the group itself. `None`: open to all.
    pub mask: Option<Mask>,
    /// Left shift of an accumulator before its multiplier, in bits.
    pub left_shift: u8,
    /// Offset of the weights.
    pub weights: u32,
    /// Offset of the biases. `Some(0)`: class biases only. `None`: zero biases.
    pub bias: Option<u32>,
    /// Offset of the multipliers.
    pub multipliers: u32,
    /// Offset of the class biases, added to the biases; 0: none.
    pub class_bias: u32,
}

impl MatrixDescriptor {
    /// Number of sums of all colour groups.
    pub const fn sums(&self) -> usize {
        self.features * self.outputs_per_feature
    }

    /// Sums of colour group `group`: first, and one past the last.
    pub const fn group(&self, groups: usize, group: usize) -> (usize, usize) {
        let first = group_start(self.features, groups, group);
        (self.outputs_per_feature * first, self.outputs_per_feature * group_start(self.features, groups, group + 1))
    }

    /// Number of leading centre inputs that colour group `group` reads.
    pub const fn open(&self, groups: usize, group: usize) -> usize {
        match self.mask {
            Some(Mask::A) => group_start(self.centre, groups, group),
            Some(Mask::B) => group_start(self.centre, groups, group + 1),
            None => self.centre,
        }
    }

    /// Inputs per sum of colour group `group`.
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
