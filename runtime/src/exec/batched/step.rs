//! The columns of the batch that one forward pass computes, and the memory that its ops share.

use super::registers::Registers;
use crate::kernels::gemm::Pieces;
use core::ops::Range;

/// Batch of one forward pass: several columns of a row of one image, or the same column of several images.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) images: usize,
    pub(super) width: usize,
    pub(super) row: usize,
    /// First image column.
    pub(super) column: usize,
    /// Number of image columns; 1 with several images.
    pub(super) columns: usize,
    /// Colour groups to compute.
    pub(super) groups: Range<usize>,
    /// Number of colour groups of the model.
    pub(super) all_groups: usize,
    pub(super) label: Option<usize>,
}

impl Step {
    /// Number of columns of the batch.
    pub(super) fn batch_columns(&self) -> usize {
        self.images * self.columns
    }

    /// True for the first step of a row.
    pub(super) fn begins_row(&self) -> bool {
        self.column == 0 && self.groups.start == 0
    }

    /// Image and image column of a column of the batch.
    #[inline(always)]
    pub(super) fn batch_column(&self, batch_column: usize) -> (usize, usize) {
        if self.images == 1 { (0, self.column + batch_column) } else { (batch_column, self.column) }
    }
}

/// Memory shared by all ops.
pub(super) struct Scratch {
    pub(super) registers: Registers,
    /// Scaled sums of the logits, `[batch_columns, channels, levels]`.
    pub(super) logits: Vec<u32>,
    pub(super) sums: Vec<i32>,
    pub(super) pieces: Pieces,
    pub(super) levels: usize,
    /// Words of the logits of a column.
    pub(super) logit_stride: usize,
    /// Value of the pixel at each column of the batch, of one channel.
    pub(super) values: Vec<u8>,
}
