//! Maps: what nodes make of the image, as expressions, and the axes of the tensors that hold them.
//!
//! A tensor of the graph may have more rows or columns than the image, as after a `Pad` or a convolution that pads both sides, until
//! a `Slice` takes them away. An expression therefore has rows and columns of its own, and [`super::place`] finds the value of each
//! pixel once it is known which rows a later node reads.

use std::ops::Range;

/// Index of an expression.
pub(super) type Id = usize;

/// Function of each element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Relu,
    Elu,
    LeakyRelu(f32),
    Tanh,
    Sigmoid,
}

/// A convolution of stride 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kernel {
    /// Weights `[out, in, rows, columns]`.
    pub(super) shape: [usize; 4],
    pub(super) weight: Vec<f32>,
    pub(super) bias: Option<Vec<f32>>,
    /// Distance between taps, in rows and columns.
    pub(super) dilation: [usize; 2],
    /// Zeros before the first row and column.
    pub(super) before: [i64; 2],
    /// Name of the weights in the file, else of the biases; empty if neither is one that a person gave.
    pub(super) name: String,
}

/// Batch normalization in inference: weight, bias, mean and variance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Norm {
    pub(super) tensors: [Vec<f32>; 4],
    pub(super) eps: f32,
    pub(super) name: String,
}

/// What makes a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// The graph's input times a factor plus an offset.
    Image {
        scale: f32,
        shift: f32,
    },
    /// A row of a table for each pixel, `[levels, features]`; its index is the graph's input times a factor plus an offset.
    Embed {
        table: Vec<f32>,
        name: String,
        index: (f32, f32),
    },
    /// One number per feature, the same at each pixel.
    Uniform(Vec<f32>),
    Conv {
        x: Id,
        kernel: Kernel,
    },
    Function {
        x: Id,
        function: Function,
    },
    /// Factor and offset of each feature.
    Affine {
        x: Id,
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Norm {
        x: Id,
        norm: Norm,
    },
    Add(Id, Id),
    Multiply(Id, Id),
    Concat(Vec<Id>),
    /// Features from `from` on.
    Slice {
        x: Id,
        from: usize,
    },
    /// Zeros before the first row and column; the rest follows from the size.
    Pad {
        x: Id,
        before: [usize; 2],
    },
    /// Rows and columns from these on.
    Crop {
        x: Id,
        from: [usize; 2],
    },
    /// Adds a column of `[features, classes]`.
    ClassBias {
        x: Id,
        table: Vec<f32>,
        name: String,
    },
    /// Normalization over an axis of so many features, a step apart; it changes no distribution at the end of a network.
    Softmax {
        x: Id,
        size: usize,
    },
}

/// A map of `features` at each of `size` rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expression {
    pub(super) kind: Kind,
    pub(super) features: usize,
    pub(super) size: [usize; 2],
    /// Rows and columns outside which all is 0.
    pub(super) support: [Range<usize>; 2],
    /// Node that makes it; `None` for the image.
    pub(super) node: Option<usize>,
    /// Number of tensors of the graph and expressions that read it.
    pub(super) readers: usize,
}

/// Part of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atom {
    Batch(usize),
    Row(usize),
    Column(usize),
    /// Digit of the feature: `size` values, `stride` features apart.
    Feature {
        size: usize,
        stride: usize,
    },
}

impl Atom {
    pub(super) const fn size(self) -> usize {
        match self {
            Self::Batch(size) | Self::Row(size) | Self::Column(size) | Self::Feature { size, .. } => size,
        }
    }
}

/// A tensor of the graph that holds a map: for each axis its parts, from the slowest on. Parts of size 1 are left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) id: Id,
    pub(super) axes: Vec<Vec<Atom>>,
}

impl Held {
    /// The tensor's shape.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.iter().map(|atom| atom.size()).product()).collect()
    }

    /// The same map with axes of other sizes, as a reshape makes them. `None` if it would cut rows or columns.
    pub(super) fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        let mut atoms: Vec<Atom> = self.axes.iter().flatten().rev().copied().collect();
        let mut axes = Vec::new();
        for side in shape {
            let (mut axis, mut left) = (Vec::new(), *side);
            if left == 0 {
                return None;
            }
            while left > 1 {
                let atom = atoms.pop()?;
                if left.is_multiple_of(atom.size()) {
                    left /= atom.size();
                    axis.push(atom);
                } else if let Atom::Feature { size, stride } = atom
                    && size.is_multiple_of(left)
                {
                    let rest = size / left;
                    axis.push(Atom::Feature { size: left, stride: stride.checked_mul(rest)? });
                    atoms.push(Atom::Feature { size: rest, stride });
                    left = 1;
                } else {
                    return None;
                }
            }
            axes.push(joined(axis));
        }
        atoms.is_empty().then_some(Self { id: self.id, axes })
    }

    /// Axis of all features in their order, of `features`; an axis without parts, for one feature, is found by `fallback`.
    pub(super) fn feature_axis(&self, features: usize, fallback: usize) -> Option<usize> {
        if features == 1 {
            let none = self.axes.iter().flatten().all(|atom| !matches!(atom, Atom::Feature { .. }));
            return (none && self.axes.get(fallback).is_some_and(Vec::is_empty)).then_some(fallback);
        }
        let all = [Atom::Feature { size: features, stride: 1 }];
        self.axes.iter().position(|axis| axis.as_slice() == all)
    }
}

/// Neighbouring digits of a feature as one.
fn joined(axis: Vec<Atom>) -> Vec<Atom> {
    let mut all: Vec<Atom> = Vec::new();
    for atom in axis {
        if let (Some(Atom::Feature { size: before, stride: step }), Atom::Feature { size, stride }) =
            (all.last_mut(), atom)
            && *step == size * stride
        {
            (*before, *step) = (*before * size, stride);
            continue;
        }
        all.push(atom);
    }
    all
}

/// Axis of one part, left out if its size is 1.
pub(super) fn axis_of(atom: Atom) -> Vec<Atom> {
    if atom.size() == 1 { Vec::new() } else { vec![atom] }
}
