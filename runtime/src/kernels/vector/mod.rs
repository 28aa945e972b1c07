//! Products by vectors: what is the same for all instruction sets.
//!
//! Several rows or blocks are computed at once, a *tile*, so that they share the inputs that are loaded. What the inputs
//! have left after whole vectors is filled up with zeros; weights that are read past the end of a row meet these zeros.

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), feature = "std"))]
pub(super) mod gemm;

use super::{Kernel, Portable};
use crate::blob::Layout;

/// What products need of an instruction set.
///
/// # Safety
/// All functions are inlined into a caller that has the instructions, and are called nowhere else.
pub(in crate::kernels) trait Vector {
    /// Weights that one step multiplies, 16 or 64.
    const BYTES: usize;
    /// Inputs as a step wants them.
    type Inputs: Copy;
    /// Sums of one row or block.
    type Accumulators: Copy;
    /// Vectors of 16 bytes: these, or smaller ones that every machine has that has these.
    type Small: Vector;

    /// Sums of nothing.
    unsafe fn zero() -> Self::Accumulators;

    /// The next [`Vector::BYTES`] inputs, one for each weight of a row.
    ///
    /// # Safety
    /// So many can be read.
    unsafe fn inputs(x: *const i8) -> Self::Inputs;

    /// The next [`Vector::BYTES`]` / 4` inputs, each four of them once for each output of a block.
    ///
    /// # Safety
    /// So many can be read.
    unsafe fn fours(x: *const i8) -> Self::Inputs;

    /// The products of [`Vector::BYTES`] weights, added.
    ///
    /// # Safety
    /// So many can be read.
    unsafe fn add(sums: Self::Accumulators, weights: *const i8, x: Self::Inputs) -> Self::Accumulators;

    /// As [`Vector::inputs`], of the last `count`, and zeros.
    ///
    /// # Safety
    /// `count` can be read, at most [`Vector::BYTES`].
    #[inline(always)]
    unsafe fn last_inputs(x: *const i8, count: usize) -> Self::Inputs {
        let mut room = [0; 16];
        const { assert!(Self::BYTES <= 16, "larger vectors have a way of their own") };
        // SAFETY: the caller's; the room is as large as a vector.
        unsafe {
            core::ptr::copy_nonoverlapping(x, room.as_mut_ptr(), count.min(Self::BYTES));
            Self::inputs(room.as_ptr())
        }
    }

    /// As [`Vector::fours`], of the last `count`, and zeros.
    ///
    /// # Safety
    /// `count` can be read, at most [`Vector::BYTES`]` / 4`.
    #[inline(always)]
    unsafe fn last_fours(x: *const i8, count: usize) -> Self::Inputs {
        let mut room = [0; 4];
        const { assert!(Self::BYTES <= 16, "larger vectors have a way of their own") };
        // SAFETY: the caller's; the room is a quarter of a vector.
        unsafe {
            core::ptr::copy_nonoverlapping(x, room.as_mut_ptr(), count.min(Self::BYTES / 4));
            Self::fours(room.as_ptr())
        }
    }

    /// As [`Vector::add`], where just `count` weights can be read.
    ///
    /// # Safety
    /// `count` can be read, at most [`Vector::BYTES`].
    #[inline(always)]
    unsafe fn add_last(
        sums: Self::Accumulators,
        weights: *const i8,
        count: usize,
        x: Self::Inputs,
    ) -> Self::Accumulators {
        let mut room = [0; 16];
        const { assert!(Self::BYTES <= 16, "larger vectors have a way of their own") };
        // SAFETY: the caller's; the room is as large as a vector.
        unsafe {
            core::ptr::copy_nonoverlapping(weights, room.as_mut_ptr(), count.min(Self::BYTES));
            Self::add(sums, room.as_ptr(), x)
        }
    }

    /// The totals of four rows.
    unsafe fn totals(sums: [Self::Accumulators; 4]) -> [i32; 4];

    /// The totals of a block's four outputs.
    unsafe fn block(sums: Self::Accumulators) -> [i32; 4];

    /// Whether [`Vector::add`] does not give the products themselves, so that sums are to be corrected.
    const CORRECTS: bool = false;

    /// What each row or block is to be corrected by: that of the inputs `before`, and of `x`.
    #[inline(always)]
    unsafe fn correction(before: Self::Accumulators, _x: Self::Inputs) -> Self::Accumulators {
        before
    }

