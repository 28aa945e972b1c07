//! Nodes that work on each element: activation functions, sums, products, affine maps.

use super::constant::{Constant, count};
use super::error::OnnxError;
use super::maps::{Atom, Expression, Function, Held, Id, Kind};
use super::node::Node;
use super::walk::{Known, Walk};

/// The map that an elementwise node makes; `None` for other nodes.
pub(super) fn pointwise<'g>(
    walk: &mut Walk<'g>,
    node: &Node<'g>,
    inputs: &[Option<Known>],
    constants: &[Option<Constant>],
) -> Result<Option<Held>, OnnxError> {
    let scalar = |n: usize| constants.get(n).and_then(Option::as_ref).and_then(Constant::scalar);
    let function = match node.op() {
        "Relu" => Function::Relu,
        "Tanh" => Function::Tanh,
        "Sigmoid" => Function::Sigmoid,
        "LeakyRelu" => Function::LeakyRelu(node.float("alpha", 0.01)),
        "Elu" => {
            let alpha = node.float("alpha", 1.0);
            if (alpha - 1.0).abs() > f32::EPSILON {
                return Err(node.refused(format!("its `alpha` is {alpha}, expected 1")));
            }
            Function::Elu
        }
        "PRelu" => match constants.get(1).and_then(Option::as_ref).and_then(Constant::uniform) {
            Some(slope) => Function::LeakyRelu(slope),
            None => return Err(node.refused("its slopes differ between features, expected one slope, as of LeakyRelu")),
        },
        "Clip" => {
            let (least, most) = if node.opset < 11 {
                (node.has("min").then(|| node.float("min", 0.0)), node.has("max").then(|| node.float("max", 0.0)))
            } else {
                (scalar(1), scalar(2))
            };
            match (least, most.filter(|most| most.is_finite() && *most < f32::MAX)) {
                (Some(0.0), None) => Function::Relu,
                _ => {
                    return Err(
                        node.refused("it bounds a map; only a lower bound of 0, which is Relu, has a counterpart")
                    );
                }
            }
        }
        "Max" if inputs.len() == 2 && (scalar(0) == Some(0.0) || scalar(1) == Some(0.0)) => {
            let map = usize::from(matches!(inputs[0], Some(Known::Constant(_))));
            return Ok(Some(apply(walk, node, Walk::held(node, inputs, map)?, Function::Relu)));
        }
        "Neg" => return Ok(Some(affine(walk, node, Walk::held(node, inputs, 0)?, None, -1.0, 0.0))),
        "Softmax" | "LogSoftmax" => return softmax(walk, node, Walk::held(node, inputs, 0)?).map(Some),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" => return arithmetic(walk, node, inputs).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(apply(walk, node, Walk::held(node, inputs, 0)?, function)))
}

fn apply(walk: &mut Walk<'_>, node: &Node<'_>, held: &Held, function: Function) -> Held {
    let features = walk.expression(held.id).features;
    let keeps = function != Function::Sigmoid;
    let id = walk.push_like(node, Kind::Function { x: held.id, function }, held.id, features, keeps);
    Held { id, axes: held.axes.clone() }
}

fn softmax(walk: &mut Walk<'_>, node: &Node<'_>, held: &Held) -> Result<Held, OnnxError> {
    let rank = held.axes.len();
    let default = if node.opset < 13 { 1 } else { -1 };
    let axis = super::shapes::axis(node.int("axis", default), rank).map_err(|what| node.refused(what))?;
    let features = walk.expression(held.id).features;
    match held.axes[axis].as_slice() {
        [Atom::Feature { size, .. }] => {
            let id = walk.push_like(node, Kind::Softmax { x: held.id, size: *size }, held.id, features, false);
            Ok(Held { id, axes: held.axes.clone() })
        }
        _ => Err(node.refused("it normalizes over an axis that is not the logits of one value")),
    }
}

/// `factor · x + offset`, with numbers for each feature if `each` is given.
fn affine(
    walk: &mut Walk<'_>,
    node: &Node<'_>,
    held: &Held,
    each: Option<(Vec<f32>, Vec<f32>)>,
    factor: f32,
    offset: f32,
) -> Held {
    let Expression { features, kind, .. } = walk.expression(held.id).clone();
    let (scale, shift) = each.unwrap_or_else(|| (vec![factor; features], vec![offset; features]));
    let same = |all: &[f32]| all.iter().all(|x| x.to_bits() == all[0].to_bits()).then_some(all[0]);
    let keeps = shift.iter().all(|x| *x == 0.0);
    let kind = match (kind, same(&scale), same(&shift)) {
        (Kind::Image { scale: a, shift: b }, Some(scale), Some(shift)) => {
            Kind::Image { scale: a * scale, shift: b * scale + shift }
        }
        _ => Kind::Affine { x: held.id, scale, shift },
    };
    // The image ends in zeros after the map, as long as no pad comes before it.
    let id = walk.push_like(node, kind, held.id, features, keeps);
    Held { id, axes: held.axes.clone() }
}

fn arithmetic<'g>(walk: &mut Walk<'g>, node: &Node<'g>, inputs: &[Option<Known>]) -> Result<Held, OnnxError> {
    let [first, rest @ ..] = inputs else { return Err(node.refused("it has no inputs")) };
    let missing = || node.refused("an input is missing");
    let mut sum = first.clone().ok_or_else(missing)?;
    for second in rest {
        let second = second.clone().ok_or_else(missing)?;
        sum = Known::Map(match (sum, second) {
            (Known::Map(a), Known::Map(b)) => two_maps(walk, node, a, b)?,
            (Known::Map(a), Known::Constant(c)) => with_constant(walk, node, a, &c, false)?,
            (Known::Constant(c), Known::Map(a)) => with_constant(walk, node, a, &c, true)?,
            (Known::Map(a), Known::Table(c)) | (Known::Table(c), Known::Map(a)) => class_bias(walk, node, a, &c)?,
            _ => return Err(node.refused("it adds constants and maps in one node")),
        });
    }
    match sum {
        Known::Map(held) => Ok(held),
        _ => Err(node.refused("it reads no map")),
    }
}

