//! Patterns of nodes that one op stands for.

use super::ir::{Op, Program, Step, Value};
use super::maps::Function;

/// Replaces gates, and takes factors and offsets into the convolution before them; removes what nothing reads.
pub(super) fn tidy(program: Program, output: Value) -> (Program, Value) {
    let (mut program, output) = program.live(output);
    for n in 0..program.steps.len() {
        if let Some((op, x)) = gate(&program, &program.steps[n]) {
            program.steps[n].op = op;
            program.steps[n].inputs = vec![x];
        }
    }
    let (mut program, output) = program.live(output);
    let readers = program.readers(output);
    let mut places: Vec<Value> = (0..=program.steps.len()).collect();
    for n in 0..program.steps.len() {
        let inputs: Vec<Value> = program.steps[n].inputs.iter().map(|input| places[*input]).collect();
        program.steps[n].inputs = inputs;
        let (before, rest) = program.steps.split_at_mut(n);
        let step = &rest[0];
        let Op::Norm(norm) = &step.op else { continue };
        // An affine map of the graph's own; a batch normalization keeps its tensors.
        let [scale, shift, _, _] = &norm.tensors;
        let x = step.inputs[0];
        if !norm.name.is_empty() || x == 0 || readers[x] != 1 {
            continue;
        }
        let Op::Conv { kernel, .. } = &mut before[x - 1].op else { continue };
        let run = kernel.weight.len() / scale.len().max(1);
        let mut bias = kernel.bias.take().unwrap_or_else(|| vec![0.0; shift.len()]);
        for (o, (factor, offset)) in scale.iter().zip(shift).enumerate() {
            bias[o] = bias[o] * factor + offset;
            kernel.weight[o * run..(o + 1) * run].iter_mut().for_each(|x| *x *= factor);
        }
        kernel.bias = Some(bias);
        places[n + 1] = x;
    }
    let output = places[output];
    program.live(output)
}

/// `gate` or `glu` of the value that both factors of a product are halves of.
fn gate(program: &Program, step: &Step) -> Option<(Op, Value)> {
    let (Op::Multiply, [a, b]) = (&step.op, step.inputs.as_slice()) else { return None };
    [(*a, *b), (*b, *a)].into_iter().find_map(|(a, b)| {
        let sigmoid = program.step(b)?;
        let (x, true) = half(program, of(sigmoid, Function::Sigmoid)?, step.features)? else { return None };
        let first = program.step(a)?;
        let (op, first) = match of(first, Function::Tanh) {
            Some(inner) => (Op::Gate, inner),
            None => (Op::Glu, a),
        };
        let (same, last) = half(program, first, step.features)?;
        (same == x && !last).then_some((op, x))
    })
}

/// What a function is applied to.
fn of(step: &Step, function: Function) -> Option<Value> {
    (step.op == Op::Function(function)).then(|| step.inputs.first().copied())?
}

/// The value that `value` is a half of, and whether it is the last half.
fn half(program: &Program, value: Value, features: usize) -> Option<(Value, bool)> {
    let step = program.step(value)?;
    let Op::Slice { from } = step.op else { return None };
    let x = *step.inputs.first()?;
    let whole = program.step(x)?.features;
    (whole == 2 * features && (from == 0 || from == features)).then_some((x, from == features))
}
