//! Cache of the latest rows of a feature map, with padding columns on both sides.

use super::registers::{Registers, spans};
use super::step::Step;
use crate::blob::group_start;
use crate::exec::error::Corrupt;
use crate::kernels::map_within;
use bytemuck::Pod;
use core::ops::Range;

/// Elements after the last vector: products read whole words of inputs.
const SLACK: usize = 8;

/// Shape of a [`RowCache`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) images: usize,
    /// Minimum number of rows kept. Row `r` of the map is in slot `r mod slots`, with `slots` the next power of two.
    pub(super) rows: usize,
    /// Padding columns to the left, columns of the map, padding columns to the right.
    pub(super) columns: [usize; 3],
    pub(super) features: usize,
}

/// Latest rows, `[slots, columns, images, features]` or `[images, slots, columns, features]`.
#[derive(Clone, Debug)]
pub(super) struct RowCache<T> {
    elements: Vec<T>,
    slots: usize,
    left: usize,
    features: usize,
    /// Elements from slot to slot, from column to column and from image to image.
    strides: [usize; 3],
}

impl<T: Pod> RowCache<T> {
    /// Cache of order `[slots, columns, images, features]`: the vectors of a pixel in all images are contiguous.
    pub(super) fn new(Shape { images, rows, columns: [left, width, right], features }: Shape) -> Self {
        let slots = rows.next_power_of_two();
        let column = images * features;
        let row = (left + width + right) * column;
        let elements = vec![T::zeroed(); slots * row + SLACK];
        Self { elements, slots, left, features, strides: [row, column, features] }
    }

    /// Cache of order `[images, slots, columns, features]`: the vectors of an image's row are contiguous.
    pub(super) fn by_image(shape: Shape) -> Self {
        let rows = Self::new(shape);
        let row = shape.columns.iter().sum::<usize>() * shape.features;
        Self { strides: [row, shape.features, rows.slots * row], ..rows }
    }

    /// Sets all elements to the padding value.
    pub(super) fn fill(&mut self, value: T) {
        self.elements.fill(value);
    }

    /// Elements from one column of the batch to the next, for steps of `columns` image columns.
    pub(super) fn stride_of(&self, columns: usize) -> usize {
        self.strides[if columns > 1 { 1 } else { 2 }]
    }

    /// Index of the vector `above` rows above `row` and `back` columns to the left of `column`; negative `back` is to the right.
    #[inline(always)]
    pub(super) fn at(&self, image: usize, row: usize, above: usize, column: usize, back: isize) -> usize {
        let slot = row.wrapping_sub(above) & (self.slots - 1);
        let column = (self.left + column).wrapping_add_signed(-back);
        slot * self.strides[0] + column * self.strides[1] + image * self.strides[2]
    }

    /// All elements.
    pub(super) fn slice(&self) -> &[T] {
        &self.elements
    }

    /// All elements, mutable.
    pub(super) fn slice_mut(&mut self) -> &mut [T] {
        &mut self.elements
    }

    /// Vectors of a step's columns of the batch, mutable, if they are contiguous.
    #[inline(always)]
    pub(super) fn contiguous_mut(&mut self, step: &Step) -> Option<&mut [T]> {
        let at = self.at(0, step.row, 0, step.column, 0);
        self.elements.get_mut(at..at + step.batch_columns() * self.features)
    }

    /// Vectors of all images at a column, if they are contiguous.
    #[inline(always)]
    pub(super) fn column(&self, row: usize, column: usize) -> Option<&[T]> {
        let at = self.at(0, row, 0, column, 0);
        self.elements.get(at..at + self.strides[1])
    }

    /// [`RowCache::column`], mutable; column -1 is the padding column left of the map.
    #[inline(always)]
    pub(super) fn column_mut(&mut self, row: usize, column: isize) -> Option<&mut [T]> {
        let at = self.at(0, row, 0, 0, -column);
        self.elements.get_mut(at..at + self.strides[1])
    }

    /// Vector of a pixel, mutable.
    #[inline(always)]
    pub(super) fn get_mut(&mut self, image: usize, row: usize, column: usize) -> Option<&mut [T]> {
        let at = self.at(image, row, 0, column, 0);
        self.elements.get_mut(at..at + self.features)
    }