    /// `sums`, corrected.
    #[inline(always)]
    unsafe fn corrected(sums: Self::Accumulators, _correction: Self::Accumulators) -> Self::Accumulators {
        sums
    }
}

/// [`Kernel::gemv_row_major`], `N` rows at a time.
///
/// # Safety
/// As of [`Vector`].
#[inline(always)]
pub(in crate::kernels) unsafe fn gemv_row_major<V: Vector, const N: usize>(
    bias: &[i32],
    weights: &[i8],
    x: &[i8],
    sums: &mut [i32],
) {
    let outputs = sums.len().min(bias.len());
    let (Some(weights), false) = (outputs.checked_mul(x.len()).and_then(|all| weights.get(..all)), x.is_empty()) else {
        return Portable.gemv_row_major(bias, weights, x, sums);
    };
    // SAFETY: the caller's, and there are `outputs` rows of weights as long as `x`.
    unsafe {
        let products = Products::<V, false>::new(weights, x);
        let mut at = 0;
        while at + N <= outputs {
            let tile = products.tile::<N>(at);
            for (n, four) in tile.as_chunks::<4>().0.iter().enumerate() {
                store(at + 4 * n, V::totals(*four), bias, sums);
            }
            at += N;
        }
        while at + 4 <= outputs {
            store(at, V::totals(products.tile::<4>(at)), bias, sums);
            at += 4;
        }
        while at < outputs {
            let [one] = products.tile::<1>(at);
            let [total, ..] = V::totals([one, V::zero(), V::zero(), V::zero()]);
            store(at, [total], bias, sums);
            at += 1;
        }
    }
}

/// [`Kernel::gemv_tiled`], `N` blocks at a time.
///
/// # Safety
/// As of [`Vector`].
#[inline(always)]
pub(in crate::kernels) unsafe fn gemv_tiled<V: Vector, const N: usize>(
    bias: &[i32],
    weights: &[i8],
    x: &[i8],
    sums: &mut [i32],
) {
    let outputs = sums.len().min(bias.len());
    let usual = !x.is_empty() && x.len().is_multiple_of(Layout::INPUTS);
    let all = outputs.checked_mul(x.len()).and_then(|all| weights.get(..all));
    let (Some(weights), true) = (all, usual) else {
        return Portable.gemv_tiled(bias, weights, x, sums);
    };
    let whole = outputs / Layout::OUTPUTS;
    // SAFETY: the caller's, and there are so many blocks of weights, four times as long as `x`.
    unsafe {
        let products = Products::<V, true>::new(weights, x);
        let mut at = 0;
        while at + N <= whole {
            for (n, block) in products.tile::<N>(at).into_iter().enumerate() {
                store(Layout::OUTPUTS * (at + n), V::block(block), bias, sums);
            }
            at += N;
        }
        while at < whole {
            let [block] = products.tile::<1>(at);
            store(Layout::OUTPUTS * at, V::block(block), bias, sums);
            at += 1;
        }
    }
    let first = whole * Layout::OUTPUTS;
    let (Some(bias), Some(weights), Some(sums)) =
        (bias.get(first..outputs), weights.get(first * x.len()..), sums.get_mut(first..outputs))
    else {
        return;
    };
    if !sums.is_empty() {
        // SAFETY: the caller's; the block has fewer than four outputs, and all of their weights.
        unsafe { part::<V::Small>(bias, weights, x, sums) };
    }
}

/// The outputs of a block with fewer than four, one to three.
///
/// # Safety
/// As of [`Vector`], and `weights` are as many as that: four for each output and four inputs.
#[inline(always)]
unsafe fn part<V: Vector>(bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
    const { assert!(V::BYTES == Layout::OUTPUTS * Layout::INPUTS) };
    let step = Layout::INPUTS * sums.len();
    // SAFETY: the caller's. Every step reads four inputs, and whole vectors of weights where there are so many left, else
    // those that there are. Outputs that the block does not have get numbers that nobody reads.
    let totals = unsafe {
        let mut sums = V::zero();
        for (n, x) in x.chunks_exact(Layout::INPUTS).enumerate() {
            let left = weights.len() - n * step;
            let weights = weights.as_ptr().add(n * step);
            let x = V::fours(x.as_ptr());
            sums = if left < V::BYTES { V::add_last(sums, weights, left, x) } else { V::add(sums, weights, x) };
        }
        V::block(sums)
    };
    for ((sum, bias), total) in sums.iter_mut().zip(bias).zip(totals) {
        *sum = bias.wrapping_add(total);
    }
}

