//! Matrix-vector products with vectors, generic over the instruction set.
//!
//! Several rows, or blocks of four outputs in [`Layout::Tiled`], form a *register tile* and share each load of inputs. The
//! final, partial vector of inputs is padded with zeros, so weights read past the end of a row contribute nothing.

#[cfg(feature = "std")]
pub(super) mod gemm;

use super::{Kernel, Portable};
use crate::blob::Layout;

/// Instruction set of a matrix-vector product.
///
/// # Safety
/// All functions are inlined into callers that have the target features enabled, and must be called nowhere else. Pointers
/// need no alignment.
pub(in crate::kernels) trait Vector {
    /// Weights per step, 16 or 64.
    const BYTES: usize;
    /// Inputs of one step, in the form that products read.
    type Inputs: Copy;
    /// Accumulators of one row or block.
    type Accumulators: Copy;
    /// Vectors of 16 bytes: `Self`, or smaller ones that every CPU with `Self` has.
    type Small: Vector;

    /// Accumulators of 0.
    unsafe fn zero() -> Self::Accumulators;

    /// Loads [`Vector::BYTES`] inputs, one for each weight of a row.
    ///
    /// # Safety
    /// `x` is valid for reads of [`Vector::BYTES`] bytes.
    unsafe fn inputs(x: *const i8) -> Self::Inputs;

    /// Loads [`Vector::BYTES`]` / 4` inputs, each group of four repeated for the four outputs of a block.
    ///
    /// # Safety
    /// `x` is valid for reads of [`Vector::BYTES`]` / 4` bytes.
    unsafe fn fours(x: *const i8) -> Self::Inputs;

    /// Adds the products of [`Vector::BYTES`] weights.
    ///
    /// # Safety
    /// `weights` is valid for reads of [`Vector::BYTES`] bytes.
    unsafe fn add(sums: Self::Accumulators, weights: *const i8, x: Self::Inputs) -> Self::Accumulators;

    /// [`Vector::inputs`] of the final `count` inputs, padded with zeros.
    ///
    /// # Safety
    /// `x` is valid for reads of `count` bytes, at most [`Vector::BYTES`].
    #[inline(always)]
    unsafe fn last_inputs(x: *const i8, count: usize) -> Self::Inputs {
        let mut room = [0; 16];
        const { assert!(Self::BYTES <= 16, "larger vectors have a way of their own") };
        // SAFETY: the caller guarantees `count` readable bytes; `room` holds a full vector.
        unsafe {
            core::ptr::copy_nonoverlapping(x, room.as_mut_ptr(), count.min(Self::BYTES));
            Self::inputs(room.as_ptr())
        }
    }

    /// [`Vector::fours`] of the final `count` inputs, padded with zeros.
    ///
    /// # Safety
    /// `x` is valid for reads of `count` bytes, at most [`Vector::BYTES`]` / 4`.
    #[inline(always)]
    unsafe fn last_fours(x: *const i8, count: usize) -> Self::Inputs {
        let mut room = [0; 4];
        const { assert!(Self::BYTES <= 16, "larger vectors have a way of their own") };
        // SAFETY: the caller guarantees `count` readable bytes; `room` holds a quarter of a vector.
        unsafe {
            core::ptr::copy_nonoverlapping(x, room.as_mut_ptr(), count.min(Self::BYTES / 4));
            Self::fours(room.as_ptr())
        }
    }

    /// [`Vector::add`] of the final `count` weights, padded with zeros.
    ///
    /// # Safety
    /// `weights` is valid for reads of `count` bytes, at most [`Vector::BYTES`].
    #[inline(always)]
    unsafe fn add_last(
        sums: Self::Accumulators,
        weights: *const i8,
        count: usize,
        x: Self::Inputs,
    ) -> Self::Accumulators {
        let mut room = [0; 16];
        const { assert!(Self::BYTES <= 16, "larger vectors have a way of their own") };
        // SAFETY: the caller guarantees `count` readable bytes; `room` holds a full vector.
        unsafe {
            core::ptr::copy_nonoverlapping(weights, room.as_mut_ptr(), count.min(Self::BYTES));
            Self::add(sums, room.as_ptr(), x)
        }
    }

    /// Horizontal sums of four rows.
    unsafe fn totals(sums: [Self::Accumulators; 4]) -> [i32; 4];

    /// Sums of the four outputs of a block.
    unsafe fn block(sums: Self::Accumulators) -> [i32; 4];

    /// Set if [`Vector::add`] gives the products plus an offset, so that accumulators need a correction.
    const CORRECTS: bool = false;

    /// Correction of each row or block: `before`, plus the share of inputs `x`.
    #[inline(always)]
    unsafe fn correction(before: Self::Accumulators, _x: Self::Inputs) -> Self::Accumulators {
        before
    }