    /// Index of the vector `back` columns to the left of the one at index `at`.
    #[inline(always)]
    pub(super) fn left_of(&self, at: usize, back: isize) -> usize {
        at.wrapping_add_signed(-back * self.strides[1].cast_signed())
    }

    /// Fast path of [`RowCache::keep`] for a pixel of a single image: same result. `here` is the index of its vector.
    #[inline(always)]
    pub(super) fn keep_single(&mut self, here: usize, x: &[T]) -> Result<(), Corrupt> {
        map_within(
            x,
            self.elements.get_mut(here..here + x.len()).ok_or(Corrupt)?,
            #[inline(always)]
            |x, y| *y = x,
        );
        Ok(())
    }

    /// Copies the step's inputs, for its columns of the batch and colour groups, from the register at byte `at`.
    #[inline(always)]
    pub(super) fn keep(&mut self, step: &Step, registers: &Registers, at: u32) -> Result<(), Corrupt> {
        let x = registers.get::<T>(at, self.features).ok_or(Corrupt)?;
        let features = features(self.features, step);
        if self.stride_of(step.columns) == self.features {
            // Fast path of the loop below for contiguous vectors: same result.
            let (count, y) = (self.features, self.contiguous_mut(step).ok_or(Corrupt)?);
            for span in spans(0..step.batch_columns(), count, features) {
                y.get_mut(span.clone()).ok_or(Corrupt)?.copy_from_slice(x.get(span).ok_or(Corrupt)?);
            }
            return Ok(());
        }
        for (batch_column, x) in x.chunks_exact(self.features).enumerate() {
            let (image, column) = step.batch_column(batch_column);
            self.get_mut(image, step.row, column)
                .ok_or(Corrupt)?
                .get_mut(features.clone())
                .ok_or(Corrupt)?
                .copy_from_slice(x.get(features.clone()).ok_or(Corrupt)?);
        }
        Ok(())
    }

    /// Contiguous vectors that a recurrent step reads, and the mutable vectors of the step itself. It reads `above` rows above, or, for
    /// 0, one column to the left.
    #[inline(always)]
    pub(super) fn step(&mut self, step: &Step, above: usize) -> Option<(&[T], &mut [T])> {
        let length = step.batch_columns() * self.features;
        let from = self.at(0, step.row, above, step.column, isize::from(above == 0));
        let to = self.at(0, step.row, 0, step.column, 0);
        self.split_disjoint_mut(from, to, length)
    }

    /// `length` elements at `from`, shared, and at `to`, mutable; `None` if they overlap.
    #[inline(always)]
    pub(super) fn split_disjoint_mut(&mut self, from: usize, to: usize, length: usize) -> Option<(&[T], &mut [T])> {
        let (before, after) = self.elements.split_at_mut_checked(from.max(to))?;
        let (before, after) = (before.get_mut(from.min(to)..)?.get_mut(..length)?, after.get_mut(..length)?);
        Some(if from < to { (before, after) } else { (after, before) })
    }
}

