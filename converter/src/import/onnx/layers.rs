//! Nodes with weights: convolutions, products with a matrix, batch normalization.

use super::constant::{Constant, count};
use super::error::OnnxError;
use super::maps::{Atom, Held, Id, Kernel, Kind, Norm, axis_of};
use super::node::Node;
use super::walk::{Known, Walk};

/// Largest dilation and pad that a node may have.
const MAX_STEP: i64 = 1 << 16;

/// The map that a node with weights makes.
pub(super) fn layer<'g>(
    walk: &mut Walk<'g>,
    node: &Node<'g>,
    inputs: &[Option<Known>],
    constants: &[Option<Constant>],
) -> Result<Held, OnnxError> {
    match node.op() {
        "Conv" => conv(walk, node, inputs, constants, false),
        "ConvTranspose" => conv(walk, node, inputs, constants, true),
        "BatchNormalization" => norm(walk, node, inputs, constants),
        _ => product(walk, node, inputs, constants),
    }
}

/// Name of a layer by its weights, or by its biases: exporters number weights that they have multiplied by a mask.
fn name_of(walk: &Walk<'_>, node: &Node<'_>, weights: usize) -> String {
    const SUFFIXES: [&str; 5] =
        [".weight", ".weight_orig", ".weight_v", ".parametrizations.weight.original1", ".kernel"];
    let origin = |n: usize| node.input(n).map_or_else(String::new, |name| walk.origin(name));
    let (weights, biases) = (origin(weights), origin(2));
    let stem = SUFFIXES.iter().find_map(|suffix| weights.strip_suffix(suffix)).or_else(|| biases.strip_suffix(".bias"));
    stem.map_or_else(String::new, str::to_string)
}

/// Constant input `n` as floats.
fn floats(node: &Node<'_>, constants: &[Option<Constant>], n: usize, what: &str) -> Result<Constant, OnnxError> {
    constants.get(n).and_then(Option::as_ref).cloned().ok_or_else(|| {
        node.refused(format!(
            "its {what} are not known when the graph is read: they must be stored, or made of stored tensors"
        ))
    })
}

fn conv<'g>(
    walk: &mut Walk<'g>,
    node: &Node<'g>,
    inputs: &[Option<Known>],
    constants: &[Option<Constant>],
    transposed: bool,
) -> Result<Held, OnnxError> {
    let held = Walk::held(node, inputs, 0)?.clone();
    let weight = floats(node, constants, 1, "weights")?;
    let [first, second, rows, columns] = *weight.shape.as_slice() else {
        return Err(node.refused(format!("weights of shape {:?}, expected four axes", weight.shape)));
    };
    let pair = |name: &str| match node.ints(name) {
        None => Ok([1, 1]),
        Some([a, b]) if (1..=MAX_STEP).contains(a) && (1..=MAX_STEP).contains(b) => Ok([*a, *b]),
        Some(other) => Err(node.refused(format!("`{name}` {other:?}, expected two numbers from 1 on"))),
    };
    if pair("strides")? != [1, 1] {
        return Err(node.refused(if transposed {
            "a stride larger than 1: a transposed convolution enlarges the smaller image of a model of several scales, which a graph does not describe"
        } else {
            "a stride larger than 1: maps keep the image's size here"
        }));
    }
    let dilation = pair("dilations")?;
    let group = usize::try_from(node.int("group", 1)).ok().filter(|group| *group > 0);
    let group = group.ok_or_else(|| node.refused("`group` is not positive"))?;
    let id = held.id;
    let features = walk.expression(id).features;
    let (inner, out) = if transposed { (first, second * group) } else { (second * group, first) };
    if inner != features
        || !out.is_multiple_of(group)
        || !inner.is_multiple_of(group)
        || rows * columns == 0
        || out == 0
    {
        return Err(
            node.refused(format!("weights of shape {:?} for {features} features in {group} groups", weight.shape))
        );
    }
    check_axes(walk, node, &held)?;
    let shape = [out, inner, rows, columns];
    let size = count(&shape).ok_or_else(|| node.refused(format!("weights of shape {shape:?} are too large")))?;
    walk.spend(node, size)?;
    let (stored, taps) = (weight.to_floats(), rows * columns);
    let mut dense = vec![0.0; size];
    let (outs, ins) = (out / group, inner / group);
    for g in 0..group {
        for (o, i) in (0..outs).flat_map(|o| (0..ins).map(move |i| (o, i))) {
            let at = ((g * outs + o) * inner + g * ins + i) * taps;
            for tap in 0..taps {
                dense[at + tap] = if transposed {
                    // The same as a convolution with the kernel turned round.
                    stored[((g * ins + i) * outs + o) * taps + taps - 1 - tap]
                } else {
                    stored[((g * outs + o) * ins + i) * taps + tap]
                };
            }
        }
    }
    let reach = [(rows as i64 - 1) * dilation[0], (columns as i64 - 1) * dilation[1]];
    let mut pads = pads(node, reach)?;
    if transposed {
        if node.ints("output_padding").is_some_and(|pads| pads.iter().any(|n| *n != 0)) || node.has("output_shape") {
            return Err(node.refused("an output padding: maps keep the image's size here"));
        }
        pads = [0, 1].map(|n| pads[n].map(|pad| reach[n] - pad));
    }
    let bias = inputs.get(2).and_then(Option::as_ref).map(|_| floats(node, constants, 2, "biases")).transpose()?;
    let bias = bias.map(|bias| bias.to_floats());
    if bias.as_ref().is_some_and(|bias| bias.len() != out) {
        return Err(node.refused(format!("its biases are not {out}")));
    }
    let name = name_of(walk, node, 1);
    let kernel = Kernel {
        shape,
        weight: dense,
        bias,
        dilation: dilation.map(|n| n as usize),
        before: [pads[0][0], pads[1][0]],
        name,
    };
    let old = walk.expression(id).size;
    let mut new = [0; 2];
    for n in 0..2 {
        let side = old[n] as i64 + pads[n][0] + pads[n][1] - reach[n];
        new[n] = usize::try_from(side)
            .ok()
            .filter(|side| (1..=2 * super::MAX_SIDE).contains(side))
            .ok_or_else(|| node.refused(format!("it makes {side} {} of {}", ["rows", "columns"][n], old[n])))?;
    }
    let made = convolved(walk, node, id, kernel, new);
    let mut axes = held.axes;
    axes[1] = axis_of(Atom::Feature { size: out, stride: 1 });
    axes[2] = axis_of(Atom::Row(new[0]));
    axes[3] = axis_of(Atom::Column(new[1]));
    Ok(Held { id: made, axes })
}

