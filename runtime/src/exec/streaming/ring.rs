//! Ring buffer of vectors of the latest pixels.

use super::memory::copy;
use crate::exec::error::Corrupt;
use bytemuck::Pod;

/// Vectors of the latest `slots` pixels, pixel `p` in slot `p mod slots`.
///
/// A ring has one slot more than the op looks back, so that the current pixel never overwrites a vector that it reads. An
/// interrupted pixel can therefore be computed again.
pub(super) struct Ring<'b, T> {
    memory: &'b mut [T],
    slots: usize,
    length: usize,
}

/// Kernel rows for [`Ring::copy_rows`].
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Number of rows above the centre's.
    pub(super) count: usize,
    /// Elements per row.
    pub(super) length: usize,
    /// Pixels from row to row.
    pub(super) stride: usize,
}

impl<'b, T: Pod> Ring<'b, T> {
    /// Ring of vectors of `length` elements at the beginning of `memory`; with 0 slots it keeps nothing.
    pub(super) fn new(memory: &'b mut [u32], slots: usize, length: usize) -> Option<Self> {
        let memory = bytemuck::try_cast_slice_mut(memory).ok()?.get_mut(..slots * length)?;
        Some(Self { memory, slots, length })
    }

    /// True for a ring without slots.
    pub(super) const fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// Index of the first element of `pixel`.
    fn start(&self, pixel: usize) -> usize {
        // Cannot overflow: the result is below the length of the memory.
        pixel.checked_rem(self.slots).unwrap_or(0) * self.length
    }

    /// Vector of `pixel`.
    pub(super) fn get(&self, pixel: usize) -> Option<&[T]> {
        self.memory.get(self.start(pixel)..)?.get(..self.length)
    }

    /// Index of the vector `pixels` after the one at index `at`; `pixels` is less than the number of slots.
    fn after(&self, at: usize, pixels: usize) -> usize {
        let at = at + pixels * self.length;
        if at >= self.memory.len() { at - self.memory.len() } else { at }
    }

    /// Copies every `step`-th vector from `pixel` on, until `to` is full.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    pub(super) fn copy(&self, pixel: usize, step: usize, to: &mut [T]) -> Result<(), Corrupt> {
        self.copy_from(self.start(pixel), step, to)
    }

    /// [`Ring::copy`] of `rows.count` rows, then of a last row that fills the rest of `to`. The first row begins at `pixel`.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    pub(super) fn copy_rows(&self, pixel: usize, step: usize, rows: Rows, mut to: &mut [T]) -> Result<(), Corrupt> {
        let mut at = self.start(pixel);
        for _ in 0..rows.count {
            self.copy_from(at, step, to.split_off_mut(..rows.length).ok_or(Corrupt)?)?;
            at = self.after(at, rows.stride);
        }
        self.copy_from(at, step, to)
    }

    /// [`Ring::copy`] from the vector at index `at` on.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    fn copy_from(&self, mut at: usize, step: usize, mut to: &mut [T]) -> Result<(), Corrupt> {
        if step == 1 {
            // Fast path of the loop below: adjacent vectors are contiguous up to the wrap-around.
            let from = self.memory.get(at..).ok_or(Corrupt)?;
            if let Some(from) = from.get(..to.len()) {
                return copy(to, from);
            }
            let (to, rest) = to.split_at_mut_checked(from.len()).ok_or(Corrupt)?;
            copy(to, from)?;
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

    /// Vector of `pixel`, mutable.
    pub(super) fn get_mut(&mut self, pixel: usize) -> Option<&mut [T]> {
        let start = self.start(pixel);
        self.memory.get_mut(start..)?.get_mut(..self.length)
    }

    /// Vector of `from`, if any, and the mutable vector of `to`.
    pub(super) fn step(&mut self, from: Option<usize>, to: usize) -> Option<(Option<&[T]>, &mut [T])> {
        let Some(from) = from else { return Some((None, self.get_mut(to)?)) };
        let (from, to) = (self.start(from), self.start(to));
        let (before, after) = self.memory.split_at_mut_checked(from.max(to))?;
        let (before, after) = (before.get_mut(from.min(to)..)?.get_mut(..self.length)?, after.get_mut(..self.length)?);
        Some(if from < to { (Some(before), after) } else { (Some(after), before) })
    }
}
