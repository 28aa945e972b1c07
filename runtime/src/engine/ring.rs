//! The inputs of the last few pixels.

use super::memory::copy;
use bytemuck::Pod;

/// Vectors of the last `slots` pixels, pixel number `p` in slot `p mod slots`.
///
/// A ring has one slot more than the op looks back, so that the pixel being computed takes the place of none that is
/// still read: a pixel that was begun and not finished can be computed again.
pub(super) struct Ring<'b, T> {
    memory: &'b mut [T],
    slots: usize,
    length: usize,
}

impl<'b, T: Pod> Ring<'b, T> {
    /// A ring of vectors of `length`; one without slots keeps nothing.
    pub(super) fn new(memory: &'b mut [T], slots: usize, length: usize) -> Self {
        Self { memory, slots, length }
    }

    fn range(&self, pixel: usize) -> Option<core::ops::Range<usize>> {
        let start = pixel.checked_rem(self.slots)?.checked_mul(self.length)?;
        Some(start..start.checked_add(self.length)?)
    }

    /// The vector of `pixel`.
    pub(super) fn get(&self, pixel: usize) -> Option<&[T]> {
        self.memory.get(self.range(pixel)?)
    }

    /// The vectors of `pixel` and those after it, `count` in all, where they lie in one piece.
    pub(super) fn run(&self, pixel: usize, count: usize) -> Option<&[T]> {
        let start = pixel.checked_rem(self.slots)?.checked_mul(self.length)?;
        // What the ring's last vector is followed by, in memory that is longer, is not its first one.
        self.memory.get(..self.slots * self.length)?.get(start..start.checked_add(count * self.length)?)
    }

    /// The vector of `pixel`, to write.
    pub(super) fn get_mut(&mut self, pixel: usize) -> Option<&mut [T]> {
        let range = self.range(pixel)?;
        self.memory.get_mut(range)
    }

    /// The vector of `from`, where there is one, and that of `to`, to write.
    pub(super) fn step(&mut self, from: Option<usize>, to: usize) -> Option<(Option<&[T]>, &mut [T])> {
        let Some(from) = from else { return Some((None, self.get_mut(to)?)) };
        let (from, to) = (self.range(from)?, self.range(to)?);
        if from.start < to.start {
            let (before, after) = self.memory.split_at_mut_checked(to.start)?;
            Some((Some(before.get(from)?), after.get_mut(..self.length)?))
        } else {
            let (before, after) = self.memory.split_at_mut_checked(from.start)?;
            Some((Some(after.get(..self.length)?), before.get_mut(to)?))
        }
    }

    /// Keeps `x` as the vector of `pixel`.
    pub(super) fn put(&mut self, pixel: usize, x: &[T]) -> Option<()> {
        if self.slots == 0 {
            return Some(());
        }
        copy(self.get_mut(pixel)?, x)
    }
}
