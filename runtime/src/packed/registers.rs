//! The registers of all places.

use crate::engine::apart;
use crate::kernels::panel::WORD;
use bytemuck::Pod;
use core::ops::Range;

/// Words after the last register: a product takes whole words of inputs.
const SLACK: usize = 4;

/// Vectors that ops hand to each other: an engine's registers, each of them as a matrix with a row for each place.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    words: Vec<u32>,
    places: usize,
}

impl Registers {
    pub(super) fn new(places: usize, bytes: usize) -> Self {
        Self { words: vec![0; places * bytes.next_multiple_of(4) / 4 + SLACK], places }
    }

    /// The first number of the register at byte `at` of an engine's.
    #[inline(always)]
    pub(super) fn start<T>(&self, at: u32) -> usize {
        at as usize * self.places / size_of::<T>().max(1)
    }

    /// All numbers.
    #[inline(always)]
    pub(super) fn numbers<T: Pod>(&self) -> Option<&[T]> {
        bytemuck::try_cast_slice(&self.words).ok()
    }

    /// All numbers, to write.
    #[inline(always)]
    pub(super) fn numbers_mut<T: Pod>(&mut self) -> Option<&mut [T]> {
        bytemuck::try_cast_slice_mut(&mut self.words).ok()
    }

    /// The register at byte `at`, `[places, count]`.
    #[inline(always)]
    pub(super) fn get<T: Pod>(&self, at: u32, count: usize) -> Option<&[T]> {
        let start = self.start::<T>(at);
        self.numbers()?.get(start..start + self.places * count)
    }

    /// The register at byte `at` of the only place, `count` numbers and what fills their last word.
    #[inline(always)]
    pub(super) fn words<T: Pod>(&self, at: u32, count: usize) -> Option<&[T]> {
        let (start, each) = (at as usize / size_of::<T>(), WORD / size_of::<T>());
        self.numbers()?.get(start..start + count.next_multiple_of(each))
    }

    /// The register at byte `at`, `[places, count]`, to write.
    #[inline(always)]
    pub(super) fn get_mut<T: Pod>(&mut self, at: u32, count: usize) -> Option<&mut [T]> {
        let start = self.start::<T>(at);
        let end = start + self.places * count;
        bytemuck::try_cast_slice_mut(&mut self.words).ok()?.get_mut(start..end)
    }

    /// A register, and another one to write; `None` where they overlap.
    #[inline(always)]
    pub(super) fn apart<T: Pod, U: Pod>(
        &mut self,
        [input, output]: [u32; 2],
        count: usize,
    ) -> Option<(&[T], &mut [U])> {
        let bytes = |at, size| {
            let start = self.start::<u8>(at);
            start..start + self.places * count * size
        };
        let (x, y) = (bytes(input, size_of::<T>()), bytes(output, size_of::<U>()));
        self.bytes_apart(x, y)
    }

    /// Bytes `x`, and bytes `y` to write, as numbers; `None` where they overlap.
    #[inline(always)]
    pub(super) fn bytes_apart<T: Pod, U: Pod>(&mut self, x: Range<usize>, y: Range<usize>) -> Option<(&[T], &mut [U])> {
        apart(bytemuck::must_cast_slice_mut(&mut self.words), x, y)
    }
}

/// Where `features` of `places` lie in a matrix `[places, count]`: one range where all features are wanted, one for each
/// place where not.
#[inline(always)]
pub(super) fn spans(
    places: Range<usize>,
    count: usize,
    features: Range<usize>,
) -> impl Iterator<Item = Range<usize>> + Clone {
    let (times, size) =
        if features.len() == count { (1, places.len() * count) } else { (places.len(), features.len()) };
    (0..times).map(move |n| {
        let start = (places.start + n) * count + features.start;
        start..start + size
    })
}
