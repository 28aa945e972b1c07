//! Ops on each feature by itself, at all places of a step.

use super::Pack;
use super::walk::{Shared, Step};
use crate::blob::{Instruction, group_start};
use crate::kernels::{Kernel, map};
use crate::numbers::Arithmetic;

/// Runs an op; one of another sort does nothing.
#[inline(always)]
pub(super) fn run<A: Pack, K: Kernel>(op: Instruction<'_>, step: &Step, shared: &mut Shared, kernel: K) -> Option<()> {
    let Shared { registers, sums, .. } = shared;
    let (count, output, inputs) = match op {
        Instruction::Quantize(q) => (q.count, q.output, [q.input; 3]),
        Instruction::Relu(r) => (r.count, r.output, [r.input; 3]),
        Instruction::Elu(e) => (e.count, e.output, [e.input; 3]),
        Instruction::Add(s) => (s.count, s.output, [s.a, s.b, s.b]),
        Instruction::DepthGate(d) => (d.count, d.output, [d.a, d.b, d.t]),
        _ => return Some(()),
    };
    let start = |group| group_start(usize::from(count), step.all_groups, group);
    let features = start(step.groups.start)..start(step.groups.end);
    for place in 0..step.places() {
        if let Instruction::Quantize(q) = op {
            let (rescale, zero_point, low) = (q.rescale, i32::from(q.zero_point), i32::from(q.low));
            let (x, y) = registers.apart::<i16, A::Input>(place, [q.input, output], features.clone())?;
            map(
                kernel,
                x,
                y,
                #[inline(always)]
                move |x, y| *y = A::input(A::activation(A::quantize(x, rescale), zero_point, low)),
            );
            continue;
        }
        let values = sums.get_mut(..features.len())?;
        let [a, b, t] = inputs.map(|at| registers.get::<i16>(place, at, features.clone()));
        for (((v, a), b), t) in values.iter_mut().zip(a?).zip(b?).zip(t?) {
            *v = match op {
                Instruction::Elu(e) => A::elu(*a, e.exponent, e.back),
                Instruction::Add(s) => A::add(*a, *b, [s.rescale_a, s.rescale_b], s.negate != 0),
                Instruction::DepthGate(d) => A::depth_gate([*a, *b, *t], [d.rescale_a, d.rescale_b, d.rescale_t]),
                _ => A::relu(*a),
            };
        }
        map(
            kernel,
            values,
            registers.get_mut(place, output, features.clone())?,
            #[inline(always)]
            |v, y| *y = <A as Arithmetic>::stream(v),
        );
    }
    Some(())
}
