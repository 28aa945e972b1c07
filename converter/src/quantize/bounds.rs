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
            Op::BatchNorm { .. }
            | Op::Multiply
            | Op::Concat
            | Op::Slice { .. }
            | Op::Scale { .. }
            | Op::Gate
            | Op::Glu
            | Op::Shift { .. }
            | Op::ClassBias
            | Op::Embed { .. }
            | Op::Ones => vec![(f64::NEG_INFINITY, f64::INFINITY); node.features.count],
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
            for u in 0..=height / 2 {
                for v in (0..width).filter(|v| conv.open(u, *v, c, o)) {
                    let centre = (u, v) == (height / 2, width / 2);
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
