//! Ops on each feature by itself, at all places of a step.

use super::Pack;
use super::registers::spans;
use super::rows::features;
use super::walk::{Shared, Step};
use crate::blob::{Instruction, Record};
use crate::kernels::{Kernel, map, map_within};
use crate::numbers::Arithmetic;

/// As [`run`], at one place.
#[inline(always)]
pub(super) fn alone<A: Pack, K: Kernel>(record: &Record, step: &Step, shared: &mut Shared, kernel: K) -> Option<()> {
    // What stands before every block of convolutions.
    let Some(q) = record.quantize() else { return run::<A, K>(record, step, shared, kernel) };
    let (rescale, zero_point, low) = (q.rescale, i32::from(q.zero_point), i32::from(q.low));
    let count = usize::from(q.count);
    let (x, y) = shared.registers.apart::<i16, A::Input>([q.input, q.output], count)?;
    let features = features(count, step);
    map_within(
        x.get(features.clone())?,
        y.get_mut(features)?,
        #[inline(always)]
        move |x, y: &mut A::Input| *y = A::activation_input(A::quantize(x, rescale), zero_point, low),
    );
    Some(())
}

/// Runs an op; one of another sort does nothing.
#[inline(always)]
pub(super) fn run<A: Pack, K: Kernel>(record: &Record, step: &Step, shared: &mut Shared, kernel: K) -> Option<()> {
    let op = record.instruction()?;
    let Shared { registers, sums, .. } = shared;
    let (count, output, inputs) = match op {
        Instruction::Quantize(q) => (q.count, q.output, [q.input; 3]),
        Instruction::Relu(r) => (r.count, r.output, [r.input; 3]),
        Instruction::Elu(e) => (e.count, e.output, [e.input; 3]),
        Instruction::Add(s) => (s.count, s.output, [s.a, s.b, s.b]),
        Instruction::DepthGate(d) => (d.count, d.output, [d.a, d.b, d.t]),
        _ => return Some(()),
    };
    let count = usize::from(count);
    let spans = spans(0..step.places(), count, features(count, step));
    if let Instruction::Quantize(q) = op {
        let (rescale, zero_point, low) = (q.rescale, i32::from(q.zero_point), i32::from(q.low));
        let (x, y) = registers.apart::<i16, A::Input>([q.input, output], count)?;
        for span in spans {
            map(
                kernel,
                x.get(span.clone())?,
                y.get_mut(span)?,
                #[inline(always)]
                move |x, y| *y = A::activation_input(A::quantize(x, rescale), zero_point, low),
            );
        }
        return Some(());
    }
    for span in spans {
        let values = sums.get_mut(..span.len())?;
        let [a, b, t] = inputs.map(|at| registers.get::<i16>(at, count)?.get(span.clone()));
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
            registers.get_mut(output, count)?.get_mut(span)?,
            #[inline(always)]
            |v, y| *y = <A as Arithmetic>::stream(v),
        );
    }
    Some(())
}
