//! Ring buffer of vectors of the latest pixels.

use super::memory::copy;
use crate::exec::error::Corrupt;
use bytemuck::Pod;

/// Vectors of the latest `slots` pixels, pixel `p` in slot `p mod slots`.
///
/// A ring has one slot more than the op looks back, so that the current pixel never overwrites a vector that it reads. An
/// interrupted pixel can therefore be computed again.
pub(super) struct Ring<'b, T> {
    memory: &'b mut [T],
    slots: usize,
    length: usize,
}

/// Kernel rows for [`Ring::copy_rows`].
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// Number of rows above the centre's.
    pub(super) count: usize,
    /// Elements per row.
    pub(super) length: usize,
    /// Pixels from row to row.
    pub(super) stride: usize,
}

impl<'b, T: Pod> Ring<'b, T> {
    /// Ring of vectors of `length` elements at the beginning of `memory`; with 0 slots it keeps nothing.
    pub(super) fn new(memory: &'b mut [u32], slots: usize, length: usize) -> Option<Self> {
        let memory = bytemuck::try_cast_slice_mut(memory).ok()?.get_mut(..slots * length)?;
        Some(Self { memory, slots, length })
    }

    /// True for a ring without slots.
    pub(super) const fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// Index of the first element of `pixel`.
    fn start(&self, pixel: usize) -> usize {
        // Cannot overflow: the result is below the length of the memory.
        pixel.checked_rem(self.slots).unwrap_or(0) * self.length
    }

    /// Vector of `pixel`.
    pub(super) fn get(&self, pixel: usize) -> Option<&[T]> {
        self.memory.get(self.start(pixel)..)?.get(..self.length)
    }

    /// Index of the vector `pixels` after the one at index `at`; `pixels` is less than the number of slots.
    fn after(&self, at: usize, pixels: usize) -> usize {
        let at = at + pixels * self.length;
        if at >= self.memory.len() { at - self.memory.len() } else { at }
    }

