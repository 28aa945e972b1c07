//! Sums of a panel at a single column of the batch, kept in registers.
//!
//! One column has little arithmetic, so that memory traffic dominates: sums stay in registers from the first product to the result.

use crate::exec::batched::pack::{Line, Pack};
use crate::exec::batched::packed_matrix::{Init, Scaled, Strided, apply, apply_last};
use crate::exec::error::Corrupt;
use crate::kernels::Kernel;
use crate::kernels::gemm::{Accumulators, LANES, WORD};
use core::marker::PhantomData;

/// Fast path of [`crate::exec::batched::packed_matrix::Results`] for a single column: same result. Sums of a panel of `V` vectors.
pub(super) struct PanelSums<'p, A, const V: usize> {
    sums: Accumulators<V>,
    /// Weights of the remaining pieces.
    lines: &'p [Line],
    multipliers: &'p [i32],
    left_shift: u32,
    outputs: usize,
    arithmetic: PhantomData<A>,
}

impl<'p, A: Pack, const V: usize> PanelSums<'p, A, V> {
    /// Sums after `init`. `multipliers` and `left_shift` requantize them. Only the first `outputs` lanes are used.
    #[inline(always)]
    pub(super) fn new(
        Init { sums, lines }: Init<'_, 'p>,
        multipliers: &'p [i32],
        left_shift: u32,
        outputs: usize,
    ) -> Option<Self> {
        let sums = *sums.as_chunks::<LANES>().0.first_chunk::<V>()?;
        Some(Self { sums, lines, multipliers, left_shift, outputs, arithmetic: PhantomData })
    }

    /// Adds the products of the next piece, in whole words.
    #[inline(always)]
    pub(super) fn add<K: Kernel>(&mut self, kernel: K, piece: &[A::Input]) -> Result<(), Corrupt> {
        let (lines, rest) = self.lines.split_at_checked(size_of_val(piece) / WORD * V).ok_or(Corrupt)?;
        self.sums = A::gemv_accumulate(kernel, lines, piece, self.sums);
        self.lines = rest;
        Ok(())
    }

    /// Requantized sums.
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

    /// Function that requantizes the sums of vector `v`.
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
        Strided { first, .. }: Strided,
        f: impl Fn(i32, X, &mut Y),
    ) -> Result<(), Corrupt> {
        let range = first..first + self.outputs;
        let (x, y) = (x.get(range.clone()).ok_or(Corrupt)?, y.get_mut(range).ok_or(Corrupt)?);
        let scaled = self.requantized(kernel).ok_or(Corrupt)?;
        // Only the last vector may be partial.
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
