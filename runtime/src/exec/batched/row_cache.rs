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
