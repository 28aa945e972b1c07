//! The last rows of a feature map, of each image, with columns at their sides for what lies outside.

use super::registers::{Registers, spans};
use super::step::Step;
use crate::blob::group_start;
use crate::exec::error::Corrupt;
use crate::kernels::map_within;
use bytemuck::Pod;
use core::ops::Range;

/// Numbers that may be read after the last one: a product takes whole words.
const SLACK: usize = 8;

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) images: usize,
    /// Rows that are kept, at least: row `r` of the map is in slot `r mod slots`, where slots are a power of two.
    pub(super) rows: usize,
    /// Columns to the left of the map, of it, and to its right.
    pub(super) columns: [usize; 3],
    pub(super) features: usize,
}

/// `[slots, columns, images, features]` or, where columns are to lie together, `[images, slots, columns, features]`.
#[derive(Clone, Debug)]
pub(super) struct RowCache<T> {
    numbers: Vec<T>,
    slots: usize,
    left: usize,
    features: usize,
    /// Numbers from slot to slot, from column to column and from image to image.
    strides: [usize; 3],
}

impl<T: Pod> RowCache<T> {
    /// Rows in which the images' vectors of a pixel lie together.
    pub(super) fn new(Shape { images, rows, columns: [left, width, right], features }: Shape) -> Self {
        let slots = rows.next_power_of_two();
        let column = images * features;
        let row = (left + width + right) * column;
        let numbers = vec![T::zeroed(); slots * row + SLACK];
        Self { numbers, slots, left, features, strides: [row, column, features] }
    }

    /// Rows in which the vectors of an image's row lie together.
    pub(super) fn by_image(shape: Shape) -> Self {
        let rows = Self::new(shape);
        let row = shape.columns.iter().sum::<usize>() * shape.features;
        Self { strides: [row, shape.features, rows.slots * row], ..rows }
    }

    /// Sets all that there is to one number: what lies outside of the image.
    pub(super) fn fill(&mut self, value: T) {
        self.numbers.fill(value);
    }

    /// Numbers from place to place: places are columns of one image, or one column of some images.
    pub(super) fn stride_of(&self, columns: usize) -> usize {
        self.strides[if columns > 1 { 1 } else { 2 }]
    }

    /// Where a vector begins: `above` rows above `row`, `back` columns to the left of `column`; a negative `back` is to the right.
    #[inline(always)]
    pub(super) fn at(&self, image: usize, row: usize, above: usize, column: usize, back: isize) -> usize {
        let slot = row.wrapping_sub(above) & (self.slots - 1);
        let column = (self.left + column).wrapping_add_signed(-back);
        slot * self.strides[0] + column * self.strides[1] + image * self.strides[2]
    }

    /// All numbers.
    pub(super) fn slice(&self) -> &[T] {
        &self.numbers
    }

    /// All numbers, to write.
    pub(super) fn slice_mut(&mut self) -> &mut [T] {
        &mut self.numbers
    }

    /// The vectors of a step's places, where these lie together.
    #[inline(always)]
    pub(super) fn together_mut(&mut self, step: &Step) -> Option<&mut [T]> {
        let at = self.at(0, step.row, 0, step.column, 0);
        self.numbers.get_mut(at..at + step.batch_columns() * self.features)
    }

    /// The vectors of all images at a column, where these lie together.
    #[inline(always)]
    pub(super) fn column(&self, row: usize, column: usize) -> Option<&[T]> {
        let at = self.at(0, row, 0, column, 0);
        self.numbers.get(at..at + self.strides[1])
    }

    /// As [`RowCache::column`], to write; column -1 is the one to the left of the map.
    #[inline(always)]
    pub(super) fn column_mut(&mut self, row: usize, column: isize) -> Option<&mut [T]> {
        let at = self.at(0, row, 0, 0, -column);
        self.numbers.get_mut(at..at + self.strides[1])
    }

    /// The vector of a pixel, to write.
    #[inline(always)]
    pub(super) fn get_mut(&mut self, image: usize, row: usize, column: usize) -> Option<&mut [T]> {
        let at = self.at(image, row, 0, column, 0);
        self.numbers.get_mut(at..at + self.features)
    }

    /// The place `back` columns to the left of another one.
    #[inline(always)]
    pub(super) fn left_of(&self, at: usize, back: isize) -> usize {
        at.wrapping_add_signed(-back * self.strides[1].cast_signed())
    }

    /// Keeps the inputs of the only image's pixel from number `here` on.
    #[inline(always)]
    pub(super) fn keep_single(&mut self, here: usize, x: &[T]) -> Result<(), Corrupt> {
        map_within(
            x,
            self.numbers.get_mut(here..here + x.len()).ok_or(Corrupt)?,
            #[inline(always)]
            |x, y| *y = x,
        );
        Ok(())
    }

    /// Keeps the inputs of a step's places and colours, which stand in the register at byte `at`.
    #[inline(always)]
    pub(super) fn keep(&mut self, step: &Step, registers: &Registers, at: u32) -> Result<(), Corrupt> {
        let x = registers.get::<T>(at, self.features).ok_or(Corrupt)?;
        let features = features(self.features, step);
        if self.stride_of(step.columns) == self.features {
            let (count, y) = (self.features, self.together_mut(step).ok_or(Corrupt)?);
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

    /// The vectors of a step's places `above` rows above or, where that is 0, one column to the left, and those of the places
    /// themselves, to write; all where they lie together.
    #[inline(always)]
    pub(super) fn step(&mut self, step: &Step, above: usize) -> Option<(&[T], &mut [T])> {
        let length = step.batch_columns() * self.features;
        let from = self.at(0, step.row, above, step.column, isize::from(above == 0));
        let to = self.at(0, step.row, 0, step.column, 0);
        self.split_disjoint_mut(from, to, length)
    }

    /// `length` numbers `from` somewhere, and as many others to write.
    #[inline(always)]
    pub(super) fn split_disjoint_mut(&mut self, from: usize, to: usize, length: usize) -> Option<(&[T], &mut [T])> {
        let (before, after) = self.numbers.split_at_mut_checked(from.max(to))?;
        let (before, after) = (before.get_mut(from.min(to)..)?.get_mut(..length)?, after.get_mut(..length)?);
        Some(if from < to { (before, after) } else { (after, before) })
    }
}

/// The features of a step's colours, of `count`.
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
            assert_eq!(cache.together_mut(&step(1, 2, 0..3)).unwrap(), [1, 2, 3, 4, 5, 6]);
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