    /// Copies every `step`-th vector from `pixel` on, until `to` is full.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    pub(super) fn copy(&self, pixel: usize, step: usize, to: &mut [T]) -> Result<(), Corrupt> {
        self.copy_from(self.start(pixel), step, to)
    }

    /// [`Ring::copy`] of `rows.count` rows, then of a last row that fills the rest of `to`. The first row begins at `pixel`.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    pub(super) fn copy_rows(&self, pixel: usize, step: usize, rows: Rows, mut to: &mut [T]) -> Result<(), Corrupt> {
        let mut at = self.start(pixel);
        for _ in 0..rows.count {
            self.copy_from(at, step, to.split_off_mut(..rows.length).ok_or(Corrupt)?)?;
            at = self.after(at, rows.stride);
        }
        self.copy_from(at, step, to)
    }

    /// [`Ring::copy`] from the vector at index `at` on.
    #[cfg_attr(pixelrnn_mve, inline(always))]
    fn copy_from(&self, mut at: usize, step: usize, mut to: &mut [T]) -> Result<(), Corrupt> {
        if step == 1 {
            // Fast path of the loop below: adjacent vectors are contiguous up to the wrap-around.
            let from = self.memory.get(at..).ok_or(Corrupt)?;
            if let Some(from) = from.get(..to.len()) {
                return copy(to, from);
            }
            let (to, rest) = to.split_at_mut_checked(from.len()).ok_or(Corrupt)?;
            copy(to, from)?;
            return copy(rest, self.memory.get(..rest.len()).ok_or(Corrupt)?);
        }
        while !to.is_empty() {
            copy(
                to.split_off_mut(..self.length).ok_or(Corrupt)?,
                self.memory.get(at..at + self.length).ok_or(Corrupt)?,
            )?;
            at = self.after(at, step);
        }
        Ok(())
    }

    /// Vector of `pixel`, mutable.
    pub(super) fn get_mut(&mut self, pixel: usize) -> Option<&mut [T]> {
        let start = self.start(pixel);
        self.memory.get_mut(start..)?.get_mut(..self.length)
    }

    /// Vector of `from`, if any, and the mutable vector of `to`.
    pub(super) fn step(&mut self, from: Option<usize>, to: usize) -> Option<(Option<&[T]>, &mut [T])> {
        let Some(from) = from else { return Some((None, self.get_mut(to)?)) };
        let (from, to) = (self.start(from), self.start(to));
        let (before, after) = self.memory.split_at_mut_checked(from.max(to))?;
        let (before, after) = (before.get_mut(from.min(to)..)?.get_mut(..self.length)?, after.get_mut(..self.length)?);
        Some(if from < to { (Some(before), after) } else { (Some(after), before) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three slots of two numbers, with pixels 4, 5 and 6 in them: number `n` of pixel `p` is `10 p + n`.
    fn with_ring(test: impl FnOnce(Ring<'_, i8>)) {
        let mut memory = [0; 2];
        let mut ring = Ring::new(&mut memory, 3, 2).unwrap();
        for pixel in 4..7 {
            ring.get_mut(pixel).unwrap().copy_from_slice(&[10 * pixel as i8, 10 * pixel as i8 + 1]);
        }
        test(ring);
    }

    #[test]
    fn a_pixel_takes_the_slot_of_the_pixel_that_is_as_far_back_as_there_are_slots() {
        with_ring(|mut ring| {
            ring.get_mut(7).unwrap().copy_from_slice(&[70, 71]);
            let pixels = [5, 6, 7].map(|pixel| ring.get(pixel).unwrap());
            assert_eq!(pixels, [[50, 51], [60, 61], [70, 71]]);
            assert_eq!(ring.get(4), ring.get(7));
        });
    }

    #[test]
    fn neighbours_are_copied_across_the_end_of_the_memory() {
        with_ring(|ring| {
            let mut all = [0; 6];
            for (pixel, expected) in [(4, [40, 41, 50, 51, 60, 61]), (5, [50, 51, 60, 61, 40, 41])] {
                ring.copy(pixel, 1, &mut all).unwrap();
                assert_eq!(all, expected);
            }
        });
    }

    #[test]
    fn pixels_that_are_a_step_apart_are_copied_one_by_one() {
        with_ring(|ring| {
            let mut two = [0; 4];
            ring.copy(4, 2, &mut two).unwrap();
            assert_eq!(two, [40, 41, 60, 61]);
            ring.copy(5, 2, &mut two).unwrap();
            assert_eq!(two, [50, 51, 40, 41], "pixel 7 is in the slot of pixel 4");
        });
    }

    #[test]
    fn rows_begin_a_stride_apart_and_the_last_one_takes_the_rest() {
        with_ring(|ring| {
            let mut rows = [0; 8];
            ring.copy_rows(4, 1, Rows { count: 1, length: 4, stride: 2 }, &mut rows[..6]).unwrap();
            assert_eq!(rows, [40, 41, 50, 51, 60, 61, 0, 0]);
            assert_eq!(
                ring.copy_rows(4, 1, Rows { count: 3, length: 4, stride: 1 }, &mut rows),
                Err(Corrupt),
                "no room for three rows"
            );
        });
    }

    #[test]
    fn more_than_the_ring_keeps_is_not_copied() {
        with_ring(|ring| assert_eq!(ring.copy(5, 1, &mut [0; 10]), Err(Corrupt)));
    }

    #[test]
    fn a_step_reads_one_slot_and_writes_another() {
        with_ring(|mut ring| {
            for (from, to) in [(4, 5), (6, 7)] {
                let (before, after) = ring.step(Some(from), to).unwrap();
                after.copy_from_slice(before.unwrap());
                assert_eq!(ring.get(from), ring.get(to));
            }
            let (before, after) = ring.step(None, 5).unwrap();
            assert_eq!((before, after), (None, &mut [40, 41][..]));
            assert!(ring.step(Some(4), 7).is_none(), "both are the same slot");
        });
    }

    #[test]
    fn a_ring_without_slots_is_empty_and_one_that_does_not_fit_is_none() {
        assert!(Ring::<i16>::new(&mut [], 0, 5).unwrap().is_empty());
        assert!(Ring::<i16>::new(&mut [0; 2], 1, 4).is_some_and(|ring| !ring.is_empty()));
        assert!(Ring::<i16>::new(&mut [0; 2], 1, 5).is_none());
    }
}
