//! Masked convolution, one pixel and one colour at a time.

use super::registers::Registers;
use super::ring::{Ring, copy};
use super::taps::Columns;
use super::{Context, Shared};
use crate::blob::{ConvRecord, Destination};
use crate::kernels::{Kernel, map_two};
use crate::numbers::Arithmetic;
use bytemuck::Pod;
use core::marker::PhantomData;
use core::ops::Range;

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
        let open = record.open_inputs(context.groups, context.group);
        let past = record.past_taps() * inputs;
        let length = context.model.layout().row(past + open);
        if length == open {
            // What a 1x1 kernel reads lies together already.
            return self.products(shared, length, false, kernel);
        }
        let kept = record.kept_pixels(context.height, context.width);
        let mut ring = Ring::new(bytemuck::try_cast_slice_mut(own).ok()?, kept, inputs);
        let (before, centre) = shared.patch.get_mut(..length)?.split_at_mut_checked(past)?;
        self.gather(&ring, before)?;
        let (centre, missing) = centre.split_at_mut_checked(open)?;
        copy(centre, shared.registers.get(record.input, 0..open)?)?;
        missing.fill(A::zero(0));
        self.products(shared, length, true, kernel)?;
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

    /// The dot products of this colour's outputs with `length` inputs, of the patch or of the input register, requantized
    /// and stored.
    fn products<K: Kernel>(&self, shared: &mut Shared<'_, A>, length: usize, gathered: bool, kernel: K) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let (groups, group) = (context.groups, context.group);
        let outputs = usize::from(record.outputs);
        let (first, end) = record.group(groups, group);
        let layout = context.model.layout();
        let earlier = record.weights_before(groups, group, layout);
        let weights: &[A::Weight] = context.model.numbers(record.weights, earlier + (end - first) * length)?;
        let weights = weights.get(earlier..)?;
        let bias: &[A::Sum] = context.model.numbers(record.bias, outputs)?;
        let multipliers = context.multipliers::<A>(record.multipliers, bias)?.get(first..end)?;
        let class_bias = context.class_bias::<A>(record.class_bias, outputs)?;
        let bias = bias.get(first..end)?;

        let Shared { registers, logits, patch, sums: memory } = shared;
        let patch = if gathered { Some(patch.get(..length)?) } else { None };
        let (input, output) = ((record.input, 0..length), (record.output, first..end));
        let (x, mut out) = match record.destination()? {
            Destination::Activation => {
                let (x, out) = vectors(registers, patch, input, output)?;
                (x, Out::<A>::Activation(out))
            }
            Destination::Stream => {
                let (x, out) = vectors(registers, patch, input, output)?;
                (x, Out::Stream(out))
            }
            Destination::Accumulate => {
                let (x, out) = vectors(registers, patch, input, output)?;
                (x, Out::Accumulate(out))
            }
            Destination::Logits => {
                let x = match patch {
                    Some(patch) => patch,
                    None => registers.get(input.0, input.1)?,
                };
                (x, Out::Logits(logits.get_mut(..end - first)?))
            }
        };
        let mut at = 0;
        while at < bias.len() {
            let end = bias.len().min(at + memory.len());
            let sums = memory.get_mut(..end - at)?;
            let multipliers = multipliers.get(at..end)?;
            A::products(kernel, layout, bias.get(at..end)?, weights.get(at * length..)?, x, sums);
            for (sum, class) in sums.iter_mut().zip(class_bias.get(first + at..).unwrap_or_default()) {
                *sum = A::sum(*sum, *class);
            }
            out.store(record, at..end, sums, multipliers, kernel)?;
            at = end;
        }
        Some(())
    }
}

/// What an op reads, from `patch` or else from a register, and the register that it writes.
fn vectors<'v, T: Pod, U: Pod>(
    registers: &'v mut Registers<'_>,
    patch: Option<&'v [T]>,
    input: (u32, Range<usize>),
    output: (u32, Range<usize>),
) -> Option<(&'v [T], &'v mut [U])> {
    match patch {
        Some(patch) => Some((patch, registers.get_mut(output.0, output.1)?)),
        None => registers.apart(input, output),
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
    /// Scales the sums of the outputs `range` and stores them.
    #[inline(always)]
    fn store<K: Kernel>(
        &mut self,
        record: &ConvRecord,
        range: Range<usize>,
        sums: &[A::Sum],
        multipliers: &[A::Sum],
        kernel: K,
    ) -> Option<()> {
        let ConvRecord { left, output_zero_point, output_low, logit_shift, .. } = *record;
        match self {
            Self::Activation(out) => map_two(
                kernel,
                sums,
                multipliers,
                out.get_mut(range)?,
                #[inline(always)]
                move |sum, m, y| {
                    *y = A::activation(A::scaled(sum, left, m), output_zero_point, output_low);
                },
            ),
            Self::Stream(out) => map_two(
                kernel,
                sums,
                multipliers,
                out.get_mut(range)?,
                #[inline(always)]
                move |sum, m, y| {
                    *y = A::stream(A::scaled(sum, left, m));
                },
            ),
            Self::Accumulate(out) => map_two(
                kernel,
                sums,
                multipliers,
                out.get_mut(range)?,
                #[inline(always)]
                move |sum, m, y| {
                    *y = A::accumulate(A::scaled(sum, left, m), *y);
                },
            ),
            Self::Logits(out) => map_two(
                kernel,
                sums,
                multipliers,
                out.get_mut(range)?,
                #[inline(always)]
                move |sum, m, y| {
                    *y = A::logit(A::scaled(sum, left, m), logit_shift) as u32;
                },
            ),
        }
        Some(())
    }
}