/// Features of a step's colour groups, out of `count`.
#[inline(always)]
pub(super) fn features(count: usize, step: &Step) -> Range<usize> {
    if step.all_groups == 1 {
        return 0..count;
    }
    group_start(count, step.all_groups, step.groups.start)..group_start(count, step.all_groups, step.groups.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { images: 2, rows: 3, columns: [1, 4, 2], features: 3 };

    fn step(images: usize, columns: usize, groups: Range<usize>) -> Step {
        Step { images, width: 4, row: 5, column: 1, columns, groups, all_groups: 3, label: None }
    }

    /// Registers of `batch_columns` columns with three features each, numbered from 1.
    fn registers(batch_columns: usize) -> Registers {
        let mut registers = Registers::new(batch_columns, 4);
        for (n, x) in (1..).zip(registers.get_mut::<u8>(0, 3).unwrap()) {
            *x = n;
        }
        registers
    }

    #[test]
    fn every_vector_has_a_place_of_its_own() {
        for cache in [RowCache::<u8>::new(SHAPE), RowCache::by_image(SHAPE)] {
            let mut taken = vec![false; cache.slice().len()];
            // Three rows take four slots.
            for (row, column, image) in
                (0..4).flat_map(|row| (-1..6).flat_map(move |column| [0, 1].map(|image| (row, column, image))))
            {
                let at = cache.at(image, row, 0, 0, -column);
                for taken in &mut taken[at..at + SHAPE.features] {
                    assert!(!*taken, "row {row}, column {column}, image {image}");
                    *taken = true;
                }
            }
        }
    }

    #[test]
    fn a_row_is_found_from_the_rows_below_it_and_a_column_from_both_sides() {
        let cache = RowCache::<u8>::new(SHAPE);
        let at = cache.at(1, 6, 0, 2, 0);
        assert_eq!(at, cache.at(1, 8, 2, 2, 0));
        assert_eq!(at, cache.at(1, 6, 0, 3, 1));
        assert_eq!(at, cache.at(1, 6, 0, 1, -1));
        assert_eq!(cache.left_of(at, 2), cache.at(1, 6, 0, 0, 0));
        // A row above the image is in a slot as well, which holds the padding then.
        assert_eq!(cache.at(0, 0, 1, 0, 0), cache.at(0, 3, 0, 0, 0));
    }

    #[test]
    fn the_columns_beside_the_map_keep_the_padding() {
        let mut cache = RowCache::new(SHAPE);
        cache.fill(9u8);
        for column in 0..4 {
            cache.column_mut(0, column).unwrap().fill(column as u8);
        }
        assert_eq!(cache.column(0, 3), Some(&[3; 6][..]));
        assert_eq!(cache.column_mut(0, -1).unwrap(), [9; 6]);
        assert_eq!(cache.column(0, 4), Some(&[9; 6][..]));
        assert_eq!(cache.column(1, 0), Some(&[9; 6][..]));
    }

    #[test]
    fn the_features_of_the_groups_of_a_step_are_kept_and_no_others() {
        let mut cache = RowCache::new(SHAPE);
        cache.fill(0u8);
        cache.keep(&step(2, 1, 1..2), &registers(2), 0).unwrap();
        assert_eq!(cache.column(5, 1), Some(&[0, 2, 0, 0, 5, 0][..]));
        cache.keep(&step(2, 1, 0..3), &registers(2), 0).unwrap();
        assert_eq!(cache.column(5, 1), Some(&[1, 2, 3, 4, 5, 6][..]));
        assert_eq!(cache.column(5, 2), Some(&[0; 6][..]));
    }

    #[test]
    fn columns_of_one_image_are_kept_side_by_side_in_either_order() {
        let shape = Shape { images: 1, ..SHAPE };
        for mut cache in [RowCache::new(shape), RowCache::by_image(shape)] {
            cache.fill(0u8);
            cache.keep(&step(1, 2, 0..3), &registers(2), 0).unwrap();
            assert_eq!(cache.contiguous_mut(&step(1, 2, 0..3)).unwrap(), [1, 2, 3, 4, 5, 6]);
            assert_eq!(cache.get_mut(0, 5, 2).unwrap(), [4, 5, 6]);
        }
    }

    #[test]
    fn images_that_lie_apart_are_kept_one_by_one() {
        let mut cache = RowCache::by_image(SHAPE);
        cache.fill(0u8);
        cache.keep(&step(2, 1, 0..1), &registers(2), 0).unwrap();
        assert_eq!([0, 1].map(|image| cache.get_mut(image, 5, 1).unwrap().to_vec()), [[1, 0, 0], [4, 0, 0]]);
    }

    #[test]
    fn a_step_reads_the_row_above_or_the_column_to_the_left() {
        let mut cache = RowCache::new(SHAPE);
        cache.fill(0u8);
        cache.column_mut(4, 1).unwrap().fill(41);
        cache.column_mut(5, 0).unwrap().fill(50);
        for (above, expected) in [(1, 41), (0, 50)] {
            let (from, to) = cache.step(&step(2, 1, 0..3), above).unwrap();
            assert_eq!(from, [expected; 6]);
            to.copy_from_slice(from);
            assert_eq!(cache.column(5, 1), Some(&[expected; 6][..]));
        }
        assert!(cache.split_disjoint_mut(4, 6, 3).is_none(), "they overlap");
    }

    #[test]
    fn groups_take_their_third_of_the_features() {
        assert_eq!([0..1, 1..2, 0..3].map(|groups| features(8, &step(1, 1, groups))), [0..3, 3..6, 0..8]);
        assert_eq!(features(8, &Step { all_groups: 1, ..step(1, 1, 0..1) }), 0..8);
    }
}
