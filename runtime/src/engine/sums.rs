//! The weighted sums of an op, a few outputs at a time, and where they go.

use super::Context;
use super::registers::Registers;
use crate::blob::{Layout, Linear};
use crate::kernels::Kernel;
use crate::numbers::{Arithmetic, NO_BIAS};
use core::hint::black_box;
use core::ops::Range;

/// Outputs computed at a time: whole blocks of a [`Layout`], few enough for the stack of a small machine.
pub(super) const SUMS: usize = 2 * NO_BIAS;

const _: () = assert!(SUMS.is_multiple_of(Layout::OUTPUTS));

/// The sums of a colour group that are still to be computed.
pub(super) struct Sums<'m, A: Arithmetic> {
    layout: Layout,
    left: u8,
    /// Their numbers, of all of the op's.
    pub(super) outputs: Range<usize>,
    weights: &'m [A::Weight],
    bias: &'m [A::Sum],
    multipliers: &'m [A::Sum],
    class_bias: &'m [A::Sum],
}

impl<'m, A: Arithmetic> Sums<'m, A> {
    /// All sums of the colour that is being computed, of `length` inputs as they lie in the blob. There are none where the blob does
    /// not have what its record says.
    pub(super) fn new(linear: &Linear, context: &Context<'m>, length: usize) -> Self {
        let Context { model, groups, group, .. } = *context;
        let (first, end) = linear.group(groups, group);
        let before = if group == 0 { 0 } else { linear.weights_before(groups, group, model.layout()) };
        let parts = || {
            let weights = model.numbers(linear.weights, before..before + (end - first) * length)?;
            let bias = match linear.bias {
                Some(at) => model.numbers(at, first..end)?,
                None => &[],
            };
            let multipliers = if A::MULTIPLIERS { model.numbers(linear.multipliers, first..end)? } else { &[] };
            let class_bias = match (linear.class_bias, context.label) {
                (0, _) | (_, None) => &[],
                (at, Some(label)) => {
                    let class = label * linear.sums();
                    model.numbers(at, class + first..class + end)?
                }
            };
            Some((weights, bias, multipliers, class_bias))
        };
        let (weights, bias, multipliers, class_bias) = parts().unwrap_or_default();
        Self { layout: model.layout(), left: linear.left, outputs: first..end, weights, bias, multipliers, class_bias }
    }

    /// Fills `sums` with the next ones, in units of their destination. Without biases, they are [`NO_BIAS`] at most.
    pub(super) fn next<K: Kernel>(&mut self, x: &[A::Activation], sums: &mut [A::Sum], kernel: K) -> Option<()> {
        let count = sums.len();
        let weights = self.weights.split_off(..count * x.len())?;
        let bias = if self.bias.is_empty() { A::NO_BIAS.get(..count)? } else { self.bias.split_off(..count)? };
        if K::WHOLE && A::MULTIPLIERS && self.class_bias.is_empty() && self.layout == Layout::Rows {
            A::scaled_rows(kernel, bias, weights, x, self.left, self.multipliers.split_off(..count)?, sums);
            return Some(());
        }
        A::products(kernel, self.layout, bias, weights, x, sums);
        if let Some(class_bias) = self.class_bias.split_off(..count) {
            for (sum, class) in sums.iter_mut().zip(class_bias) {
                *sum = A::sum(*sum, *class);
            }
        }
        if A::MULTIPLIERS {
            A::scale(kernel, sums, self.left, self.multipliers.split_off(..count)?);
        }
        Some(())
    }
}

/// What becomes of a value on its way into a register.
#[derive(Clone, Copy)]
pub(super) enum Store {
    /// An activation, of at least `low`.
    Activation { zero_point: i8, low: i8 },
    /// A value of the stream.
    Stream,
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
    ) -> Option<()> {
        if let Self::Activation { zero_point, low } = self {
            let (zero_point, low) = opaque(zero_point, low);
            A::activations(kernel, values, zero_point, low, registers.get_mut(at, range)?);
            return Some(());
        }
        let stream = registers.get_mut(at, range)?;
        if let Self::Accumulate = self {
            A::accumulated(kernel, values, stream);
        } else {
            A::streams(kernel, values, stream);
        }
        Some(())
    }
}

/// Zero point and least activation for [`Arithmetic::activation`]. That the latter is within the range of activations is not for the
/// compiler to know: it would not saturate in one instruction.
#[inline(always)]
pub(super) fn opaque(zero_point: i8, low: i8) -> (i32, i32) {
    (i32::from(zero_point), black_box(i32::from(low)))
}
