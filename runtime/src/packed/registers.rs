//! The registers of all places.

use bytemuck::Pod;
use core::ops::Range;

/// Words after the last place's: a product takes whole words of inputs.
const SLACK: usize = 4;

/// Vectors that ops hand to each other: those of an engine, for each place.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    words: Vec<u32>,
    /// Bytes from place to place.
    bytes: usize,
}

impl Registers {
    pub(super) fn new(places: usize, bytes: usize) -> Self {
        let bytes = bytes.next_multiple_of(4);
        Self { words: vec![0; places * bytes / 4 + SLACK], bytes }
    }

    /// Numbers from place to place.
    pub(super) fn stride<T>(&self) -> usize {
        self.bytes / size_of::<T>().max(1)
    }

    /// All of them.
    pub(super) fn numbers<T: Pod>(&self) -> Option<&[T]> {
        bytemuck::try_cast_slice(&self.words).ok()
    }

    fn range<T>(&self, place: usize, at: u32, range: Range<usize>) -> Range<usize> {
        let first = place * self.stride::<T>() + at as usize / size_of::<T>().max(1);
        first + range.start..first + range.end
    }

    /// Numbers `range` of the vector at byte `at` of a place.
    #[inline(always)]
    pub(super) fn get<T: Pod>(&self, place: usize, at: u32, range: Range<usize>) -> Option<&[T]> {
        self.numbers()?.get(self.range::<T>(place, at, range))
    }

    /// Numbers `range` of the vector at byte `at` of a place, to write.
    #[inline(always)]
    pub(super) fn get_mut<T: Pod>(&mut self, place: usize, at: u32, range: Range<usize>) -> Option<&mut [T]> {
        let range = self.range::<T>(place, at, range);
        bytemuck::try_cast_slice_mut(&mut self.words).ok()?.get_mut(range)
    }

    /// Numbers `range` of a vector of a place, and of another one to write; `None` where they overlap.
    #[inline(always)]
    pub(super) fn apart<T: Pod, U: Pod>(
        &mut self,
        place: usize,
        [input, output]: [u32; 2],
        range: Range<usize>,
    ) -> Option<(&[T], &mut [U])> {
        let first = place * self.bytes;
        let x = first + input as usize + range.start * size_of::<T>();
        let y = first + output as usize + range.start * size_of::<U>();
        let bytes: &mut [u8] = bytemuck::try_cast_slice_mut(&mut self.words).ok()?;
        let (before, after) = bytes.split_at_mut_checked(x.max(y))?;
        let before = before.get_mut(x.min(y)..)?;
        let (x, y) = if x < y { (before, after) } else { (after, before) };
        let (x, y) = (x.get(..range.len() * size_of::<T>())?, y.get_mut(..range.len() * size_of::<U>())?);
        Some((bytemuck::try_cast_slice(x).ok()?, bytemuck::try_cast_slice_mut(y).ok()?))
    }
}
