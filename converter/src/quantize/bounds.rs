//! Proven ranges: interval arithmetic through all ops, from the image's levels on.
//!
//! Calibration covers some images, these bounds cover all. A range that contains them never clamps.

use super::activation;
use crate::trained::{Tensor, TrainedModel};
use pixelrnn::network::{Conv, Node, Op};

/// Lower and upper bound of a feature.
pub(super) type Interval = (f64, f64);

/// Bounds of all features of each network value, indexed by [`pixelrnn::network::ValueId`].
pub(super) fn of_values(model: &TrainedModel) -> Vec<Vec<Interval>> {
    let description = model.description();
    let (scale, shift) = (f64::from(description.input.scale), f64::from(description.input.shift));
    let last = shift + scale * (description.image.levels - 1) as f64;
    let mut values = vec![vec![(shift.min(last), shift.max(last)); description.image.channels]];
    for node in model.nodes() {
        let [a, b, t] = node.inputs.map(|v| &values[v]);
        let pairs = || a.iter().zip(b);
        let made = match node.op {
            Op::Conv(conv) => of_conv(model, node, &conv, a),
            Op::Activation(activation) => a.iter().map(|range| activation::bounds(activation, *range)).collect(),
            Op::Add { scale } => pairs().map(|(a, b)| sum(times(*a, (scale.into(), scale.into())), *b)).collect(),
            Op::DepthGate => {
                pairs().zip(t).map(|((a, b), t)| sum(*a, times(*b, (sigmoid(t.0), sigmoid(t.1))))).collect()
            }
            Op::RowLstm(_) => vec![(-1.0, 1.0); node.features.count],
            Op::DiagonalBilstm(_) => vec![(-2.0, 2.0); node.features.count],
            // Folded before quantization.
            Op::Multiply => pairs().map(|(a, b)| times(*a, *b)).collect(),
            Op::Concat => a.iter().chain(b).copied().collect(),
            Op::Slice { from } => a[from..from + node.features.count].to_vec(),
            Op::Scale { factor } => a.iter().map(|x| times(*x, (factor.into(), factor.into()))).collect(),
            Op::Gate | Op::Glu => {
                let (first, last) = a.split_at(a.len() / 2);
                let gate = |x: &Interval| if node.op == Op::Gate { (x.0.tanh(), x.1.tanh()) } else { *x };
                first.iter().zip(last).map(|(x, t)| times(gate(x), (sigmoid(t.0), sigmoid(t.1)))).collect()
            }
            // 0 comes in from outside the image.
            Op::Shift { .. } => a.iter().map(|x| (x.0.min(0.0), x.1.max(0.0))).collect(),
            Op::ClassBias => {
                let class = model.tensor(node, "class.weight");
                a.iter().enumerate().map(|(o, x)| sum(*x, biases(None, class, o))).collect()
            }
            Op::Embed { levels } => of_embedding(model.tensor(node, "weight"), levels, node.features.count),
            Op::Ones => vec![(1.0, 1.0)],
            // Models of several scales are refused before.
            Op::ConvTranspose(_) | Op::Condition | Op::BatchNorm { .. } => {
                vec![(f64::NEG_INFINITY, f64::INFINITY); node.features.count]
            }
        };
        values.push(made);
    }
    values
}

/// Smallest interval that contains all `features` and 0.
pub(super) fn hull(features: &[Interval]) -> Interval {
    features.iter().fold((0.0, 0.0), |(low, high), x| (x.0.min(low), x.1.max(high)))
}

fn of_conv(model: &TrainedModel, node: &Node, conv: &Conv, x: &[Interval]) -> Vec<Interval> {
    let Some(weight) = model.tensor(node, "weight") else { return Vec::new() };
    let (bias, class) = (model.tensor(node, "bias"), model.tensor(node, "class.weight"));
    let [height, width] = conv.kernel;
    let padded: Vec<Interval> = x.iter().map(|(low, high)| (low.min(0.0), high.max(0.0))).collect();
    let of_output = |o: usize| {
        let mut range = biases(bias, class, o);
        for (c, (inside, padded)) in x.iter().zip(&padded).enumerate() {
            for u in 0..height {
                for v in (0..width).filter(|v| conv.open(u, *v, c, o)) {
                    let centre = conv.offset(u, v) == (0, 0);
                    let w = f64::from(weight.data[((o * x.len() + c) * height + u) * width + v]);
                    range = sum(range, times(if centre { *inside } else { *padded }, (w, w)));
                }
            }
        }
        range
    };
    (0..conv.outputs.count).map(of_output).collect()
}

/// Bounds of an output's bias over all classes.
pub(super) fn biases(bias: Option<&Tensor>, class: Option<&Tensor>, o: usize) -> Interval {
    let own = bias.map_or(0.0, |t| f64::from(t.data[o]));
    let Some(class) = class else { return (own, own) };
    let classes = class.shape.get(1).copied().unwrap_or(0);
    let of_classes = class.data[o * classes..(o + 1) * classes].iter().map(|b| own + f64::from(*b));
    of_classes.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), b| (low.min(b), high.max(b)))
}

/// Bounds of each feature of an embedding over all levels.
fn of_embedding(weight: Option<&Tensor>, levels: usize, features: usize) -> Vec<Interval> {
    let of_feature = |f: usize| {
        let column = (0..levels).filter_map(|level| Some(f64::from(*weight?.data.get(level * features + f)?)));
        column.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    (0..features).map(of_feature).collect()
}

fn sum(a: Interval, b: Interval) -> Interval {
    (a.0 + b.0, a.1 + b.1)
}

fn times(a: Interval, b: Interval) -> Interval {
    // An infinite bound times 0 is unbounded.
    let all = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
    if all.iter().any(|x| x.is_nan()) {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
