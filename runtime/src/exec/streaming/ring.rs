//! The inputs of the last few pixels.

use super::memory::copy;
use crate::exec::error::Corrupt;
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

    /// Where the vector begins that is `pixels` after the one at `at`: fewer than the ring has.
    fn after(&self, at: usize, pixels: usize) -> usize {
        let at = at + pixels * self.length;
        if at >= self.memory.len() { at - self.memory.len() } else { at }
    }

    /// Copies the vectors of `pixel` and of each that is `step` after the one before, as many as `to` has room for.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    pub(super) fn copy(&self, pixel: usize, step: usize, to: &mut [T]) -> Result<(), Corrupt> {
        self.copy_from(self.start(pixel), step, to)
    }

    /// [`Ring::copy`] of several pixels, each `stride` after the one before, into as many pieces of `row` numbers as `to` has room
    /// for, and what is left.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    pub(super) fn copy_rows(
        &self,
        pixel: usize,
        step: usize,
        (rows, row, stride): (usize, usize, usize),
        mut to: &mut [T],
    ) -> Result<(), Corrupt> {
        let mut at = self.start(pixel);
        for _ in 0..rows {
            self.copy_from(at, step, to.split_off_mut(..row).ok_or(Corrupt)?)?;
            at = self.after(at, stride);
        }
        self.copy_from(at, step, to)
    }

    /// [`Ring::copy`] from the vector on that begins at `at`.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    fn copy_from(&self, mut at: usize, step: usize, mut to: &mut [T]) -> Result<(), Corrupt> {
        if step == 1 {
            // Neighbours lie together, until the ring begins anew.
            let there = self.memory.get(at..).ok_or(Corrupt)?;
            if let Some(there) = there.get(..to.len()) {
                return copy(to, there);
            }
            let (to, rest) = to.split_at_mut_checked(there.len()).ok_or(Corrupt)?;
            copy(to, there)?;
            return copy(rest, self.memory.get(..rest.len()).ok_or(Corrupt)?);
        }
        while !to.is_empty() {
            copy(
                to.split_off_mut(..self.length).ok_or(Corrupt)?,
                self.memory.get(at..at + self.length).ok_or(Corrupt)?,
            )?;
            at = self.after(at, step);
        }
        Ok(())
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