/// What the tiles of a product share: its inputs, and where weights can be read.
struct Products<'a, V: Vector, const BLOCKS: bool> {
    weights: &'a [i8],
    x: &'a [i8],
    /// Inputs in whole vectors.
    whole: usize,
    /// The inputs after them, where there are some.
    last: V::Inputs,
    /// Belongs to the sums of each row or block.
    correction: V::Accumulators,
}

impl<'a, V: Vector, const BLOCKS: bool> Products<'a, V, BLOCKS> {
    /// Weights for each input of a row or a block.
    const WEIGHTS: usize = if BLOCKS { Layout::OUTPUTS } else { 1 };

    /// Inputs of a step.
    const STEP: usize = V::BYTES / Self::WEIGHTS;

    /// # Safety
    /// As of [`Vector`].
    #[inline(always)]
    unsafe fn new(weights: &'a [i8], x: &'a [i8]) -> Self {
        let left = x.len() % Self::STEP;
        let whole = x.len() - left;
        // SAFETY: what is left after `whole` inputs is fewer than a step.
        unsafe {
            let at = x.as_ptr().add(whole);
            let last = if BLOCKS { V::last_fours(at, left) } else { V::last_inputs(at, left) };
            let mut products = Self { weights, x, whole, last, correction: V::zero() };
            if V::CORRECTS {
                let mut at = 0;
                while at < whole {
                    products.correction = V::correction(products.correction, Self::inputs(x.as_ptr().add(at)));
                    at += Self::STEP;
                }
                products.correction = V::correction(products.correction, last);
            }
            products
        }
    }

    /// The inputs of a step.
    ///
    /// # Safety
    /// As of [`Vector`], and so many can be read.
    #[inline(always)]
    unsafe fn inputs(x: *const i8) -> V::Inputs {
        // SAFETY: the caller's.
        unsafe { if BLOCKS { V::fours(x) } else { V::inputs(x) } }
    }

    /// The sums of `N` rows or blocks from number `first` on.
    ///
    /// # Safety
    /// As of [`Vector`], and there are so many.
    #[inline(always)]
    unsafe fn tile<const N: usize>(&self, first: usize) -> [V::Accumulators; N] {
        let stride = self.x.len() * Self::WEIGHTS;
        // SAFETY: a step reads as many inputs as it has left, and weights inside of the rows or blocks; after the last
        // whole step either so far that all of it is weights, or just as many as a row or block has left.
        unsafe {
            let weights = self.weights.as_ptr().add(first * stride);
            let mut sums = [V::zero(); N];
            let mut at = 0;
            while at < self.whole {
                let x = Self::inputs(self.x.as_ptr().add(at));
                for (n, sums) in sums.iter_mut().enumerate() {
                    *sums = V::add(*sums, weights.add(n * stride + at * Self::WEIGHTS), x);
                }
                at += Self::STEP;
            }
            let weights = weights.add(at * Self::WEIGHTS);
            if at == self.x.len() {
                // No inputs are left.
            } else if (first + N - 1) * stride + at * Self::WEIGHTS + V::BYTES <= self.weights.len() {
                for (n, sums) in sums.iter_mut().enumerate() {
                    *sums = V::add(*sums, weights.add(n * stride), self.last);
                }
            } else {
                let count = (self.x.len() - at) * Self::WEIGHTS;
                for (n, sums) in sums.iter_mut().enumerate() {
                    *sums = V::add_last(*sums, weights.add(n * stride), count, self.last);
                }
            }
            sums.map(|sums| V::corrected(sums, self.correction))
        }
    }
}

/// Writes the sums of the outputs from number `at` on.
#[inline(always)]
fn store<const N: usize>(at: usize, totals: [i32; N], bias: &[i32], sums: &mut [i32]) {
    if let (Some(bias), Some(sums)) = (
        bias.get(at..).and_then(|bias| bias.first_chunk::<N>()),
        sums.get_mut(at..).and_then(|sums| sums.first_chunk_mut::<N>()),
    ) {
        for ((sum, bias), total) in sums.iter_mut().zip(bias).zip(totals) {
            *sum = bias.wrapping_add(total);
        }
    }
}
