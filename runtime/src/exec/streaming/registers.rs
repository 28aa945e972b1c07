//! Vectors that ops hand to each other: byte ranges of one small memory.

use super::memory::copy;
use crate::exec::error::Corrupt;
use crate::exec::split::split_disjoint_mut;
use bytemuck::Pod;
use core::ops::Range;

/// The registers of an engine.
#[derive(Debug)]
pub struct Registers<'b> {
    words: &'b mut [u32],
}

impl<'b> Registers<'b> {
    pub(super) fn new(words: &'b mut [u32]) -> Self {
        Self { words }
    }

    /// The same registers, for a while.
    pub(super) fn reborrow(&mut self) -> Registers<'_> {
        Registers { words: self.words }
    }

    /// Numbers `range` of the vector at byte `at`. They are of type `i8` (activations) or `i16` (the stream), in a float
    /// model of type `f32`.
    pub fn get<T: Pod>(&self, at: u32, range: Range<usize>) -> Option<&[T]> {
        bytemuck::try_cast_slice::<u32, T>(self.words).ok()?.get(shifted::<T>(at, range))
    }

    /// Copies numbers of the vector at byte `at`, from number `first` on.
    pub(super) fn read<T: Pod>(&self, at: u32, first: usize, to: &mut [T]) -> Result<(), Corrupt> {
        copy(to, self.get(at, first..first + to.len()).ok_or(Corrupt)?)
    }

    /// Bytes `x`, and bytes `y` to write, as numbers; `None` where they overlap.
    #[inline(always)]
    pub(super) fn split_disjoint_mut<T: Pod, U: Pod>(
        &mut self,
        x: Range<usize>,
        y: Range<usize>,
    ) -> Option<(&[T], &mut [U])> {
        split_disjoint_mut(bytemuck::must_cast_slice_mut(self.words), x, y)
    }

    /// Numbers `range` of the vector at byte `at`, to write.
    pub(super) fn get_mut<T: Pod>(&mut self, at: u32, range: Range<usize>) -> Option<&mut [T]> {
        bytemuck::try_cast_slice_mut::<u32, T>(self.words).ok()?.get_mut(shifted::<T>(at, range))
    }
}

/// The bytes of numbers `range` of the vector at byte `at`.
pub(super) fn bytes<T>(at: u32, range: Range<usize>) -> Range<usize> {
    let byte = |number: usize| (at as usize).wrapping_add(number * size_of::<T>());
    byte(range.start)..byte(range.end)
}

/// The range of numbers from the beginning of the registers on. Nothing overflows in a blob that was checked, and if it did, the
/// range would be another one and still be checked.
fn shifted<T>(at: u32, range: Range<usize>) -> Range<usize> {
    let first = at as usize / const { if size_of::<T>() == 0 { 1 } else { size_of::<T>() } };
    first.wrapping_add(range.start)..first.wrapping_add(range.end)
}
