//! Collects what the taps of one kernel row read.

use super::Context;
use super::memory::{copy, fill};
use super::ring::Ring;
use bytemuck::Pod;

/// The columns of one row that a kernel reads.
#[derive(Clone, Copy)]
pub(super) struct Columns<T> {
    /// Taps to the left of the centre.
    pub(super) left: usize,
    /// Columns from tap to tap.
    pub(super) dilation: usize,
    /// What stands for a feature outside the image.
    pub(super) zero: T,
}

impl<T: Pod> Columns<T> {
    /// Fills `patch` with the vectors of `length` features under as many taps as it has room for, leftmost first, in
    /// image row `row`; `None` is above the image.
    pub(super) fn gather(
        &self,
        context: &Context<'_>,
        row: Option<usize>,
        ring: &Ring<'_, T>,
        length: usize,
        patch: &mut [T],
    ) -> Option<()> {
        let Some(row) = row else {
            fill(patch, self.zero);
            return Some(());
        };
        // Neighbours in the image are neighbours in the ring, but where it begins anew.
        let taps = patch.len().checked_div(length)?;
        if (self.dilation == 1 || taps == 1)
            && let Some(first) = self.column(context, 0)
            && first + taps <= context.width
            && let Some(vectors) = ring.run(row * context.width + first, taps)
        {
            return copy(patch, vectors);
        }
        for (tap, features) in patch.chunks_exact_mut(length).enumerate() {
            match self.column(context, tap) {
                None => fill(features, self.zero),
                Some(column) => copy(features, ring.get(row * context.width + column)?)?,
            }
        }
        Some(())
    }

    /// The column under a tap, where it is inside the image.
    pub(super) fn column(&self, context: &Context<'_>, tap: usize) -> Option<usize> {
        let column = (context.column + tap * self.dilation).checked_sub(self.left * self.dilation)?;
        (column < context.width).then_some(column)
    }
}
