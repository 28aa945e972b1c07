//! Matrix-vector products of an op, one block of outputs at a time, and the store of their results.

use super::context::PixelContext;
use super::registers::Registers;
use crate::arithmetic::Arithmetic;
use crate::blob::{Layout, MatrixDescriptor};
use crate::exec::error::Corrupt;
use crate::kernels::OUTPUT_TILE;
use crate::kernels::{Gemv, Kernel};
use core::hint::black_box;
use core::ops::Range;

/// Outputs per block: a multiple of the tile height of a [`Layout`], small enough for the stack of a microcontroller.
pub(super) const OUTPUT_BLOCK: usize = if cfg!(pixelrnn_mve) { OUTPUT_TILE } else { 2 * OUTPUT_TILE };

/// Outputs per block of [`BlockedGemv::add`].
const ADD_BLOCK: usize = 16;

const _: () = assert!(OUTPUT_BLOCK.is_multiple_of(Layout::OUTPUTS) && ADD_BLOCK.is_multiple_of(Layout::OUTPUTS));

/// Matrix-vector product of a colour group, computed in blocks of outputs: each call computes the next ones.
pub(super) struct BlockedGemv<'m, A: Arithmetic> {
    layout: Layout,
    left_shift: u8,
    /// All outputs of the colour group, as indices into the op's.
    pub(super) outputs: Range<usize>,
    weights: &'m [A::Weight],
    bias: &'m [A::Sum],
    multipliers: &'m [A::Sum],
    class_bias: &'m [A::Sum],
}

impl<'m, A: Arithmetic> BlockedGemv<'m, A> {
    /// All outputs of the current colour group. `length` is the number of inputs, with the padding of the layout. Empty slices if the
    /// blob contradicts its record.
    pub(super) fn new(matrix: &MatrixDescriptor, context: &PixelContext<'m>, length: usize) -> Self {
        let PixelContext { model, groups, group, .. } = *context;
        let (first, end) = matrix.group(groups, group);
        let first_weight = if group == 0 { 0 } else { matrix.weights_before(groups, group, model.layout()) };
        let slices = || {
            let weights = model.slice(matrix.weights, first_weight..first_weight + (end - first) * length)?;
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
        let (weights, bias, multipliers, class_bias) = slices().unwrap_or_default();
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

    /// Computes the next `sums.len()` outputs, requantized to the units of their destination; at most [`OUTPUT_TILE`] without biases.
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
        // Fast path of the separate passes below: same result.
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

    /// Adds the next `sums.len()` outputs, which have no biases, to `sums`.
    pub(super) fn add<K: Kernel>(
        &mut self,
        x: &[A::Activation],
        sums: &mut [A::Sum],
        kernel: K,
    ) -> Result<(), Corrupt> {
        let count = sums.len();
        // Fast path of `add_blocks`: same result.
        if A::MULTIPLIERS && self.layout == Layout::RowMajor {
            let (weights, multipliers) =
                (self.weights.get(..count * x.len()).ok_or(Corrupt)?, self.multipliers.get(..count).ok_or(Corrupt)?);
            let gemv = Gemv {
                bias: A::ZERO_BIAS.get(..count).ok_or(Corrupt)?,
                weights,
                x,
                left_shift: self.left_shift,
                multipliers,
            };
            if A::gemv_added(kernel, gemv, sums) {
                self.weights.split_off(..weights.len()).ok_or(Corrupt)?;
                self.multipliers.split_off(..count).ok_or(Corrupt)?;
                return Ok(());
            }
        }
        self.add_blocks(x, sums, kernel)
    }

    /// [`BlockedGemv::add`] in blocks of [`ADD_BLOCK`]. Out of line, because the block takes stack.
    #[inline(never)]
    fn add_blocks<K: Kernel>(&mut self, x: &[A::Activation], sums: &mut [A::Sum], kernel: K) -> Result<(), Corrupt> {
        let mut block = [A::Sum::default(); ADD_BLOCK];
        for sums in sums.chunks_mut(ADD_BLOCK) {
            let block = block.get_mut(..sums.len()).ok_or(Corrupt)?;
            self.next(x, block, kernel)?;
            for (sum, added) in sums.iter_mut().zip(block) {
                *sum = A::sum(*sum, *added);
            }
        }
        Ok(())
    }
}

/// Conversion of scaled sums on their way into a register.
#[derive(Clone, Copy)]
pub(super) enum Store {
    /// Activations: zero point added, clamped to `clamp_min` and above.
    Activation { zero_point: i8, clamp_min: i8 },
    /// Residuals, saturated.
    Residual,
    /// Added to the residuals in the register, saturated.
    Accumulate,
}

impl Store {
    /// Stores `values` as features `range` of the register at byte `at`.
    pub(super) fn put<A: Arithmetic, K: Kernel>(
        self,
        registers: &mut Registers<'_>,
        at: u32,
        range: Range<usize>,
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

/// Zero point and `clamp_min` for [`Arithmetic::activation`]. For scalar kernels a `black_box` hides the range of `clamp_min`: knowing
/// it, the compiler no longer saturates in one instruction.
#[inline(always)]
pub(super) fn opaque<K: Kernel>(zero_point: i8, clamp_min: i8) -> (i32, i32) {
    let clamp_min = i32::from(clamp_min);
    (i32::from(zero_point), if K::VECTORS { clamp_min } else { black_box(clamp_min) })
}
