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
