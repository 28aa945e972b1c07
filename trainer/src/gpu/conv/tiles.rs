//! How the gradients of weights are dealt out to threads.
//!
//! They are a matrix of outputs by columns, a column being an input that an open tap reads, or one. A thread sums a tile of it, of four by
//! four; a group of threads some tiles, for a part of the pixels.

use super::Conv;

/// Pixels that a group reads at a time.
pub(super) const CHUNK: usize = 32;

/// Threads of a group, at most.
const THREADS: usize = 256;

/// Tiles of four outputs and four columns that a group sums, at most.
const TILES: usize = 128;

/// How many of them lie along the outputs, at most.
const ALONG: usize = 8;

/// Fours of outputs and of columns together, at most: 16 KiB of memory have to do for them.
const FOURS: usize = 28;

/// Groups that keep a GPU busy.
const GROUPS: usize = 1024;

impl Conv {
    /// Columns of the products: an input that an open tap reads, tap by tap, and one.
    pub(super) const fn columns(self) -> usize {
        self.open() * self.inputs.count + 1
    }

    /// Fours of outputs that a group sums for, and fours of columns.
    pub(super) fn tiles(self) -> [usize; 2] {
        let along = self.outputs.count.div_ceil(4).min(ALONG);
        let columns = self.columns().div_ceil(4);
        let across = (FOURS - along).min(TILES / along);
        [along, columns.div_ceil(columns.div_ceil(across))]
    }

    /// Groups that share outputs and columns.
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

    /// Threads of a group: all that sum, and as many more as make up the last [`CHUNK`] of them that reads.
    pub(super) fn threads(self) -> usize {
        let [along, across] = self.tiles();
        (along * across * self.shares()).next_multiple_of(CHUNK)
    }

    /// Fours of outputs and of columns that a group reads of a pixel.
    pub(super) fn fours(self) -> usize {
        let [along, across] = self.tiles();
        along + across
    }

    /// How many of them a thread reads, at most.
    pub(super) fn fours_a_thread(self) -> usize {
        self.fours().div_ceil(self.threads() / CHUNK)
    }

    /// How far apart pixels lie in a group's memory: an odd number of fours, which spreads them over its banks.
    pub(super) fn apart(self) -> usize {
        self.fours() | 1
    }

    /// Chunks of an image.
    pub(super) const fn chunks(self) -> usize {
        self.pixels().div_ceil(CHUNK)
    }

    /// In how many parts the pixels of so many images are summed.
    pub(super) fn parts(self, images: usize) -> usize {
        let [down, right] = self.groups();
        (images * self.chunks()).min(GROUPS.div_ceil(down * right))
    }
}
