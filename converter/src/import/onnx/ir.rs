//! The network that is being built: ops over whole maps of the image's size.

use super::maps::{Function, Kernel, Norm};

/// Index of a value: 0 is the image, n what op n - 1 makes.
pub(super) type Value = usize;

/// An op, all of whose values have the image's rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    /// Convolution with a kernel whose tap `[u, v]` reads `(u - anchor) · dilation` away.
    Conv {
        kernel: Box<Kernel>,
        anchor: [usize; 2],
        dilation: usize,
    },
    Shift {
        by: [usize; 2],
    },
    Function(Function),
    Scale(f32),
    /// Batch normalization, or a factor and an offset as one.
    Norm(Box<Norm>),
    Add,
    Multiply,
    Concat,
    Slice {
        from: usize,
    },
    Gate,
    Glu,
    Embed {
        table: Vec<f32>,
        name: String,
    },
    Ones,
    ClassBias {
        table: Vec<f32>,
        name: String,
    },
}

/// An op with what it reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) inputs: Vec<Value>,
    pub(super) features: usize,
    /// Node that it comes from.
    pub(super) node: Option<usize>,
}

/// Steps in order; each reads earlier values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
}

impl Program {
    pub(super) fn push(&mut self, step: Step) -> Value {
        self.steps.push(step);
        self.steps.len()
    }

    /// Step that makes a value; `None` for the image.
    pub(super) fn step(&self, value: Value) -> Option<&Step> {
        self.steps.get(value.checked_sub(1)?)
    }

    /// Number of readers of each value; the `output` has one more.
    pub(super) fn readers(&self, output: Value) -> Vec<usize> {
        let mut readers = vec![0; self.steps.len() + 1];
        for input in self.steps.iter().flat_map(|step| &step.inputs) {
            readers[*input] += 1;
        }
        readers[output] += 1;
        readers
    }

    /// The steps that the `output` needs, in order, and its new value.
    pub(super) fn live(self, output: Value) -> (Self, Value) {
        let mut needed = vec![false; self.steps.len() + 1];
        needed[output] = true;
        for (n, step) in self.steps.iter().enumerate().rev().filter(|(n, _)| *n < output) {
            if needed[n + 1] {
                for input in &step.inputs {
                    needed[*input] = true;
                }
            }
        }
        let mut places = vec![0; self.steps.len() + 1];
        let mut live = Self::default();
        for (n, step) in self.steps.into_iter().enumerate().filter(|(n, _)| needed[n + 1]) {
            let inputs = step.inputs.iter().map(|input| places[*input]).collect();
            places[n + 1] = live.push(Step { inputs, ..step });
        }
        (live, places[output])
    }
}
