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
    /// A ring of vectors of `length` at the beginning of `memory`; one without slots keeps nothing.
    pub(super) fn new(memory: &'b mut [u32], slots: usize, length: usize) -> Option<Self> {
        let memory = bytemuck::try_cast_slice_mut(memory).ok()?.get_mut(..slots * length)?;
        Some(Self { memory, slots, length })
    }

    /// Whether the ring keeps nothing.
    pub(super) const fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// Where the vector of `pixel` begins.
    fn start(&self, pixel: usize) -> usize {
        // It cannot overflow: what is there is longer.
        pixel.checked_rem(self.slots).unwrap_or(0) * self.length
    }

    /// The vector of `pixel`.
    pub(super) fn get(&self, pixel: usize) -> Option<&[T]> {
        self.memory.get(self.start(pixel)..)?.get(..self.length)
    }

    /// Copies the vectors of `pixel` and of each that is `step` after the one before, as many as `to` has room for.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    pub(super) fn copy(&self, pixel: usize, step: usize, mut to: &mut [T]) -> Option<()> {
        let (mut at, all) = (self.start(pixel), self.memory.len());
        if step == 1 {
            // Neighbours lie together, until the ring begins anew.
            let there = self.memory.get(at..)?;
            let (to, rest) = to.split_at_mut(there.len().min(to.len()));
            copy(to, there.get(..to.len())?)?;
            return copy(rest, self.memory.get(..rest.len())?);
        }
        while !to.is_empty() {
            copy(to.split_off_mut(..self.length)?, self.memory.get(at..at + self.length)?)?;
            at += step * self.length;
            at = if at >= all { at - all } else { at };
        }
        Some(())
    }

    /// The vector of `pixel`, to write.
    pub(super) fn get_mut(&mut self, pixel: usize) -> Option<&mut [T]> {
        let start = self.start(pixel);
        self.memory.get_mut(start..)?.get_mut(..self.length)
    }

    /// The vector of `from`, where there is one, and that of `to`, to write.
    pub(super) fn step(&mut self, from: Option<usize>, to: usize) -> Option<(Option<&[T]>, &mut [T])> {
        let Some(from) = from else { return Some((None, self.get_mut(to)?)) };
        let (from, to) = (self.start(from), self.start(to));
        let (before, after) = self.memory.split_at_mut_checked(from.max(to))?;
        let (before, after) = (before.get_mut(from.min(to)..)?.get_mut(..self.length)?, after.get_mut(..self.length)?);
        Some(if from < to { (Some(before), after) } else { (Some(after), before) })
    }
}
