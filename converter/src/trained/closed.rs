//! Nonzero weights under closed taps, which count as 0.

use super::TrainedModel;
use pixelrnn::network::Conv;
use std::fmt;

/// Nonzero weights that no prediction reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedWeights {
    /// Number of weights.
    pub count: usize,
    /// Largest magnitude.
    pub largest: f32,
    /// Names of their ops, in order.
    pub ops: Vec<String>,
}

/// Maximum number of op names in the message.
const NAMED: usize = 4;

impl fmt::Display for ClosedWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, largest, ops } = self;
        let names: Vec<_> = ops.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let more = ops.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more ops") } else { String::new() };
        let largest = if *largest < 1e-3 { format!("{largest:.2e}") } else { format!("{largest:.4}") };
        let (weights, are) = if *count == 1 { ("weight", "is") } else { ("weights", "are") };
        write!(
            f,
            "{count} {weights} of {}{more} {are} not zero under closed taps, the largest {largest}, and {are} treated as 0: \
             a model that was trained without these masks will predict differently",
            names.join(", ")
        )
    }
}

/// Calls `visit` with the index and `[row, column, input, output]` of each tap, in the order of the weights.
pub(super) fn each_tap(conv: &Conv, mut visit: impl FnMut(usize, [usize; 4])) {
    let [height, width] = conv.kernel;
    let mut index = 0;
    for to in 0..conv.outputs.count {
        for from in 0..conv.inputs.count {
            for u in 0..height {
                for v in 0..width {
                    visit(index, [u, v, from, to]);
                    index += 1;
                }
            }
        }
    }
}

pub(super) fn find(model: &TrainedModel) -> Option<ClosedWeights> {
    let mut found = ClosedWeights { count: 0, largest: 0.0, ops: Vec::new() };
    for (model, node) in
        model.scales().into_iter().flat_map(|scale| scale.nodes().iter().map(move |node| (scale, node)))
    {
        let before = found.count;
        for (prefix, conv) in node.op.convolutions() {
            let Some(weight) = model.tensor(node, &format!("{prefix}weight")) else { continue };
            each_tap(&conv, |index, [u, v, from, to]| {
                let size = weight.data.get(index).map_or(0.0, |weight| weight.abs());
                if size > 0.0 && !conv.open(u, v, from, to) {
                    found.count += 1;
                    found.largest = found.largest.max(size);
                }
            });
        }
        if found.count > before {
            found.ops.push(node.name.to_string());
        }
    }
    (found.count > 0).then_some(found)
}
