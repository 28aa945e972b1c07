//! Masked convolution, one pixel and one colour at a time.

use super::ring::{Ring, copy};
use super::taps::Columns;
use super::{Context, Shared};
use crate::blob::{ConvRecord, Destination};
use crate::kernels::Kernel;
use crate::numbers::Arithmetic;
use core::marker::PhantomData;

/// Outputs computed at a time: their sums stay in machine registers or near. Whole blocks of [`crate::blob::Layout`].
const BLOCK: usize = 16;

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
        let weights = weights.get(earlier..)?;
        let bias: &[A::Sum] = context.model.numbers(record.bias, outputs)?;
        let multipliers = context.multipliers::<A>(record.multipliers, outputs)?;
        let class_bias = context.class_bias::<A>(record.class_bias, outputs)?;
        let x = shared.patch.get(..length)?;
        let mut at = first;
        while at < end {
            let block = BLOCK.min(end - at);
            let mut sums = [A::Sum::default(); BLOCK];
            let sums = sums.get_mut(..block)?;
            copy(sums, bias.get(at..at + block)?)?;
            for (sum, class) in sums.iter_mut().zip(class_bias.get(at..).unwrap_or_default()) {
                *sum = A::sum(*sum, *class);
            }
            A::matvec(kernel, layout, sums, weights.get((at - first) * length..(at - first + block) * length)?, x);
            for (sum, multiplier) in sums.iter_mut().zip(multipliers.get(at..).unwrap_or_default()) {
                *sum = A::scaled(*sum, record.left, *multiplier);
            }
            match record.destination()? {
                Destination::Activation => {
                    let out = shared.registers.get_mut(record.output, at..at + block)?;
                    for (y, v) in out.iter_mut().zip(sums) {
                        *y = A::activation(*v, record.output_zero_point, record.output_low);
                    }
                }
                Destination::Stream => {
                    let out = shared.registers.get_mut(record.output, at..at + block)?;
                    for (y, v) in out.iter_mut().zip(sums) {
                        *y = A::stream(*v);
                    }
                }
                Destination::Accumulate => {
                    let out = shared.registers.get_mut(record.output, at..at + block)?;
                    for (y, v) in out.iter_mut().zip(sums) {
                        *y = A::accumulate(*v, *y);
                    }
                }
                Destination::Logits => {
                    let out = shared.logits.get_mut(at - first..at - first + block)?;
                    for (y, v) in out.iter_mut().zip(sums) {
                        *y = A::logit(*v, record.logit_shift) as u32;
                    }
                }
            }
            at += block;
        }
        Some(())
    }
}
