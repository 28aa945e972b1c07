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
