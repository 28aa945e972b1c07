//! Vectors that ops hand to each other: byte ranges of one small memory.

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
        bytemuck::try_cast_slice::<u32, T>(self.words).ok()?.get(shifted::<T>(at, range)?)
    }

    /// One number of the vector at byte `at`.
    #[inline(never)]
    pub(super) fn one<T: Pod>(&self, at: u32, index: usize) -> Option<T> {
        self.get(at, index..index.checked_add(1)?)?.first().copied()
    }

    /// Numbers `range` of the vector at byte `at`, to write.
    pub(super) fn get_mut<T: Pod>(&mut self, at: u32, range: Range<usize>) -> Option<&mut [T]> {
        bytemuck::try_cast_slice_mut::<u32, T>(self.words).ok()?.get_mut(shifted::<T>(at, range)?)
    }

    /// Numbers of one vector to read and of another to write, each at a byte and a range; `None` where they overlap.
    pub(super) fn apart<T: Pod, U: Pod>(
        &mut self,
        input: (u32, Range<usize>),
        output: (u32, Range<usize>),
    ) -> Option<(&[T], &mut [U])> {
        let bytes: &mut [u8] = bytemuck::must_cast_slice_mut(self.words);
        let input = in_bytes::<T>(input)?;
        let output = in_bytes::<U>(output)?;
        let (input, output) = if input.end <= output.start {
            let (before, after) = bytes.split_at_mut_checked(output.start)?;
            (before.get(input)?, after.get_mut(..output.len())?)
        } else {
            let (before, after) = bytes.split_at_mut_checked(input.start)?;
            (after.get(..input.len())?, before.get_mut(output)?)
        };
        Some((bytemuck::try_cast_slice(input).ok()?, bytemuck::try_cast_slice_mut(output).ok()?))
    }

    /// Writes one number of the vector at byte `at`.
    #[inline(never)]
    pub(super) fn set<T: Pod>(&mut self, at: u32, index: usize, value: T) -> Option<()> {
        *self.get_mut(at, index..index.checked_add(1)?)?.first_mut()? = value;
        Some(())
    }
}

fn shifted<T>(at: u32, range: Range<usize>) -> Option<Range<usize>> {
    let first = (at as usize).checked_div(size_of::<T>())?;
    Some(first.checked_add(range.start)?..first.checked_add(range.end)?)
}

fn in_bytes<T>((at, range): (u32, Range<usize>)) -> Option<Range<usize>> {
    let at = at as usize;
    Some(at.checked_add(range.start * size_of::<T>())?..at.checked_add(range.end * size_of::<T>())?)
}
