//! Tap geometry: the pixels that a kernel reads, relative to the pixel being computed.
//!
//! Masks, context, quantizer, trainer and executors all take their geometry from here.

use super::list::List;
use super::masks::Mask;
use super::ops::Conv;

/// Longest side of a kernel.
pub const MAX_KERNEL: usize = 127;

/// Distance of a tap from the pixel being computed: rows, then columns; negative above and to the left.
pub type Offset = (isize, isize);

/// Reach of a kernel that ends at its centre, in taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Kernel rows above the centre.
    pub above: usize,
    /// Columns to the left of the centre.
    pub left: usize,
    /// Columns to the right of the centre, read in the rows above.
    pub right: usize,
}

impl Reach {
    /// Reach of a kernel of `[height, width]`, whose centre has index `k / 2`.
    #[inline(always)]
    pub const fn of([height, width]: [usize; 2]) -> Self {
        Self { above: height / 2, left: width / 2, right: width - 1 - width / 2 }
    }

    /// Taps of one kernel row above the centre.
    #[inline(always)]
    pub const fn row(self) -> usize {
        self.left + 1 + self.right
    }

    /// Taps before the centre in raster order, all of them open.
    #[inline(always)]
    pub const fn past_taps(self) -> usize {
        self.above * self.row() + self.left
    }

    /// Taps of the kernel row `above` rows above the centre that come before the centre.
    #[inline(always)]
    pub const fn past_taps_of_row(self, above: usize) -> usize {
        if above > 0 { self.row() } else { self.left }
    }

    /// Pixels, in raster order, from the farthest past tap to the centre.
    pub const fn farthest(self, image_width: usize, dilation: usize) -> usize {
        (self.above * image_width + self.left) * dilation
    }
}

impl Conv {
    /// Anchor of a kernel that is centred: index `k / 2` in each direction.
    pub const fn centre(kernel: [usize; 2]) -> [usize; 2] {
        [kernel[0] / 2, kernel[1] / 2]
    }

    /// Mask of a kernel that is centred; `None` for any other convolution.
    pub const fn centred_mask(&self) -> Option<Mask> {
        let [above, left] = Self::centre(self.kernel);
        if self.anchor[0] == above && self.anchor[1] == left { self.mask } else { None }
    }

    /// Offset that tap (`u`, `v`) reads at.
    pub const fn offset(&self, u: usize, v: usize) -> Offset {
        let dilation = self.dilation as isize;
        ((u as isize - self.anchor[0] as isize) * dilation, (v as isize - self.anchor[1] as isize) * dilation)
    }

    /// True if the tap at kernel row `u`, column `v` is open from input feature `from` to output feature `to`.
    pub const fn open(&self, u: usize, v: usize, from: usize, to: usize) -> bool {
        let Some(mask) = self.mask else { return true };
        match self.offset(u, v) {
            (..0, _) | (0, ..0) => true,
            (0, 0) => mask.centre_open(self.inputs.group(from), self.outputs.group(to)),
            (0.., _) => false,
        }
    }

    /// Kernel rows and columns of the taps that are open to any feature, in raster order.
    pub fn taps(&self) -> impl Iterator<Item = (usize, usize)> {
        let conv = *self;
        let [rows, columns] = conv.kernel;
        let all = (0..rows).flat_map(move |u| (0..columns).map(move |v| (u, v)));
        all.filter(move |(u, v)| match (conv.mask, conv.offset(*u, *v)) {
            (None, _) | (Some(_), (..0, _) | (0, ..0)) => true,
            (Some(mask), (0, 0)) => conv.opens_centre(mask),
            (Some(_), (0.., _)) => false,
        })
    }

    /// True if the centre tap is open from any input to any output.
    fn opens_centre(&self, mask: Mask) -> bool {
        let first = (0..self.inputs.count).map(|f| self.inputs.group(f)).min();
        let last = (0..self.outputs.count).map(|f| self.outputs.group(f)).max();
        first.zip(last).is_some_and(|(first, last)| mask.centre_open(first, last))
    }
}

/// Recurrent connection of an LSTM: `state_to_state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// Name of its weights, without `.weight`.
    pub name: &'static str,
    /// Offsets of the states that a step reads, in the order of the weights' taps.
    pub taps: List<Offset, MAX_KERNEL>,
    /// Rows that the states move down before they become the op's output.
    pub lowered: usize,
}

/// The row above, as the states of a Row LSTM with a kernel of `kernel` columns read it.
pub fn row_lstm(kernel: usize) -> Recurrence {
    let taps = (0..kernel).map(|v| (-1, v as isize - (kernel / 2) as isize)).collect();
    Recurrence { name: "state_to_state", taps, lowered: 0 }
}

/// Above and left: the left half of a Diagonal BiLSTM.
pub fn diagonal_left() -> Recurrence {
    Recurrence { name: "left.state_to_state", taps: [(-1, 0), (0, -1)].into_iter().collect(), lowered: 0 }
}

/// Above and right: the right half of a Diagonal BiLSTM.
pub fn diagonal_right() -> Recurrence {
    Recurrence { name: "right.state_to_state", taps: [(-1, 0), (0, 1)].into_iter().collect(), lowered: 1 }
}

#[cfg(test)]
mod tests {
    use super::Reach;

    #[test]
    fn past_taps_are_those_before_the_centre() {
        for [height, width] in [[1, 1], [3, 3], [5, 2], [2, 5], [4, 4], [1, 7], [7, 1]] {
            let reach = Reach::of([height, width]);
            assert_eq!(reach.past_taps(), height / 2 * width + width / 2, "{height}x{width}");
            assert_eq!(reach.row(), width);
            let rows: usize = (0..=reach.above).map(|above| reach.past_taps_of_row(above)).sum();
            assert_eq!(rows, reach.past_taps());
        }
    }
}
