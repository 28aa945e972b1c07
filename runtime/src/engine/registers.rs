//! Vectors that ops hand to each other: byte ranges of one small memory.

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

    /// `count` activations from byte `at` on.
    pub fn narrow(&self, at: u32, count: usize) -> Option<&[i8]> {
        let at = at as usize;
        bytemuck::cast_slice::<u32, i8>(self.words).get(at..at.checked_add(count)?)
    }

    /// Activations `range` of the vector at byte `at`, to write.
    pub(super) fn narrow_mut(&mut self, at: u32, range: Range<usize>) -> Option<&mut [i8]> {
        bytemuck::cast_slice_mut::<u32, i8>(self.words).get_mut(shifted(at as usize, range)?)
    }

    /// Values `range` of the 16-bit vector at byte `at`, to write.
    pub(super) fn wide_mut(&mut self, at: u32, range: Range<usize>) -> Option<&mut [i16]> {
        bytemuck::cast_slice_mut::<u32, i16>(self.words).get_mut(shifted(at as usize / 2, range)?)
    }

    /// One value of the 16-bit vector at byte `at`.
    pub fn wide(&self, at: u32, index: usize) -> Option<i16> {
        bytemuck::cast_slice::<u32, i16>(self.words).get((at as usize / 2).checked_add(index)?).copied()
    }
}

fn shifted(at: usize, range: Range<usize>) -> Option<Range<usize>> {
    Some(at.checked_add(range.start)?..at.checked_add(range.end)?)
}