/// The same map in a tensor of `rank` axes, with axes of one entry before the others.
fn raised(held: Held, rank: usize) -> Held {
    let mut axes = vec![Vec::new(); rank.saturating_sub(held.axes.len())];
    axes.extend(held.axes);
    Held { id: held.id, axes }
}

fn two_maps(walk: &mut Walk<'_>, node: &Node<'_>, a: Held, b: Held) -> Result<Held, OnnxError> {
    let rank = a.axes.len().max(b.axes.len());
    let (a, b) = (raised(a, rank), raised(b, rank));
    let (a, b) = (repeated(walk, node, a.clone(), &b), repeated(walk, node, b, &a));
    let (x, y) = (walk.expression(a.id).clone(), walk.expression(b.id).clone());
    if a.axes != b.axes || x.features != y.features || x.size != y.size {
        return Err(node.refused(format!(
            "it combines tensors of shapes {:?} and {:?}, expected maps of as many features, rows and columns",
            a.shape(),
            b.shape()
        )));
    }
    let product = match node.op() {
        "Mul" => true,
        "Add" | "Sum" | "Sub" => false,
        _ => return Err(node.refused("it divides by a map, which has no counterpart")),
    };
    let second = if node.op() == "Sub" { affine(walk, node, &b, None, -1.0, 0.0).id } else { b.id };
    let support = [0, 1].map(|n| {
        let (p, q) = (&x.support[n], &y.support[n]);
        if product {
            let start = p.start.max(q.start);
            start..p.end.min(q.end).max(start)
        } else {
            p.start.min(q.start)..p.end.max(q.end)
        }
    });
    let kind = if product { Kind::Multiply(a.id, second) } else { Kind::Add(a.id, second) };
    let id = walk.push(Some(node), kind, x.features, (x.size, support));
    Ok(Held { id, axes: a.axes })
}

/// A map of one feature as often as `other` has features, where their tensors go together so.
fn repeated(walk: &mut Walk<'_>, node: &Node<'_>, held: Held, other: &Held) -> Held {
    let features = walk.expression(other.id).features;
    let axis = other.feature_axis(features, 0).filter(|_| features > 1 && walk.expression(held.id).features == 1);
    let Some(axis) = axis else { return held };
    let mut axes = held.axes.clone();
    axes[axis].clone_from(&other.axes[axis]);
    if axes != other.axes || !held.axes[axis].is_empty() {
        return held;
    }
    let id = walk.push_like(node, Kind::Concat(vec![held.id; features]), held.id, features, true);
    Held { id, axes }
}

