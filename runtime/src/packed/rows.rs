//! The last rows of a feature map, of each image, with columns at their sides for what lies outside.

use super::registers::Registers;
use super::walk::Step;
use crate::blob::group_start;
use bytemuck::Pod;

/// Numbers that may be read after the last one: a product takes whole words.
const SLACK: usize = 8;

/// Row `r` of the map is in slot `r mod slots`, `[images, slots, left + width + right, features]`.
#[derive(Clone, Debug)]
pub(super) struct Rows<T> {
    numbers: Vec<T>,
    slots: usize,
    left: usize,
    columns: usize,
    features: usize,
}

impl<T: Pod> Rows<T> {
    /// Rows of `width` columns, with `left` and `right` more of them.
    pub(super) fn new(images: usize, slots: usize, [left, width, right]: [usize; 3], features: usize) -> Self {
        let columns = left + width + right;
        let numbers = vec![T::zeroed(); images * slots * columns * features + SLACK];
        Self { numbers, slots, left, columns, features }
    }

    /// Sets all that there is to one number: what lies outside of the image.
    pub(super) fn fill(&mut self, value: T) {
        self.numbers.fill(value);
    }

    /// Numbers from image to image.
    pub(super) fn image_stride(&self) -> usize {
        self.slots * self.columns * self.features
    }

    /// Numbers from column to column.
    pub(super) fn stride(&self) -> usize {
        self.features
    }

    /// Numbers from place to place: places are columns of one image, or one column of some images.
    pub(super) fn stride_of(&self, columns: usize) -> usize {
        if columns > 1 { self.stride() } else { self.image_stride() }
    }

    /// Where a vector begins: `above` rows above `row`, `shift` columns from `column`, less `back`.
    pub(super) fn at(&self, image: usize, row: usize, above: usize, column: usize, back: usize) -> usize {
        let slot = (row + self.slots - above).checked_rem(self.slots).unwrap_or(0);
        image * self.image_stride() + (slot * self.columns + self.left + column - back) * self.features
    }

    /// All numbers.
    pub(super) fn numbers(&self) -> &[T] {
        &self.numbers
    }

    /// All numbers, to write.
    pub(super) fn numbers_mut(&mut self) -> &mut [T] {
        &mut self.numbers
    }

    /// The vector of a pixel.
    pub(super) fn get(&self, image: usize, row: usize, column: usize) -> Option<&[T]> {
        let at = self.at(image, row, 0, column, 0);
        self.numbers.get(at..at + self.features)
    }

    /// The vector of a pixel, to write.
    pub(super) fn get_mut(&mut self, image: usize, row: usize, column: usize) -> Option<&mut [T]> {
        let at = self.at(image, row, 0, column, 0);
        self.numbers.get_mut(at..at + self.features)
    }

    /// Keeps the inputs of a step's places and colours, which stand in the registers at byte `at`.
    #[inline(always)]
    pub(super) fn keep(&mut self, step: &Step, registers: &Registers, at: u32) -> Option<()> {
        let start = |group| group_start(self.features, step.all_groups, group);
        let features = start(step.groups.start)..start(step.groups.end);
        for place in 0..step.places() {
            let (image, column) = step.place(place);
            let x = registers.get(place, at, features.clone())?;
            self.get_mut(image, step.row, column)?.get_mut(features.clone())?.copy_from_slice(x);
        }
        Some(())
    }

    /// The vector `above` rows above or, where that is 0, one column to the left, and the vector of the pixel, to write.
    pub(super) fn step(&mut self, image: usize, row: usize, above: usize, column: usize) -> Option<(&[T], &mut [T])> {
        let from = self.at(image, row, above, column, usize::from(above == 0));
        let to = self.at(image, row, 0, column, 0);
        let (before, after) = self.numbers.split_at_mut_checked(from.max(to))?;
        let (before, after) =
            (before.get_mut(from.min(to)..)?.get_mut(..self.features)?, after.get_mut(..self.features)?);
        Some(if from < to { (before, after) } else { (after, before) })
    }
}
