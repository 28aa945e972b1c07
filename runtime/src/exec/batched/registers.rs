//! Registers of all columns of the batch.

use crate::exec::split::split_disjoint_mut;
use crate::kernels::gemm::WORD;
use bytemuck::Pod;
use core::ops::Range;

/// Words after the last register: products read whole words of inputs.
const SLACK: usize = 4;

/// Vectors passed between ops. Each register of the blob is a matrix with one row per column of the batch.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    words: Vec<u32>,
    batch_columns: usize,
}

impl Registers {
    pub(super) fn new(batch_columns: usize, bytes: usize) -> Self {
        Self { words: vec![0; batch_columns * bytes.next_multiple_of(4) / 4 + SLACK], batch_columns }
    }

    /// Index of the first element of the register at blob offset `at`.
    #[inline(always)]
    pub(super) fn start<T>(&self, at: u32) -> usize {
        at as usize * self.batch_columns / size_of::<T>().max(1)
    }

    /// All elements.
    #[inline(always)]
    pub(super) fn slice<T: Pod>(&self) -> Option<&[T]> {
        bytemuck::try_cast_slice(&self.words).ok()
    }

    /// All elements, mutable.
    #[inline(always)]
    pub(super) fn slice_mut<T: Pod>(&mut self) -> Option<&mut [T]> {
        bytemuck::try_cast_slice_mut(&mut self.words).ok()
    }

    /// Register at byte `at`, `[batch_columns, count]`.
    #[inline(always)]
    pub(super) fn get<T: Pod>(&self, at: u32, count: usize) -> Option<&[T]> {
        let start = self.start::<T>(at);
        self.slice()?.get(start..start + self.batch_columns * count)
    }

    /// Fast path of [`Registers::get`] for a single column of the batch: same elements, rounded up to whole words.
    #[inline(always)]
    pub(super) fn words<T: Pod>(&self, at: u32, count: usize) -> Option<&[T]> {
        let (start, each) = (at as usize / size_of::<T>(), WORD / size_of::<T>());
        self.slice()?.get(start..start + count.next_multiple_of(each))
    }

    /// Register at byte `at`, `[batch_columns, count]`, mutable.
    #[inline(always)]
    pub(super) fn get_mut<T: Pod>(&mut self, at: u32, count: usize) -> Option<&mut [T]> {
        let start = self.start::<T>(at);
        let end = start + self.batch_columns * count;
        bytemuck::try_cast_slice_mut(&mut self.words).ok()?.get_mut(start..end)
    }

    /// Register `input`, shared, and register `output`, mutable; `None` if they overlap.
    #[inline(always)]
    pub(super) fn split_disjoint_mut<T: Pod, U: Pod>(
        &mut self,
        [input, output]: [u32; 2],
        count: usize,
    ) -> Option<(&[T], &mut [U])> {
        let bytes = |at, size| {
            let start = self.start::<u8>(at);
            start..start + self.batch_columns * count * size
        };
        let (x, y) = (bytes(input, size_of::<T>()), bytes(output, size_of::<U>()));
        self.bytes_split_disjoint_mut(x, y)
    }

    /// Byte range `x`, shared, and byte range `y`, mutable, cast to `T` and `U`; `None` if they overlap.
    #[inline(always)]
    pub(super) fn bytes_split_disjoint_mut<T: Pod, U: Pod>(
        &mut self,
        x: Range<usize>,
        y: Range<usize>,
    ) -> Option<(&[T], &mut [U])> {
        split_disjoint_mut(bytemuck::must_cast_slice_mut(&mut self.words), x, y)
    }
}

/// Contiguous ranges of `features` of `batch_columns` in a matrix `[batch_columns, count]`: one range for all features, else one per
/// column of the batch.
#[inline(always)]
pub(super) fn spans(
    batch_columns: Range<usize>,
    count: usize,
    features: Range<usize>,
) -> impl Iterator<Item = Range<usize>> + Clone {
    let (times, size) =
        if features.len() == count { (1, batch_columns.len() * count) } else { (batch_columns.len(), features.len()) };
    (0..times).map(move |n| {
        let start = (batch_columns.start + n) * count + features.start;
        start..start + size
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_a_matrix_with_a_row_for_each_column_of_the_batch() {
        let mut registers = Registers::new(3, 8);
        // Bytes 0 to 3 of an engine's registers, then bytes 4 to 7.
        registers.get_mut::<u8>(0, 4).unwrap().copy_from_slice(&[1; 12]);
        registers.get_mut::<i16>(4, 2).unwrap().copy_from_slice(&[-1; 6]);
        assert_eq!((registers.start::<u8>(4), registers.start::<i16>(4)), (12, 6));
        assert_eq!(registers.get::<u8>(0, 4), Some(&[1; 12][..]));
        assert_eq!(registers.get::<u8>(4, 4), Some(&[255; 12][..]));
    }

    #[test]
    fn whole_words_can_be_read_after_the_last_register() {
        let registers = Registers::new(1, 6);
        assert_eq!(registers.words::<u8>(5, 1).map(<[u8]>::len), Some(4));
        assert_eq!(registers.words::<i16>(4, 3).map(<[i16]>::len), Some(4));
        assert_eq!(registers.get::<u8>(0, 25), None, "8 bytes, and 16 after them");
    }

    #[test]
    fn two_registers_are_borrowed_at_once_unless_they_overlap() {
        let mut registers = Registers::new(2, 12);
        registers.get_mut::<i16>(8, 2).unwrap().copy_from_slice(&[5, 6, 7, 8]);
        let (x, y) = registers.split_disjoint_mut::<i16, u8>([8, 0], 2).unwrap();
        assert_eq!((x, y.len()), (&[5, 6, 7, 8][..], 4));
        assert!(registers.split_disjoint_mut::<i16, u8>([0, 2], 2).is_none());
        assert!(registers.bytes_split_disjoint_mut::<u8, u8>(0..4, 40..44).is_none(), "past the end");
    }

    #[test]
    fn all_features_are_one_span_and_some_are_one_for_each_column() {
        assert!(spans(1..3, 5, 0..5).eq(core::iter::once(5..15)));
        assert!(spans(1..3, 5, 2..4).eq([7..9, 12..14]));
        assert_eq!(spans(0..0, 5, 2..4).count(), 0);
    }
}
