//! The weighted sums of an op, a few outputs at a time, and where they go.

use super::context::PixelContext;
use super::registers::Registers;
use crate::arithmetic::Arithmetic;
use crate::blob::{Layout, MatrixDescriptor};
use crate::exec::error::Corrupt;
use crate::kernels::OUTPUT_TILE;
use crate::kernels::{Gemv, Kernel};
use core::hint::black_box;
use core::ops::Range;

/// Outputs computed at a time: whole blocks of a [`Layout`], few enough for the stack of a small machine.
pub(super) const OUTPUT_BLOCK: usize = if cfg!(pixelrnn_mve) { OUTPUT_TILE } else { 2 * OUTPUT_TILE };

/// Outputs computed at a time where they are added to others.
const FEW: usize = 16;

const _: () = assert!(OUTPUT_BLOCK.is_multiple_of(Layout::OUTPUTS) && FEW.is_multiple_of(Layout::OUTPUTS));

/// The sums of a colour group that are still to be computed.
pub(super) struct Accumulators<'m, A: Arithmetic> {
    layout: Layout,
    left_shift: u8,
    /// Their numbers, of all of the op's.
    pub(super) outputs: Range<usize>,
    weights: &'m [A::Weight],
    bias: &'m [A::Sum],
    multipliers: &'m [A::Sum],
    class_bias: &'m [A::Sum],
}

impl<'m, A: Arithmetic> Accumulators<'m, A> {
    /// All sums of the colour that is being computed, of `length` inputs as they lie in the blob. There are none where the blob does
    /// not have what its record says.
    pub(super) fn new(matrix: &MatrixDescriptor, context: &PixelContext<'m>, length: usize) -> Self {
        let PixelContext { model, groups, group, .. } = *context;
        let (first, end) = matrix.group(groups, group);
        let before = if group == 0 { 0 } else { matrix.weights_before(groups, group, model.layout()) };
        let parts = || {
            let weights = model.slice(matrix.weights, before..before + (end - first) * length)?;
            let multipliers = if A::MULTIPLIERS { model.slice(matrix.multipliers, first..end)? } else { &[] };
            let class_bias = match (matrix.class_bias, context.label) {
                (0, _) | (_, None) => &[],
                (at, Some(label)) => {
                    let class = label * matrix.sums();
                    model.slice(at, class + first..class + end)?
                }
            };
            let (bias, class_bias) = match matrix.bias {
                Some(0) => (class_bias, &[][..]),
                Some(at) => (model.slice(at, first..end)?, class_bias),
                None => (&[][..], class_bias),
            };
            Some((weights, bias, multipliers, class_bias))
        };
        let (weights, bias, multipliers, class_bias) = parts().unwrap_or_default();
        Self {
            layout: model.layout(),
            left_shift: matrix.left_shift,
            outputs: first..end,
            weights,
            bias,
            multipliers,
            class_bias,
        }
    }

    /// Fills `sums` with the next ones, in units of their destination. Without biases, they are [`OUTPUT_TILE`] at most.
    pub(super) fn next<K: Kernel>(
        &mut self,
        x: &[A::Activation],
        sums: &mut [A::Sum],
        kernel: K,
    ) -> Result<(), Corrupt> {
        let count = sums.len();
        let weights = self.weights.split_off(..count * x.len()).ok_or(Corrupt)?;
        let bias = if self.bias.is_empty() {
            A::ZERO_BIAS.get(..count).ok_or(Corrupt)?
        } else {
            self.bias.split_off(..count).ok_or(Corrupt)?
        };
        if K::FUSED && A::MULTIPLIERS && self.class_bias.is_empty() && self.layout == Layout::RowMajor {
            let multipliers = self.multipliers.split_off(..count).ok_or(Corrupt)?;
            A::gemv_scaled(kernel, Gemv { bias, weights, x, left_shift: self.left_shift, multipliers }, sums);
            return Ok(());
        }
        A::products(kernel, self.layout, bias, weights, x, sums);
        let multipliers = if A::MULTIPLIERS { self.multipliers.split_off(..count).ok_or(Corrupt)? } else { &[] };
        match self.class_bias.split_off(..count) {
            Some(class_bias) => A::scale_both(kernel, sums, class_bias, self.left_shift, multipliers),
            None => A::scale(kernel, sums, self.left_shift, multipliers),
        }
        if A::finite(sums) { Ok(()) } else { Err(Corrupt) }
    }

