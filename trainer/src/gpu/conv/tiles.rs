//! Tiling of the weight gradient over threads.
//!
//! The gradient is a matrix of outputs by columns. A column is an input read by an open tap, or the constant one for
//! the bias. A thread accumulates a 4x4 tile, and a workgroup several tiles, over part of the pixels.

use super::Conv;

/// Pixels read by a workgroup at a time.
pub(super) const CHUNK: usize = 32;

/// Maximum number of threads per workgroup.
const THREADS: usize = 256;

/// Maximum number of 4x4 tiles per workgroup.
const TILES: usize = 128;

/// Maximum number of tiles along the outputs.
const ALONG: usize = 8;

/// Maximum number of quads (groups of four) of outputs plus columns, limited by 16 KiB of shared memory.
const FOURS: usize = 28;

/// Number of workgroups that keeps a GPU busy.
const GROUPS: usize = 1024;

impl Conv {
    /// Number of columns: inputs read by open taps, tap by tap, plus one for the bias.
    pub(super) const fn columns(self) -> usize {
        self.open() * self.inputs.count + 1
    }

    /// Quads of outputs and of columns per workgroup.
    pub(super) fn tiles(self) -> [usize; 2] {
        let along = self.outputs.count.div_ceil(4).min(ALONG);
        let columns = self.columns().div_ceil(4);
        let across = (FOURS - along).min(TILES / along);
        [along, columns.div_ceil(columns.div_ceil(across))]
    }

    /// Workgroups along outputs and columns.
    pub(super) fn groups(self) -> [usize; 2] {
        let [along, across] = self.tiles();
        [self.outputs.count.div_ceil(4 * along), self.columns().div_ceil(4 * across)]
    }

    /// Threads that share the pixels of a tile.
    pub(super) fn shares(self) -> usize {
        let [along, across] = self.tiles();
        let most = (THREADS / (along * across)).clamp(1, CHUNK);
        1 << most.ilog2()
    }

    /// Threads per workgroup: all accumulating threads, rounded up to a multiple of [`CHUNK`] for loading.
    pub(super) fn threads(self) -> usize {
        let [along, across] = self.tiles();
        (along * across * self.shares()).next_multiple_of(CHUNK)
    }

    /// Quads of outputs and columns that a workgroup reads per pixel.
    pub(super) fn fours(self) -> usize {
        let [along, across] = self.tiles();
        along + across
    }

    /// Maximum number of quads that a thread loads.
    pub(super) fn fours_a_thread(self) -> usize {
        self.fours().div_ceil(self.threads() / CHUNK)
    }

    /// Stride of pixels in shared memory: an odd number of quads, to avoid bank conflicts.
    pub(super) fn apart(self) -> usize {
        self.fours() | 1
    }

    /// Chunks per image.
    pub(super) const fn chunks(self) -> usize {
        self.pixels().div_ceil(CHUNK)
    }

    /// Number of parts into which the pixels of these images are divided.
    pub(super) fn parts(self, images: usize) -> usize {
        let [down, right] = self.groups();
        (images * self.chunks()).min(GROUPS.div_ceil(down * right))
    }
}
