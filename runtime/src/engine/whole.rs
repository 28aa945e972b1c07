//! A convolution whose outputs are few enough to be computed at once.
//!
//! It gives what [`super::conv`] gives. With nothing to keep from some outputs to the next ones it has less to set up, which
//! counts where vectors make the sums themselves short.

use super::conv::gather;
use super::ring::Ring;
use super::sums::{SUMS, Store};
use super::{Context, Shared};
use crate::blob::{ConvRecord, Destination, Layout, group_start};
use crate::kernels::Kernel;
use crate::model::Mask;
use crate::numbers::Arithmetic;

/// Whether [`conv`] can do it.
pub(super) fn can<A: Arithmetic>(record: &ConvRecord, context: &Context<'_>) -> bool {
    let few = usize::from(record.outputs) <= SUMS && record.class_bias == 0;
    few && A::MULTIPLIERS && context.model.layout() == Layout::Rows && record.destination != Destination::Logits as u8
}

/// A convolution at a pixel, as [`super::conv::conv`], of those that [`can`] be done.
#[inline(never)]
pub(super) fn conv<A: Arithmetic, K: Kernel>(
    record: &ConvRecord,
    context: &Context<'_>,
    first: bool,
    ring: &mut Ring<'_, A::Activation>,
    shared: &mut Shared<'_, A>,
    kernel: K,
) -> Option<()> {
    let Shared { registers, patch, sums, .. } = shared;
    let Context { model, groups, group, .. } = context;
    let inputs = usize::from(record.inputs);
    let start = |count, group| group_start(count, *groups, group);
    let own = usize::from(record.mask() == Mask::B);
    let (past, open) = (record.past_taps() * inputs, start(inputs, group + own));
    let length = past + open;
    let x = if past == 0 {
        registers.get(record.input, 0..open)?
    } else {
        let (past, centre) = patch.get_mut(..length)?.split_at_mut_checked(past)?;
        gather::<A>(record, context, ring, past)?;
        registers.read(record.input, 0, centre)?;
        if !ring.is_empty() && !first && group + 1 == *groups {
            registers.read(record.input, 0, ring.get_mut(context.pixel())?)?;
        }
        patch.get(..length)?
    };
    let outputs = start(usize::from(record.outputs), *group)..start(usize::from(record.outputs), group + 1);
    let count = outputs.end - outputs.start;
    let sums = sums.get_mut(..count)?;
    let before = if *group == 0 { 0 } else { record.weights_before(*groups, *group, Layout::Rows) };
    let weights = model.numbers(record.weights, before..before + count * length)?;
    let bias = model.numbers(record.bias, outputs.clone())?;
    let multipliers = model.numbers(record.multipliers, outputs.clone())?;
    A::scaled_rows(kernel, bias, weights, x, record.left, multipliers, sums);
    let store = match record.destination()? {
        Destination::Activation => Store::Activation { zero_point: record.output_zero_point, low: record.output_low },
        Destination::Accumulate => Store::Accumulate,
        _ => Store::Stream,
    };
    store.put::<A, K>(registers, (record.output, outputs), sums, kernel)
}