    /// Adds the next ones, which have no biases, to `sums`.
    pub(super) fn add<K: Kernel>(
        &mut self,
        x: &[A::Activation],
        sums: &mut [A::Sum],
        kernel: K,
    ) -> Result<(), Corrupt> {
        let count = sums.len();
        if A::MULTIPLIERS && self.layout == Layout::RowMajor {
            let (weights, multipliers) =
                (self.weights.get(..count * x.len()).ok_or(Corrupt)?, self.multipliers.get(..count).ok_or(Corrupt)?);
            let rows = Gemv {
                bias: A::ZERO_BIAS.get(..count).ok_or(Corrupt)?,
                weights,
                x,
                left_shift: self.left_shift,
                multipliers,
            };
            if A::gemv_added(kernel, rows, sums) {
                self.weights.split_off(..weights.len()).ok_or(Corrupt)?;
                self.multipliers.split_off(..count).ok_or(Corrupt)?;
                return Ok(());
            }
        }
        self.add_few(x, sums, kernel)
    }

    /// As [`Accumulators::add`], a few at a time. A function of its own, as these few take stack.
    #[inline(never)]
    fn add_few<K: Kernel>(&mut self, x: &[A::Activation], sums: &mut [A::Sum], kernel: K) -> Result<(), Corrupt> {
        let mut few = [A::Sum::default(); FEW];
        for sums in sums.chunks_mut(FEW) {
            let few = few.get_mut(..sums.len()).ok_or(Corrupt)?;
            self.next(x, few, kernel)?;
            for (sum, more) in sums.iter_mut().zip(few) {
                *sum = A::sum(*sum, *more);
            }
        }
        Ok(())
    }
}

/// What becomes of a value on its way into a register.
#[derive(Clone, Copy)]
pub(super) enum Store {
    /// An activation, of at least `clamp_min`.
    Activation { zero_point: i8, clamp_min: i8 },
    /// A value of the stream.
    Residual,
    /// Added to what stands there, of the stream.
    Accumulate,
}

impl Store {
    /// Stores `values` as the features `range` of the register at byte `at`.
    pub(super) fn put<A: Arithmetic, K: Kernel>(
        self,
        registers: &mut Registers<'_>,
        (at, range): (u32, Range<usize>),
        values: &[A::Sum],
        kernel: K,
    ) -> Result<(), Corrupt> {
        if let Self::Activation { zero_point, clamp_min } = self {
            let (zero_point, clamp_min) = opaque::<K>(zero_point, clamp_min);
            A::activations(kernel, values, zero_point, clamp_min, registers.get_mut(at, range).ok_or(Corrupt)?);
            return Ok(());
        }
        let residual = registers.get_mut(at, range).ok_or(Corrupt)?;
        if let Self::Accumulate = self {
            A::accumulated(kernel, values, residual);
        } else {
            A::residuals(kernel, values, residual);
        }
        Ok(())
    }
}

/// Zero point and least activation for [`Arithmetic::activation`]. That the latter is within the range of activations is not for the
/// compiler to know: it would not saturate in one instruction, where it does so number by number.
#[inline(always)]
pub(super) fn opaque<K: Kernel>(zero_point: i8, clamp_min: i8) -> (i32, i32) {
    let clamp_min = i32::from(clamp_min);
    (i32::from(zero_point), if K::VECTORS { clamp_min } else { black_box(clamp_min) })
}
