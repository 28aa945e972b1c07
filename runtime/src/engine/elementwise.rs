//! Ops on each feature by itself.

use super::sums::{SUMS, Store};
use super::{Context, Shared};
use crate::blob::{Instruction, group_start};
use crate::numbers::Arithmetic;

/// Runs an op on the features of the colour that is being computed; one of another sort does nothing.
///
/// Where it reads and writes the same register: a few features are read before they are written.
#[inline(never)]
pub(super) fn run<A: Arithmetic>(op: Instruction<'_>, context: &Context<'_>, shared: &mut Shared<'_, A>) -> Option<()> {
    let (count, output) = match op {
        Instruction::Quantize(q) => (q.count, q.output),
        Instruction::Relu(r) => (r.count, r.output),
        Instruction::Elu(e) => (e.count, e.output),
        Instruction::Add(s) => (s.count, s.output),
        Instruction::DepthGate(d) => (d.count, d.output),
        _ => return Some(()),
    };
    let mut first = group_start(usize::from(count), context.groups, context.group);
    let end = group_start(usize::from(count), context.groups, context.group + 1);
    let Shared { registers, sums, .. } = shared;
    while first < end {
        let range = first..end.min(first + SUMS);
        let values = sums.get_mut(..range.len())?;
        let read = |at| registers.get::<A::Stream>(at, range.clone());
        let mut store = Store::Stream;
        match op {
            Instruction::Quantize(q) => {
                store = Store::Activation { zero_point: q.zero_point, low: q.low };
                let rescale = q.rescale;
                for (v, x) in values.iter_mut().zip(read(q.input)?) {
                    *v = A::quantize(*x, rescale);
                }
            }
            Instruction::Relu(r) => {
                for (v, x) in values.iter_mut().zip(read(r.input)?) {
                    *v = A::relu(*x);
                }
            }
            Instruction::Elu(e) => {
                for (v, x) in values.iter_mut().zip(read(e.input)?) {
                    *v = A::elu(*x, e.exponent, e.back);
                }
            }
            Instruction::Add(s) => {
                let (rescale, negate) = ([s.rescale_a, s.rescale_b], s.negate != 0);
                for ((v, a), b) in values.iter_mut().zip(read(s.a)?).zip(read(s.b)?) {
                    *v = A::add(*a, *b, rescale, negate);
                }
            }
            Instruction::DepthGate(d) => {
                let rescale = [d.rescale_a, d.rescale_b, d.rescale_t];
                for (((v, a), b), t) in values.iter_mut().zip(read(d.a)?).zip(read(d.b)?).zip(read(d.t)?) {
                    *v = A::depth_gate([*a, *b, *t], rescale);
                }
            }
            _ => return Some(()),
        }
        first = range.end;
        store.put::<A>(registers, output, range, values)?;
    }
    Some(())
}
