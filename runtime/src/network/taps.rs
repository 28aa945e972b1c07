//! Tap geometry: the pixels that a kernel reads, relative to the pixel being computed.
//!
//! Masks, context, quantizer, trainer and executors all take their geometry from here.

use super::list::List;
use super::ops::MaskedConv;

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

impl MaskedConv {
    /// Reach of the kernel.
    pub const fn reach(&self) -> Reach {
        Reach::of(self.kernel)
    }

    /// True if the tap at kernel row `u`, column `v` is open from input feature `from` to output feature `to`.
    pub const fn open(&self, u: usize, v: usize, from: usize, to: usize) -> bool {
        let Reach { above, left, .. } = self.reach();
        u < above
            || (u == above
                && (v < left || (v == left && self.mask.centre_open(self.inputs.group(from), self.outputs.group(to)))))
    }

    /// Offset that tap (`u`, `v`) reads at.
    pub const fn offset(&self, u: usize, v: usize) -> Offset {
        let Reach { above, left, .. } = self.reach();
        let dilation = self.dilation as isize;
        ((u as isize - above as isize) * dilation, (v as isize - left as isize) * dilation)
    }

    /// Offsets of the taps before the centre, in raster order.
    pub fn past(&self) -> impl Iterator<Item = Offset> {
        let (conv, reach) = (*self, self.reach());
        (0..=reach.above)
            .flat_map(move |u| (0..reach.past_taps_of_row(reach.above - u)).map(move |v| conv.offset(u, v)))
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