/// Number for each feature of a constant that is the same at each pixel.
fn per_feature(walk: &Walk<'_>, node: &Node<'_>, held: &Held, constant: &Constant) -> Result<Vec<f32>, OnnxError> {
    let features = walk.expression(held.id).features;
    let numbers = constant.to_floats();
    if numbers.len() == 1 {
        return Ok(vec![numbers[0]; features]);
    }
    let shape = held.shape();
    let refused =
        |what: &str| node.refused(format!("its constant has shape {:?} and its map {shape:?}: {what}", constant.shape));
    if constant.shape.len() > shape.len() || count(&constant.shape).is_none() {
        return Err(refused("expected one number, or one for each feature"));
    }
    let mut found: Vec<Option<f32>> = vec![None; features];
    let mut strides = vec![0; shape.len()];
    let mut stride = 1;
    for (n, side) in constant.shape.iter().enumerate().rev() {
        let axis = n + shape.len() - constant.shape.len();
        if *side != 1 {
            if *side != shape[axis] {
                return Err(refused("they do not go together"));
            }
            strides[axis] = stride;
            stride *= side;
        }
    }
    // Each element of the constant, with the feature that its indices name.
    let mut digits: Vec<(usize, usize, usize)> = Vec::new();
    for (axis, atoms) in held.axes.iter().enumerate() {
        let mut step = strides[axis];
        for atom in atoms.iter().rev() {
            let feature = if let Atom::Feature { stride, .. } = atom { *stride } else { 0 };
            if feature > 0 || step > 0 {
                digits.push((atom.size(), step, feature));
            }
            step *= atom.size();
        }
    }
    let total = digits
        .iter()
        .try_fold(1_usize, |n, digit| n.checked_mul(digit.0))
        .filter(|n| *n <= super::constant::MAX_ELEMENTS);
    let Some(total) = total else { return Err(refused("it is too large")) };
    for n in 0..total {
        let (mut rest, mut place, mut feature) = (n, 0, 0);
        for (size, step, stride) in &digits {
            place += rest % size * step;
            feature += rest % size * stride;
            rest /= size;
        }
        let (Some(number), Some(slot)) = (numbers.get(place), found.get_mut(feature)) else {
            return Err(refused("they do not go together"));
        };
        if slot.is_some_and(|before| before.to_bits() != number.to_bits()) {
            return Err(refused("it differs between pixels, which has no counterpart"));
        }
        *slot = Some(*number);
    }
    found.into_iter().collect::<Option<_>>().ok_or_else(|| refused("they do not go together"))
}

fn with_constant(
    walk: &mut Walk<'_>,
    node: &Node<'_>,
    held: Held,
    constant: &Constant,
    constant_first: bool,
) -> Result<Held, OnnxError> {
    let held = raised(held, constant.shape.len());
    let numbers = per_feature(walk, node, &held, constant)?;
    let ones = || vec![1.0; numbers.len()];
    let zeros = || vec![0.0; numbers.len()];
    let negative = |all: &[f32]| all.iter().map(|x| -x).collect::<Vec<_>>();
    let each = match (node.op(), constant_first) {
        ("Add" | "Sum", _) => (ones(), numbers.clone()),
        ("Sub", false) => (ones(), negative(&numbers)),
        ("Sub", true) => (negative(&ones()), numbers.clone()),
        ("Mul", _) => (numbers.clone(), zeros()),
        ("Div", false) => (numbers.iter().map(|x| 1.0 / x).collect(), zeros()),
        _ => return Err(node.refused("it divides by a map, which has no counterpart")),
    };
    if each.0.iter().chain(&each.1).any(|x| !x.is_finite()) {
        return Err(node.refused("its constant makes numbers that are not finite"));
    }
    Ok(affine(walk, node, &held, Some(each), 1.0, 0.0))
}

/// A table of one row for each class, added to each pixel.
fn class_bias(walk: &mut Walk<'_>, node: &Node<'_>, held: Held, table: &Constant) -> Result<Held, OnnxError> {
    if !matches!(node.op(), "Add" | "Sum") {
        return Err(node.refused("a label can be added to a map, and nothing else"));
    }
    let rank = table.shape.len();
    let held = raised(held, rank);
    let classes = table.shape.first().copied().unwrap_or(0);
    if rank != held.axes.len() || classes == 0 || matches!(held.axes[0].as_slice(), [Atom::Feature { .. }]) {
        return Err(node.refused(format!(
            "it adds a label's tensor of shape {:?} to a map of shape {:?}",
            table.shape,
            held.shape()
        )));
    }
    let features = walk.expression(held.id).features;
    let mut columns = vec![0.0; features * classes];
    for class in 0..classes {
        let row = super::arrays::take(table, 0, &[class]);
        for (f, x) in per_feature(walk, node, &held, &row)?.into_iter().enumerate() {
            columns[f * classes + class] = x;
        }
    }
    let kind = Kind::ClassBias { x: held.id, table: columns, name: String::new() };
    let id: Id = walk.push_like(node, kind, held.id, features, false);
    Ok(Held { id, axes: held.axes })
}
