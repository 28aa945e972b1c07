//! Masked convolution, one pixel and one colour at a time.

use super::ring::{Ring, copy};
use super::taps::Columns;
use super::{Context, Shared};
use crate::blob::{ConvRecord, Destination, group_start};
use crate::kernels::Kernel;
use crate::model::Mask;
use crate::numbers::{clamp8, requantize, saturate16};

/// Outputs computed at a time: their sums stay in machine registers or near.
const BLOCK: usize = 16;

/// A convolution at a pixel.
pub(super) struct Conv<'c, 'm> {
    pub(super) record: &'c ConvRecord,
    pub(super) context: &'c Context<'m>,
    /// Whether the input register is the image, whose value at this pixel is still to come.
    pub(super) reads_image: bool,
}

impl Conv<'_, '_> {
    /// `own` holds the inputs of the pixels that later ones read.
    pub(super) fn step<K: Kernel>(&self, own: &mut [i8], shared: &mut Shared<'_>, kernel: K) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let inputs = usize::from(record.inputs);
        let mut ring = Ring::new(own, record.kept_pixels(context.height, context.width), inputs);
        let length = record.length(context.groups, context.group);
        let patch = shared.patch.get_mut(..length)?;
        let (before, centre) = patch.split_at_mut_checked(record.past_taps() * inputs)?;
        self.gather(&ring, before)?;
        let open = match record.mask() {
            Mask::A => context.group,
            Mask::B => context.group + 1,
        };
        copy(centre, shared.registers.narrow(record.input, group_start(inputs, context.groups, open))?)?;
        self.products(shared, length, kernel)?;
        if !self.reads_image && context.group + 1 == context.groups {
            ring.put(context.pixel(), shared.registers.narrow(record.input, inputs)?)?;
        }
        Some(())
    }

    /// Copies the inputs under the past taps to `patch`, row by row.
    fn gather(&self, ring: &Ring<'_, i8>, patch: &mut [i8]) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let (top, left, right) = record.reach();
        let mut rest = patch;
        for above in (0..=top).rev() {
            let taps = if above > 0 { left + 1 + right } else { left };
            let (row, after) = core::mem::take(&mut rest).split_at_mut_checked(taps * usize::from(record.inputs))?;
            rest = after;
            let columns = Columns { left, dilation: usize::from(record.dilation), zero: record.input_zero_point };
            let above = above * usize::from(record.dilation);
            columns.gather(context, context.row.checked_sub(above), ring, usize::from(record.inputs), row)?;
        }
        Some(())
    }

    /// The dot products of this colour's outputs, requantized and stored.
    fn products<K: Kernel>(&self, shared: &mut Shared<'_>, length: usize, kernel: K) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let (groups, group) = (context.groups, context.group);
        let outputs = usize::from(record.outputs);
        let (first, end) = record.group(groups, group);
        let earlier: usize = (0..group)
            .map(|g| {
                let (first, end) = record.group(groups, g);
                (end - first) * record.length(groups, g)
            })
            .sum();
        let weights = context.model.weights(record.weights, earlier + (end - first) * length)?.get(earlier..)?;
        let bias = context.model.numbers(record.bias, outputs)?;
        let multipliers = context.model.numbers(record.multipliers, outputs)?;
        let class_bias = context.class_bias(record.class_bias, outputs)?;
        let x = shared.patch.get(..length)?;
        let mut at = first;
        while at < end {
            let block = BLOCK.min(end - at);
            let mut sums = [0; BLOCK];
            let sums = sums.get_mut(..block)?;
            copy(sums, bias.get(at..at + block)?)?;
            if !class_bias.is_empty() {
                for (sum, class) in sums.iter_mut().zip(class_bias.get(at..at + block)?) {
                    *sum = sum.wrapping_add(*class);
                }
            }
            kernel.matvec(sums, weights.get((at - first) * length..(at - first + block) * length)?, x);
            for (sum, multiplier) in sums.iter_mut().zip(multipliers.get(at..at + block)?) {
                *sum = requantize(*sum, u32::from(record.left), *multiplier);
            }
            match record.destination()? {
                Destination::Activation => {
                    let out = shared.registers.narrow_mut(record.output, at..at + block)?;
                    for (y, v) in out.iter_mut().zip(sums) {
                        *y = clamp8(v.wrapping_add(i32::from(record.output_zero_point)), record.output_low);
                    }
                }
                Destination::Stream => {
                    let out = shared.registers.wide_mut(record.output, at..at + block)?;
                    for (y, v) in out.iter_mut().zip(sums) {
                        *y = saturate16(*v);
                    }
                }
                Destination::Accumulate => {
                    let out = shared.registers.wide_mut(record.output, at..at + block)?;
                    for (y, v) in out.iter_mut().zip(sums) {
                        *y = saturate16(v.wrapping_add(i32::from(*y)));
                    }
                }
                Destination::Logits => {
                    let out = shared.logits.get_mut(at - first..at - first + block)?;
                    for (y, v) in out.iter_mut().zip(sums) {
                        *y = v.wrapping_shl(u32::from(record.logit_shift)) as u32;
                    }
                }
            }
            at += block;
        }
        Some(())
    }
}
