//! Ops on each feature by itself.

use super::sums::{SUMS, Store};
use super::{Context, Shared};
use crate::blob::{Instruction, group_start};
use crate::numbers::Arithmetic;

/// Runs an op on the features of the colour that is being computed; one of another sort does nothing.
pub(super) fn run<A: Arithmetic>(op: Instruction<'_>, context: &Context<'_>, shared: &mut Shared<'_, A>) -> Option<()> {
    let (count, output, inputs) = match op {
        Instruction::Quantize(q) => (q.count, q.output, [q.input; 3]),
        Instruction::Relu(r) => (r.count, r.output, [r.input; 3]),
        Instruction::Elu(e) => (e.count, e.output, [e.input; 3]),
        Instruction::Add(s) => (s.count, s.output, [s.a, s.b, s.b]),
        Instruction::DepthGate(d) => (d.count, d.output, [d.a, d.b, d.t]),
        _ => return Some(()),
    };
    let Shared { registers, sums, .. } = shared;
    let mut first = group_start(usize::from(count), context.groups, context.group);
    let end = group_start(usize::from(count), context.groups, context.group + 1);
    while first < end {
        // Where the output is an input as well: features are read before they are written.
        let range = first..end.min(first + SUMS);
        first = range.end;
        let values = sums.get_mut(..range.len())?;
        let read = |at| registers.get::<A::Stream>(at, range.clone());
        let [a, b, t] = inputs;
        let mut store = Store::Stream;
        if let Instruction::Quantize(q) = op {
            store = Store::Activation { zero_point: q.zero_point, low: q.low };
            let rescale = q.rescale;
            for (v, x) in values.iter_mut().zip(read(a)?) {
                *v = A::quantize(*x, rescale);
            }
        } else {
            for (((v, a), b), t) in values.iter_mut().zip(read(a)?).zip(read(b)?).zip(read(t)?) {
                *v = match op {
                    Instruction::Elu(e) => A::elu(*a, e.exponent, e.back),
                    Instruction::Add(s) => A::add(*a, *b, [s.rescale_a, s.rescale_b], s.negate != 0),
                    Instruction::DepthGate(d) => A::depth_gate([*a, *b, *t], [d.rescale_a, d.rescale_b, d.rescale_t]),
                    _ => A::relu(*a),
                };
            }
        }
        store.put::<A>(registers, output, range, values)?;
    }
    Some(())
}
