//! Ops on each feature by itself, at all places of a step.

use super::pack::Pack;
use super::registers::{Registers, spans};
use super::row_cache::features;
use super::step::{Scratch, Step};
use crate::arithmetic::Arithmetic;
use crate::blob::{Instruction, QuantizeRecord, Record, group_start};
use crate::fixed::Rescale;
use crate::kernels::{Kernel, map, map_within};
use crate::network::Image;
use core::ops::Range;

/// Quantization at one place: what stands before every block of convolutions.
pub(super) struct Quantize {
    /// The bytes of the registers that are read, and those that are written.
    input: Range<usize>,
    output: Range<usize>,
    rescale: Rescale,
    zero_point: i32,
    low: i32,
}

impl Quantize {
    /// Of the features of a colour.
    pub(super) fn new<A: Pack>(record: &QuantizeRecord, group: usize, image: Image) -> Self {
        let count = usize::from(record.count);
        let [first, end] = [group, group + 1].map(|group| group_start(count, image.channels, group));
        let bytes = |at: u32, size: usize| at as usize + first * size..at as usize + end * size;
        Self {
            input: bytes(record.input, size_of::<i16>()),
            output: bytes(record.output, size_of::<A::Input>()),
            rescale: record.rescale,
            zero_point: record.zero_point.into(),
            low: record.low.into(),
        }
    }

    #[inline(always)]
    pub(super) fn run<A: Pack>(&self, registers: &mut Registers) -> Option<()> {
        let Self { rescale, zero_point, low, .. } = *self;
        let (x, y) = registers.bytes_split_disjoint_mut(self.input.clone(), self.output.clone())?;
        map_within(
            x,
            y,
            #[inline(always)]
            move |x, y: &mut A::Input| *y = A::activation_input(A::quantize(x, rescale), zero_point, low),
        );
        Some(())
    }
}

/// Runs an op; one of another sort does nothing.
#[inline(always)]
pub(super) fn run<A: Pack, K: Kernel>(record: &Record, step: &Step, scratch: &mut Scratch, kernel: K) -> Option<()> {
    let op = record.instruction()?;
    let Scratch { registers, sums, .. } = scratch;
    let (count, output, inputs) = match op {
        Instruction::Quantize(q) => (q.count, q.output, [q.input; 3]),
        Instruction::Relu(r) => (r.count, r.output, [r.input; 3]),
        Instruction::Elu(e) => (e.count, e.output, [e.input; 3]),
        Instruction::Add(s) => (s.count, s.output, [s.a, s.b, s.b]),
        Instruction::DepthGate(d) => (d.count, d.output, [d.a, d.b, d.t]),
        _ => return Some(()),
    };
    let count = usize::from(count);
    let spans = spans(0..step.batch_columns(), count, features(count, step));
    if let Instruction::Quantize(q) = op {
        let (rescale, zero_point, low) = (q.rescale, i32::from(q.zero_point), i32::from(q.low));
        let (x, y) = registers.split_disjoint_mut::<i16, A::Input>([q.input, output], count)?;
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
            |v, y| *y = <A as Arithmetic>::residual(v),
        );
    }
    Some(())
}
