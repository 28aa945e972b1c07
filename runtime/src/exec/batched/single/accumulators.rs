//! The weighted sums of one place: what a batch of one image waits for, op after op.
//!
//! There is little arithmetic at one place, so that what is around it counts: sums stay in registers from the first product to what
//! is made of them.

use crate::exec::batched::pack::{Line, Pack};
use crate::exec::batched::packed_matrix::{Scaled, apply, apply_last};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::kernels::gemm::{Accumulators, LANES, WORD};
use core::marker::PhantomData;

/// The sums of a panel of `V` vectors.
pub(super) struct PanelSums<'p, A, const V: usize> {
    sums: Accumulators<V>,
    /// The weights of the pieces that have not been added yet.
    lines: &'p [Line],
    multipliers: &'p [i32],
    left_shift: u32,
    outputs: usize,
    arithmetic: PhantomData<A>,
}

impl<'p, A: Pack, const V: usize> PanelSums<'p, A, V> {
    /// What sums begin with, the weights of what is missing then, and by what they are requantized; the last outputs may be none.
    #[inline(always)]
    pub(super) fn new(
        (sums, lines): (&[i32], &'p [Line]),
        (multipliers, left_shift): (&'p [i32], u32),
        outputs: usize,
    ) -> Option<Self> {
        let sums = *sums.as_chunks::<LANES>().0.first_chunk::<V>()?;
        Some(Self { sums, lines, multipliers, left_shift, outputs, arithmetic: PhantomData })
    }

    /// Adds the products of the next piece, whole words.
    #[inline(always)]
    pub(super) fn add<K: Kernel>(&mut self, kernel: K, piece: &[A::Input]) -> Result<(), Corrupt> {
        let (lines, rest) = self.lines.split_at_checked(size_of_val(piece) / WORD * V).ok_or(Corrupt)?;
        self.sums = A::gemv_accumulate(kernel, lines, piece, self.sums);
        self.lines = rest;
        Ok(())
    }

    /// The sums requantized.
    #[inline(always)]
    pub(super) fn scaled<K: Kernel>(&self, kernel: K) -> Option<Accumulators<V>> {
        let requantized = self.requantized(kernel)?;
        // In place: `array::from_fn` goes through memory.
        let mut scaled = self.sums;
        for (v, sums) in scaled.iter_mut().enumerate() {
            *sums = requantized(v);
        }
        Some(scaled)
    }

    /// Requantizes the sums of a vector.
    #[inline(always)]
    fn requantized<K: Kernel>(&self, kernel: K) -> Option<impl Fn(usize) -> [i32; LANES]> {
        let multipliers = self.multipliers.as_chunks::<LANES>().0.first_chunk::<V>()?;
        Some(
            #[inline(always)]
            move |v: usize| kernel.requantize(&self.sums[v], self.left_shift, &multipliers[v]),
        )
    }
}

impl<A: Pack, const V: usize> Scaled for PanelSums<'_, A, V> {
    #[inline(always)]
    fn each_with<K: Kernel, X: Copy, Y: Copy>(
        &self,
        kernel: K,
        x: &[X],
        y: &mut [Y],
        (first, _): (usize, usize),
        f: impl Fn(i32, X, &mut Y),
    ) -> Result<(), Corrupt> {
        let range = first..first + self.outputs;
        let (x, y) = (x.get(range.clone()).ok_or(Corrupt)?, y.get_mut(range).ok_or(Corrupt)?);
        let scaled = self.requantized(kernel).ok_or(Corrupt)?;
        // All vectors are whole but for the last one.
        let ((x, last_x), (y, last_y)) = (x.as_chunks::<LANES>(), y.as_chunks_mut::<LANES>());
        if let (Some(x), Some(y)) = (x.first_chunk::<V>(), y.first_chunk_mut::<V>()) {
            for (v, (x, y)) in x.iter().zip(y).enumerate() {
                let mut vector = *y;
                apply(scaled(v), x, &mut vector, &f);
                *y = vector;
            }
            return Ok(());
        }
        for (v, (x, y)) in x.iter().zip(y).enumerate().take(V - 1) {
            apply(scaled(v), x, y, &f);
        }
        apply_last(scaled(V - 1), last_x, last_y, &f);
        Ok(())
    }
}
