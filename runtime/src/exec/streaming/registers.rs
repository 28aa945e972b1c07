//! Registers: vectors passed between ops, as byte ranges of one small memory.

use super::memory::copy;
use crate::exec::error::Corrupt;
use crate::exec::split::split_disjoint_mut;
use bytemuck::Pod;
use core::ops::Range;

/// Registers of an engine.
#[derive(Debug)]
pub struct Registers<'b> {
    words: &'b mut [u32],
}

impl<'b> Registers<'b> {
    pub(super) fn new(words: &'b mut [u32]) -> Self {
        Self { words }
    }

    /// The same registers with a shorter lifetime.
    pub(super) fn reborrow(&mut self) -> Registers<'_> {
        Registers { words: self.words }
    }

    /// Elements `range` of the vector at byte `at`: activations of type `i8` (`i16` with 16-bit activations) or residuals of type
    /// `i16`; both are `f32` in a float model.
    pub fn get<T: Pod>(&self, at: u32, range: Range<usize>) -> Option<&[T]> {
        bytemuck::try_cast_slice::<u32, T>(self.words).ok()?.get(shifted::<T>(at, range))
    }

    /// Copies elements of the vector at byte `at`, from index `first` on.
    pub(super) fn read<T: Pod>(&self, at: u32, first: usize, to: &mut [T]) -> Result<(), Corrupt> {
        copy(to, self.get(at, first..first + to.len()).ok_or(Corrupt)?)
    }

    /// Byte range `x`, shared, and byte range `y`, mutable, cast to `T` and `U`; `None` if they overlap.
    #[inline(always)]
    pub(super) fn split_disjoint_mut<T: Pod, U: Pod>(
        &mut self,
        x: Range<usize>,
        y: Range<usize>,
    ) -> Option<(&[T], &mut [U])> {
        split_disjoint_mut(bytemuck::must_cast_slice_mut(self.words), x, y)
    }

    /// Elements `range` of the vector at byte `at`, mutable.
    pub(super) fn get_mut<T: Pod>(&mut self, at: u32, range: Range<usize>) -> Option<&mut [T]> {
        bytemuck::try_cast_slice_mut::<u32, T>(self.words).ok()?.get_mut(shifted::<T>(at, range))
    }
}

/// Byte range of elements `range` of the vector at byte `at`.
pub(super) fn bytes<T>(at: u32, range: Range<usize>) -> Range<usize> {
    let byte = |index: usize| (at as usize).wrapping_add(index * size_of::<T>());
    byte(range.start)..byte(range.end)
}

/// `range` shifted to the beginning of the registers, in elements. Cannot overflow for a checked blob; a wrapped range is still
/// bounds-checked.
fn shifted<T>(at: u32, range: Range<usize>) -> Range<usize> {
    let first = at as usize / const { if size_of::<T>() == 0 { 1 } else { size_of::<T>() } };
    first.wrapping_add(range.start)..first.wrapping_add(range.end)
}