/// The expression of a convolution; zeros that a `Pad` puts before it become its own.
fn convolved(walk: &mut Walk<'_>, node: &Node<'_>, mut x: Id, mut kernel: Kernel, size: [usize; 2]) -> Id {
    while let Kind::Pad { x: inner, before } = walk.expression(x).kind {
        for (all, before) in kernel.before.iter_mut().zip(before) {
            *all += before as i64;
        }
        x = inner;
    }
    let out = kernel.shape[0];
    walk.push(Some(node), Kind::Conv { x, kernel }, out, (size, size.map(|side| 0..side)))
}

/// Refuses a tensor that is not `[N, C, H, W]`.
fn check_axes(walk: &Walk<'_>, node: &Node<'_>, held: &Held) -> Result<(), OnnxError> {
    let expression = walk.expression(held.id);
    let expected = [
        axis_of(Atom::Batch(walk.batch)),
        axis_of(Atom::Feature { size: expression.features, stride: 1 }),
        axis_of(Atom::Row(expression.size[0])),
        axis_of(Atom::Column(expression.size[1])),
    ];
    if held.axes == expected {
        return Ok(());
    }
    Err(node.refused(format!(
        "it reads a tensor of shape {:?} whose axes are not batch, features, rows and columns of the image in this order",
        held.shape()
    )))
}

/// Rows before and after, columns before and after.
fn pads(node: &Node<'_>, reach: [i64; 2]) -> Result<[[i64; 2]; 2], OnnxError> {
    let auto = node.text("auto_pad").unwrap_or_else(|| "NOTSET".into());
    match auto.as_str() {
        "SAME_UPPER" => return Ok(reach.map(|n| [n / 2, n - n / 2])),
        "SAME_LOWER" => return Ok(reach.map(|n| [n - n / 2, n / 2])),
        "VALID" => return Ok([[0; 2]; 2]),
        _ => {}
    }
    match node.ints("pads") {
        None => Ok([[0; 2]; 2]),
        Some([a, b, c, d]) if [a, b, c, d].iter().all(|n| (-MAX_STEP..=MAX_STEP).contains(n)) => {
            Ok([[*a, *c], [*b, *d]])
        }
        Some(other) => Err(node.refused(format!("`pads` {other:?}, expected four numbers"))),
    }
}