    /// Accumulators with the correction applied.
    #[inline(always)]
    unsafe fn corrected(sums: Self::Accumulators, _correction: Self::Accumulators) -> Self::Accumulators {
        sums
    }
}

/// [`Kernel::gemv_row_major`] in register tiles of `N` rows.
///
/// # Safety
/// Same contract as [`Vector`].
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
    // SAFETY: the caller upholds [`Vector`]; `weights` holds `outputs` rows of `x.len()`, and `x` is not empty.
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

/// [`Kernel::gemv_tiled`] in register tiles of `N` blocks.
///
/// # Safety
/// Same contract as [`Vector`].
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
    // SAFETY: the caller upholds [`Vector`]; `weights` holds `whole` blocks of `4 * x.len()`, and `x` is not empty.
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
        // SAFETY: the caller upholds [`Vector`], and every CPU with `V` has `V::Small`. The partial block has one to three
        // outputs and `x.len()` weights for each.
        unsafe { part::<V::Small>(bias, weights, x, sums) };
    }
}

/// Partial block of one to three outputs.
///
/// # Safety
/// Same contract as [`Vector`]; `weights` holds `sums.len() * x.len()` weights.
#[inline(always)]
unsafe fn part<V: Vector>(bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
    const { assert!(V::BYTES == Layout::OUTPUTS * Layout::INPUTS) };
    let step = Layout::INPUTS * sums.len();
    // SAFETY: the caller upholds [`Vector`]. Each step reads four inputs, and a full vector of weights if that many are
    // left, else only those that are left. Lanes beyond the block's outputs are never read.
    let totals = unsafe {
        let mut sums = V::zero();
        for (n, x) in x.chunks_exact(Layout::INPUTS).enumerate() {
            let remaining = weights.len() - n * step;
            let weights = weights.as_ptr().add(n * step);
            let x = V::fours(x.as_ptr());
            sums =
                if remaining < V::BYTES { V::add_last(sums, weights, remaining, x) } else { V::add(sums, weights, x) };
        }
        V::block(sums)
    };
    for ((sum, bias), total) in sums.iter_mut().zip(bias).zip(totals) {
        *sum = bias.wrapping_add(total);
    }
}

/// Operands that the register tiles of a product share.
struct Products<'a, V: Vector, const BLOCKS: bool> {
    weights: &'a [i8],
    x: &'a [i8],
    /// Inputs in whole steps.
    whole: usize,
    /// Inputs of the final, partial step, padded with zeros.
    last: V::Inputs,
    /// Correction of the accumulators of each row or block.
    correction: V::Accumulators,
}

impl<'a, V: Vector, const BLOCKS: bool> Products<'a, V, BLOCKS> {
    /// Weights per input of a row or block.
    const WEIGHTS: usize = if BLOCKS { Layout::OUTPUTS } else { 1 };

    /// Inputs per step.
    const STEP: usize = V::BYTES / Self::WEIGHTS;

    /// Loads the final inputs and computes the correction.
    ///
    /// # Safety
    /// Same contract as [`Vector`].
    #[inline(always)]
    unsafe fn new(weights: &'a [i8], x: &'a [i8]) -> Self {
        let remaining = x.len() % Self::STEP;
        let whole = x.len() - remaining;
        // SAFETY: the caller upholds [`Vector`]. Steps up to `whole` are within `x`, and fewer inputs than a step follow.
        unsafe {
            let at = x.as_ptr().add(whole);
            let last = if BLOCKS { V::last_fours(at, remaining) } else { V::last_inputs(at, remaining) };
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

    /// Inputs of one step.
    ///
    /// # Safety
    /// Same contract as [`Vector`]; `x` is valid for reads of `STEP` bytes.
    #[inline(always)]
    unsafe fn inputs(x: *const i8) -> V::Inputs {
        // SAFETY: the caller guarantees `STEP` readable bytes.
        unsafe { if BLOCKS { V::fours(x) } else { V::inputs(x) } }
    }

    /// Accumulators of a register tile: `N` rows or blocks, from index `first` on.
    ///
    /// # Safety
    /// Same contract as [`Vector`]; the rows or blocks exist.
    #[inline(always)]
    unsafe fn tile<const N: usize>(&self, first: usize) -> [V::Accumulators; N] {
        let stride = self.x.len() * Self::WEIGHTS;
        // SAFETY: the caller guarantees the rows or blocks. Whole steps are within `x` and within each row or block. The final
        // step reads a full vector of weights only if it ends within `weights`, else the rest of its row or block.
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
                // No partial step.
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

/// Writes `bias + totals` of the outputs from index `at` on.
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
