//! The columns of the batch that one forward pass computes, and the memory that its ops share.

use super::registers::Registers;
use crate::kernels::gemm::Pieces;
use core::ops::Range;

/// What is computed at once: columns of a row of one image, or a column of some images.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) images: usize,
    pub(super) width: usize,
    pub(super) row: usize,
    /// The first column.
    pub(super) column: usize,
    pub(super) columns: usize,
    /// Colours that are computed.
    pub(super) groups: Range<usize>,
    /// Colours that there are.
    pub(super) all_groups: usize,
    pub(super) label: Option<usize>,
}

impl Step {
    pub(super) fn batch_columns(&self) -> usize {
        self.images * self.columns
    }

    /// Whether it is the first one of its row.
    pub(super) fn begins_row(&self) -> bool {
        self.column == 0 && self.groups.start == 0
    }

    /// Image and column of a place.
    #[inline(always)]
    pub(super) fn batch_column(&self, batch_column: usize) -> (usize, usize) {
        if self.images == 1 { (0, self.column + batch_column) } else { (batch_column, self.column) }
    }
}

/// What ops share.
pub(super) struct Scratch {
    pub(super) registers: Registers,
    /// `[batch_columns, channels, levels]`: scaled sums, of which logits are made at once.
    pub(super) logits: Vec<u32>,
    pub(super) sums: Vec<i32>,
    pub(super) pieces: Pieces,
    pub(super) levels: usize,
}
