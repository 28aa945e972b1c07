//! Masked convolution, one pixel and one colour at a time.

use super::ring::{Ring, copy};
use super::taps::Columns;
use super::{Context, Shared};
use crate::blob::{ConvRecord, Destination, Layout};
use crate::kernels::Kernel;
use crate::numbers::Arithmetic;
use core::marker::PhantomData;
use core::ops::Range;

/// Outputs computed at a time: whole blocks of [`Layout`], few enough for the stack of a small machine.
const BLOCK: usize = 4 * Layout::OUTPUTS;

/// A convolution at a pixel.
pub(super) struct Conv<'c, 'm, A> {
    pub(super) record: &'c ConvRecord,
    pub(super) context: &'c Context<'m>,
    /// Whether the input register is the image, whose value at this pixel is still to come.
    pub(super) reads_image: bool,
    pub(super) arithmetic: PhantomData<A>,
}

impl<A: Arithmetic> Conv<'_, '_, A> {
    /// `own` holds the inputs of the pixels that later ones read.
    pub(super) fn step<K: Kernel>(&self, own: &mut [u32], shared: &mut Shared<'_, A>, kernel: K) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let inputs = usize::from(record.inputs);
        let mut ring = Ring::new(
            bytemuck::try_cast_slice_mut(own).ok()?,
            record.kept_pixels(context.height, context.width),
            inputs,
        );
        let length = context.model.layout().row(record.length(context.groups, context.group));
        let patch = shared.patch.get_mut(..length)?;
        let (before, centre) = patch.split_at_mut_checked(record.past_taps() * inputs)?;
        self.gather(&ring, before)?;
        let open = record.open_inputs(context.groups, context.group);
        let (centre, missing) = centre.split_at_mut_checked(open)?;
        copy(centre, shared.registers.get(record.input, 0..open)?)?;
        missing.fill(A::zero(0));
        self.products(shared, length, kernel)?;
        if !self.reads_image && context.group + 1 == context.groups {
            ring.put(context.pixel(), shared.registers.get(record.input, 0..inputs)?)?;
        }
        Some(())
    }

    /// Copies the inputs under the past taps to `patch`, row by row.
    fn gather(&self, ring: &Ring<'_, A::Activation>, patch: &mut [A::Activation]) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let (top, left, right) = record.reach();
        let mut rest = patch;
        for above in (0..=top).rev() {
            let taps = if above > 0 { left + 1 + right } else { left };
            let (row, after) = core::mem::take(&mut rest).split_at_mut_checked(taps * usize::from(record.inputs))?;
            rest = after;
            let columns =
                Columns { left, dilation: usize::from(record.dilation), zero: A::zero(record.input_zero_point) };
            let above = above * usize::from(record.dilation);
            columns.gather(context, context.row.checked_sub(above), ring, usize::from(record.inputs), row)?;
        }
        Some(())
    }

    /// The dot products of this colour's outputs with `length` inputs, requantized and stored.
    fn products<K: Kernel>(&self, shared: &mut Shared<'_, A>, length: usize, kernel: K) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let (groups, group) = (context.groups, context.group);
        let outputs = usize::from(record.outputs);
        let (first, end) = record.group(groups, group);
        let layout = context.model.layout();
        let earlier = record.weights_before(groups, group, layout);
        let weights: &[A::Weight] = context.model.numbers(record.weights, earlier + (end - first) * length)?;
        let mut weights = weights.get(earlier..)?;
        let bias: &[A::Sum] = context.model.numbers(record.bias, outputs)?;
        let multipliers = context.multipliers::<A>(record.multipliers, bias)?.get(first..end)?;
        let class_bias = context.class_bias::<A>(record.class_bias, outputs)?;
        let bias = bias.get(first..end)?;
        let x = shared.patch.get(..length)?;
        let registers = &mut shared.registers;
        let mut out = match record.destination()? {
            Destination::Activation => Out::<A>::Activation(registers.get_mut(record.output, first..end)?),
            Destination::Stream => Out::Stream(registers.get_mut(record.output, first..end)?),
            Destination::Accumulate => Out::Accumulate(registers.get_mut(record.output, first..end)?),
            Destination::Logits => Out::Logits(shared.logits.get_mut(..end - first)?),
        };
        let mut memory = [A::Sum::default(); BLOCK];
        let mut at = 0;
        for (bias, multipliers) in bias.chunks(BLOCK).zip(multipliers.chunks(BLOCK)) {
            let sums = memory.get_mut(..bias.len())?;
            let (own, rest) = weights.split_at_checked(bias.len() * length)?;
            weights = rest;
            A::products(kernel, layout, bias, own, x, sums);
            for (sum, class) in sums.iter_mut().zip(class_bias.get(first + at..).unwrap_or_default()) {
                *sum = A::sum(*sum, *class);
            }
            let sums = sums.iter().zip(multipliers).map(|(sum, m)| A::scaled(*sum, record.left, *m));
            out.store(record, at..at + bias.len(), sums)?;
            at += bias.len();
        }
        Some(())
    }
}

/// Where the outputs of a convolution go.
enum Out<'r, A: Arithmetic> {
    Activation(&'r mut [A::Activation]),
    Stream(&'r mut [A::Stream]),
    Accumulate(&'r mut [A::Stream]),
    Logits(&'r mut [u32]),
}

impl<A: Arithmetic> Out<'_, A> {
    /// Stores the scaled sums of the outputs `range`.
    #[inline(always)]
    fn store(&mut self, record: &ConvRecord, range: Range<usize>, sums: impl Iterator<Item = A::Sum>) -> Option<()> {
        match self {
            Self::Activation(out) => {
                for (y, v) in out.get_mut(range)?.iter_mut().zip(sums) {
                    *y = A::activation(v, record.output_zero_point, record.output_low);
                }
            }
            Self::Stream(out) => {
                for (y, v) in out.get_mut(range)?.iter_mut().zip(sums) {
                    *y = A::stream(v);
                }
            }
            Self::Accumulate(out) => {
                for (y, v) in out.get_mut(range)?.iter_mut().zip(sums) {
                    *y = A::accumulate(v, *y);
                }
            }
            Self::Logits(out) => {
                for (y, v) in out.get_mut(range)?.iter_mut().zip(sums) {
                    *y = A::logit(v, record.logit_shift) as u32;
                }
            }
        }
        Some(())
    }
}