/// `MatMul` and `Gemm`: a convolution of 1x1.
fn product<'g>(
    walk: &mut Walk<'g>,
    node: &Node<'g>,
    inputs: &[Option<Known>],
    constants: &[Option<Constant>],
) -> Result<Held, OnnxError> {
    let left = matches!(inputs.first(), Some(Some(Known::Constant(_))));
    let (map, matrix) = if left { (1, 0) } else { (0, 1) };
    let held = Walk::held(node, inputs, map)?.clone();
    let weight = floats(node, constants, matrix, "weights")?;
    let [first, second] = *weight.shape.as_slice() else {
        return Err(node.refused(format!("a matrix of shape {:?}, expected two axes", weight.shape)));
    };
    let gemm = node.op() == "Gemm";
    if gemm && (left || node.int("transA", 0) != 0) {
        return Err(node.refused("it multiplies from the left, expected map times matrix"));
    }
    let turned = (gemm && node.int("transB", 0) != 0) || left;
    let (inner, out) = if turned { (second, first) } else { (first, second) };
    let features = walk.expression(held.id).features;
    let rank = held.axes.len();
    let axis =
        rank.checked_sub(if left { 2 } else { 1 }).filter(|axis| held.feature_axis(features, *axis) == Some(*axis));
    let Some(axis) = axis.filter(|_| inner == features && out > 0) else {
        return Err(node.refused(format!(
            "a matrix of shape {:?} and a map of {features} features, whose tensor has shape {:?}: the features must be the axis that it multiplies",
            weight.shape,
            held.shape()
        )));
    };
    let (alpha, beta) = if gemm { (node.float("alpha", 1.0), node.float("beta", 1.0)) } else { (1.0, 1.0) };
    let stored = weight.to_floats();
    walk.spend(node, stored.len())?;
    let at = |o: usize, i: usize| if turned { stored[o * inner + i] } else { stored[i * out + o] };
    let dense = (0..out).flat_map(|o| (0..inner).map(move |i| (o, i))).map(|(o, i)| alpha * at(o, i)).collect();
    let bias = if gemm && inputs.get(2).is_some_and(Option::is_some) {
        let bias = floats(node, constants, 2, "biases")?.to_floats();
        let bias = if bias.len() == 1 { vec![bias[0]; out] } else { bias };
        if bias.len() != out {
            return Err(node.refused(format!("its biases are not {out}")));
        }
        Some(bias.into_iter().map(|x| beta * x).collect())
    } else {
        None
    };
    let name = name_of(walk, node, matrix);
    let kernel = Kernel { shape: [out, inner, 1, 1], weight: dense, bias, dilation: [1, 1], before: [0, 0], name };
    let size = walk.expression(held.id).size;
    let id = walk.push(Some(node), Kind::Conv { x: held.id, kernel }, out, (size, size.map(|side| 0..side)));
    let mut axes = held.axes;
    axes[axis] = axis_of(Atom::Feature { size: out, stride: 1 });
    Ok(Held { id, axes })
}

fn norm<'g>(
    walk: &mut Walk<'g>,
    node: &Node<'g>,
    inputs: &[Option<Known>],
    constants: &[Option<Constant>],
) -> Result<Held, OnnxError> {
    let held = Walk::held(node, inputs, 0)?.clone();
    if node.int("training_mode", 0) != 0 {
        return Err(node.refused("it is in training mode: call `model.eval()` before the export"));
    }
    let features = walk.expression(held.id).features;
    if held.feature_axis(features, 1) != Some(1) {
        return Err(
            node.refused(format!("its tensor of shape {:?} does not have all features in its axis 1", held.shape()))
        );
    }
    let mut tensors: [Vec<f32>; 4] = Default::default();
    for (n, tensor) in tensors.iter_mut().enumerate() {
        *tensor = floats(node, constants, n + 1, "weights")?.to_floats();
        if tensor.len() != features {
            return Err(node.refused(format!("{} numbers for {features} features", tensor.len())));
        }
    }
    let name = name_of(walk, node, 1);
    let norm = Norm { tensors, eps: node.float("epsilon", 1e-5), name };
    let id = walk.push_like(node, Kind::Norm { x: held.id, norm }, held.id, features, false);
    Ok(Held { id, axes: held.axes })
}
