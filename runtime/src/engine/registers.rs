//! Vectors that ops hand to each other: byte ranges of one small memory.

use super::memory::copy;
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

    /// Numbers `range` of the vector at byte `at`. They are of type `i8` (activations) or `i16` (the stream), in a float
    /// model of type `f32`.
    pub fn get<T: Pod>(&self, at: u32, range: Range<usize>) -> Option<&[T]> {
        bytemuck::try_cast_slice::<u32, T>(self.words).ok()?.get(shifted::<T>(at, range))
    }

    /// Copies numbers of the vector at byte `at`, from number `first` on.
    pub(super) fn read<T: Pod>(&self, at: u32, first: usize, to: &mut [T]) -> Option<()> {
        copy(to, self.get(at, first..first + to.len())?)
    }

    /// Numbers `range` of the vector at byte `input`, and of the one at byte `output` to write; `None` where they overlap.
    pub(super) fn apart<T: Pod, U: Pod>(
        &mut self,
        input: u32,
        output: u32,
        range: Range<usize>,
    ) -> Option<(&[T], &mut [U])> {
        let bytes: &mut [u8] = bytemuck::must_cast_slice_mut(self.words);
        let x = (input as usize).wrapping_add(range.start * size_of::<T>());
        let y = (output as usize).wrapping_add(range.start * size_of::<U>());
        let (before, after) = bytes.split_at_mut_checked(x.max(y))?;
        let before = before.get_mut(x.min(y)..)?;
        let (x, y) = if x < y { (before, after) } else { (after, before) };
        let (x, y) = (x.get(..range.len() * size_of::<T>())?, y.get_mut(..range.len() * size_of::<U>())?);
        Some((bytemuck::try_cast_slice(x).ok()?, bytemuck::try_cast_slice_mut(y).ok()?))
    }

    /// Numbers `range` of the vector at byte `at`, to write.
    pub(super) fn get_mut<T: Pod>(&mut self, at: u32, range: Range<usize>) -> Option<&mut [T]> {
        bytemuck::try_cast_slice_mut::<u32, T>(self.words).ok()?.get_mut(shifted::<T>(at, range))
    }
}

/// The range of numbers from the beginning of the registers on. Nothing overflows in a blob that was checked, and if it did, the
/// range would be another one and still be checked.
fn shifted<T>(at: u32, range: Range<usize>) -> Range<usize> {
    let first = at as usize / const { if size_of::<T>() == 0 { 1 } else { size_of::<T>() } };
    first.wrapping_add(range.start)..first.wrapping_add(range.end)
}
