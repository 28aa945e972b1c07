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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_begins_at_its_byte_and_its_numbers_are_counted_in_their_type() {
        let mut words = [0x0403_0201, 0x0807_0605];
        let mut registers = Registers::new(&mut words);
        assert_eq!(registers.get::<i8>(2, 1..4), Some(&[4, 5, 6][..]));
        assert_eq!(registers.get::<i16>(4, 0..2), Some(&[0x0605, 0x0807][..]));
        registers.get_mut::<i16>(2, 0..1).unwrap()[0] = -1;
        assert_eq!(words, [0xffff_0201, 0x0807_0605]);
    }

    #[test]
    fn a_vector_that_reaches_past_the_end_is_none() {
        let mut words = [0; 2];
        let mut registers = Registers::new(&mut words);
        assert!(registers.get::<i16>(4, 0..2).is_some());
        assert_eq!(registers.get::<i16>(4, 0..3), None);
        assert_eq!(registers.get_mut::<i8>(9, 0..1), None);
        assert_eq!(registers.get::<i8>(u32::MAX, 0..usize::MAX), None);
    }

    #[test]
    fn reading_copies_numbers_from_the_first_on() {
        let mut words = [0x0403_0201, 0x0807_0605];
        let registers = Registers::new(&mut words);
        let mut to = [0i8; 3];
        registers.read(1, 2, &mut to).unwrap();
        assert_eq!(to, [4, 5, 6]);
        assert_eq!(registers.read(4, 2, &mut to), Err(Corrupt));
    }

    #[test]
    fn two_vectors_are_borrowed_at_once_unless_they_overlap() {
        let mut words = [0x0403_0201, 0x0807_0605, 0];
        let mut registers = Registers::new(&mut words);
        let (narrow, wide) = (bytes::<i8>(0, 1..3), bytes::<i16>(4, 1..3));
        assert_eq!((narrow.clone(), wide.clone()), (1..3, 6..10));
        let (x, y) = registers.split_disjoint_mut::<i8, i16>(narrow, wide).unwrap();
        assert_eq!((x, y), (&[2, 3][..], &mut [0x0807, 0][..]));
        let (x, y) = registers.split_disjoint_mut::<i16, i8>(6..10, 1..3).unwrap();
        assert_eq!((x, y), (&[0x0807, 0][..], &mut [2, 3][..]));
        assert!(registers.split_disjoint_mut::<i8, i8>(0..4, 3..7).is_none());
        assert!(registers.split_disjoint_mut::<i8, i8>(0..4, 10..13).is_none(), "past the end");
    }
}
