//! Masked convolution, one pixel and one colour at a time.

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
    /// `own` holds the past pixels' inputs, a ring in raster order.
    pub(super) fn step<K: Kernel>(&self, own: &mut [i8], shared: &mut Shared<'_>, kernel: K) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let inputs = usize::from(record.inputs);
        let past = record.past_pixels(context.height, context.width);
        let length = record.length(context.groups, context.group);
        let patch = shared.patch.get_mut(..length)?;
        let (before, centre) = patch.split_at_mut_checked(record.past_taps() * inputs)?;
        self.gather(past, own, before)?;
        let open = match record.mask() {
            Mask::A => context.group,
            Mask::B => context.group + 1,
        };
        centre.copy_from_slice_checked(
            shared.registers.narrow(record.input, group_start(inputs, context.groups, open))?,
        )?;
        self.products(shared, length, kernel)?;
        if !self.reads_image && context.group + 1 == context.groups {
            let pixel = context.row * context.width + context.column;
            remember(past, pixel, own, shared.registers.narrow(record.input, inputs)?)?;
        }
        Some(())
    }

    /// Copies the inputs under the past taps to `patch`; outside the image they are the zero point.
    fn gather(&self, past: usize, own: &[i8], patch: &mut [i8]) -> Option<()> {
        let (record, context) = (self.record, self.context);
        let inputs = usize::from(record.inputs);
        let dilation = usize::from(record.dilation);
        let (top, left, right) = record.reach();
        let mut rest = patch;
        for above in (0..=top).rev() {
            let taps = if above > 0 { left + 1 + right } else { left };
            let (row, after) = core::mem::take(&mut rest).split_at_mut_checked(taps * inputs)?;
            rest = after;
            if above * dilation > context.row {
                row.fill(record.input_zero_point);
                continue;
            }
            let start = (context.row - above * dilation) * context.width;
            for (tap, features) in row.chunks_exact_mut(inputs).enumerate() {
                // Column of the tap, counted from `left` dilations to the left of the image.
                let column = context.column + tap * dilation;
                if column < left * dilation || column >= context.width + left * dilation {
                    features.fill(record.input_zero_point);
                } else {
                    let slot = (start + column - left * dilation).checked_rem(past)?;
                    features.copy_from_slice_checked(own.get(slot * inputs..(slot + 1) * inputs)?)?;
                }
            }
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
        let class_bias = match (record.class_bias, context.label) {
            (0, _) | (_, None) => &[],
            (at, Some(label)) => context.model.numbers(at, (label + 1) * outputs)?.get(label * outputs..)?,
        };
        let x = shared.patch.get(..length)?;
        let mut at = first;
        while at < end {
            let block = BLOCK.min(end - at);
            let mut sums = [0; BLOCK];
            let sums = sums.get_mut(..block)?;
            sums.copy_from_slice_checked(bias.get(at..at + block)?)?;
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

/// Puts the finished inputs of `pixel` into a ring of the last `past` pixels.
pub(super) fn remember(past: usize, pixel: usize, ring: &mut [i8], x: &[i8]) -> Option<()> {
    if past == 0 {
        return Some(());
    }
    let slot = pixel.checked_rem(past)?;
    ring.get_mut(slot * x.len()..(slot + 1) * x.len())?.copy_from_slice_checked(x)
}

/// `copy_from_slice` that says no instead of panicking.
trait CopyChecked<T> {
    fn copy_from_slice_checked(&mut self, from: &[T]) -> Option<()>;
}

impl<T: Copy> CopyChecked<T> for [T] {
    #[inline]
    fn copy_from_slice_checked(&mut self, from: &[T]) -> Option<()> {
        if self.len() != from.len() {
            return None;
        }
        self.copy_from_slice(from);
        Some(())
    }
}
