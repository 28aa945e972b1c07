//! Nodes that move elements: reshapes, slices, pads, concatenations.

use super::constant::{Constant, Data};
use super::error::OnnxError;
use super::maps::{Atom, Expression, Held, Id, Kind, axis_of};
use super::node::Node;
use super::shapes::{self, Cut};
use super::walk::{Known, Walk};

/// Values that a node of a map makes by moving its elements.
pub(super) fn moved<'g>(
    walk: &mut Walk<'g>,
    node: &Node<'g>,
    inputs: &[Option<Known>],
    constants: &[Option<Constant>],
) -> Result<Vec<Known>, OnnxError> {
    if node.op() == "Concat" {
        return Ok(vec![Known::Map(concat(walk, node, inputs)?)]);
    }
    if let ("Gather", [Some(Known::Constant(table)), Some(Known::Map(held))]) = (node.op(), inputs) {
        return Ok(vec![Known::Map(embed(walk, node, table, held)?)]);
    }
    let held = Walk::held(node, inputs, 0)?.clone();
    let shape = held.shape();
    let refused = |what: String| node.refused(what);
    let second = constants.get(1).and_then(Option::as_ref);
    let one = |held: Held| Ok(vec![Known::Map(held)]);
    match node.op() {
        "Shape" => Ok(vec![Known::Constant(shapes::shape_of(node, &shape))]),
        "Size" => {
            let size = shape.iter().fold(1_usize, |n, side| n.saturating_mul(*side));
            Ok(vec![Known::Constant(Constant { shape: Vec::new(), data: Data::Int(vec![size as i64]) })])
        }
        "Dropout" if constants.get(2).and_then(Option::as_ref).and_then(Constant::scalar).is_some_and(|x| x != 0.0) => {
            Err(refused("it is in training mode: call `model.eval()` before the export".into()))
        }
        "Cast" | "CastLike" if !matches!(node.int("to", 1), 1 | 10 | 11 | 16) => match walk.expression(held.id).kind {
            // Levels that are looked up.
            Kind::Image { .. } => one(held),
            _ => Err(refused("it rounds a map to integers, which has no counterpart".into())),
        },
        "Identity" | "Dropout" | "Cast" | "CastLike" => one(held),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let to = shapes::reshaped(node, &shape, second).map_err(refused)?;
            let reshaped = held.reshaped(&to);
            one(reshaped.ok_or_else(|| {
                refused(format!("it reshapes {shape:?} to {to:?}, which takes rows or columns of the image apart"))
            })?)
        }
        "Transpose" => {
            let order = shapes::permutation(node, shape.len()).map_err(refused)?;
            one(Held { id: held.id, axes: order.iter().map(|n| held.axes[*n].clone()).collect() })
        }
        "Expand" => {
            let Some(to) = second else { return Err(refused("its shape is not known when the graph is read".into())) };
            let to = super::arrays::broadcast(&shape, &shapes::sides(to).map_err(refused)?).map_err(refused)?;
            if to.iter().product::<usize>() != shape.iter().product::<usize>() {
                return Err(refused(format!(
                    "it repeats a map of shape {shape:?} to {to:?}, which has no counterpart"
                )));
            }
            one(held.reshaped(&to).ok_or_else(|| refused(format!("it expands {shape:?} to {to:?}")))?)
        }
        "Slice" => {
            let cuts = shapes::cuts(node, &shape, constants).map_err(refused)?;
            let all = cuts.iter().try_fold(held, |held, cut| self::cut(walk, node, &held, *cut));
            one(all?)
        }
        "Split" => {
            let (axis, parts) = shapes::parts(node, &shape, second).map_err(refused)?;
            let mut from = 0;
            let mut all = Vec::new();
            for count in parts {
                all.push(Known::Map(cut(walk, node, &held, Cut { axis, from, count, step: 1 })?));
                from += count;
            }
            Ok(all)
        }
        "Gather" => one(gather(walk, node, &held, second)?),
        _ => {
            let pads = shapes::pads(node, shape.len(), constants).map_err(refused)?;
            one(pad(walk, node, held, &pads)?)
        }
    }
}

/// The entries of an axis that a cut keeps.
fn cut(walk: &mut Walk<'_>, node: &Node<'_>, held: &Held, cut: Cut) -> Result<Held, OnnxError> {
    let Cut { axis, from, count, step } = cut;
    let side: usize = held.axes[axis].iter().map(|atom| atom.size()).product();
    if (from, count) == (0, side) && step == 1 {
        return Ok(held.clone());
    }
    if count == 0 || step != 1 && count > 1 {
        return Err(node.refused(format!(
            "it keeps {count} of {side} entries of axis {axis} in steps of {step}, expected a run of them"
        )));
    }
    let mut axes = held.axes.clone();
    let atoms = held.axes[axis].as_slice();
    let id = match atoms {
        [Atom::Row(_)] => {
            axes[axis] = axis_of(Atom::Row(count));
            crop(walk, node, held.id, 0, from, count)
        }
        [Atom::Column(_)] => {
            axes[axis] = axis_of(Atom::Column(count));
            crop(walk, node, held.id, 1, from, count)
        }
        [Atom::Feature { stride, .. }] => {
            // A run of the slowest digit is a run of features.
            let features = walk.expression(held.id).features;
            let slowest = held
                .axes
                .iter()
                .flatten()
                .all(|atom| !matches!(atom, Atom::Feature { stride: other, .. } if other > stride));
            if !slowest {
                return Err(node.refused("it takes features that do not lie side by side, which has no counterpart"));
            }
            let (first, kept) = (from * stride, count * stride);
            axes[axis] = axis_of(Atom::Feature { size: count, stride: *stride });
            if first + kept > features {
                return Err(node.refused("it takes features that are not there"));
            }
            let like = held.id;
            walk.push_like(node, Kind::Slice { x: like, from: first }, like, kept, true)
        }
        [Atom::Batch(_)] => return Err(node.refused("it takes images of a batch apart")),
        _ => return Err(node.refused(format!("it cuts axis {axis}, which mixes rows, columns or features"))),
    };
    Ok(Held { id, axes })
}

fn crop(walk: &mut Walk<'_>, node: &Node<'_>, x: Id, n: usize, from: usize, count: usize) -> Id {
    let Expression { mut size, mut support, features, .. } = walk.expression(x).clone();
    size[n] = count;
    support[n] = support[n].start.saturating_sub(from).min(count)..support[n].end.saturating_sub(from).min(count);
    let mut start = [0; 2];
    start[n] = from;
    walk.push(Some(node), Kind::Crop { x, from: start }, features, (size, support))
}

/// An embedding of the image's levels, or entries of an axis.
fn gather<'g>(walk: &mut Walk<'g>, node: &Node<'g>, held: &Held, second: Option<&Constant>) -> Result<Held, OnnxError> {
    let Some(indices) = second else { return Err(node.refused("it takes what the image names from another map")) };
    let shape = held.shape();
    let axis = shapes::axis(node.int("axis", 0), shape.len()).map_err(|what| node.refused(what))?;
    let places: Option<Vec<usize>> =
        indices.as_ints().and_then(|all| all.iter().map(|n| shapes::index(*n, shape[axis])).collect());
    let places = places.ok_or_else(|| node.refused(format!("its indices are no integers below {}", shape[axis])))?;
    let run = places.iter().enumerate().all(|(n, place)| *place == places[0] + n);
    if !run || places.is_empty() || indices.shape.len() > 1 {
        return Err(node.refused("it takes entries that are not a run, which has no counterpart"));
    }
    let mut taken = cut(walk, node, held, Cut { axis, from: places[0], count: places.len(), step: 1 })?;
    if indices.shape.is_empty() {
        taken.axes.remove(axis);
    }
    Ok(taken)
}

/// The embedding of a `Gather` whose table is `table`.
fn embed<'g>(walk: &mut Walk<'g>, node: &Node<'g>, table: &Constant, held: &Held) -> Result<Held, OnnxError> {
    let [_, out] = *table.shape.as_slice() else {
        return Err(node.refused(format!("a table of shape {:?}, expected one row for each level", table.shape)));
    };
    let expression = walk.expression(held.id);
    let Kind::Image { scale, shift } = expression.kind else {
        return Err(node.refused("it looks up something other than the image's values"));
    };
    if expression.features != 1 {
        return Err(node.refused("it looks up values of several channels, expected an image of one"));
    }
    if node.int("axis", 0) != 0 || out == 0 {
        return Err(node.refused("it looks up in another axis than the first"));
    }
    let name = node.input(0).map_or_else(String::new, |name| walk.origin(name));
    let kind = Kind::Embed { table: table.to_floats(), name, index: (scale, shift) };
    let id = walk.push_like(node, kind, held.id, out, false);
    let mut axes = held.axes.clone();
    axes.push(axis_of(Atom::Feature { size: out, stride: 1 }));
    Ok(Held { id, axes })
}

fn pad(walk: &mut Walk<'_>, node: &Node<'_>, mut held: Held, pads: &shapes::Pads) -> Result<Held, OnnxError> {
    if pads.value != 0.0 && pads.sides.iter().flatten().any(|n| *n > 0) {
        return Err(node.refused(format!("it pads with {}, and maps here end in zeros: pad with 0", pads.value)));
    }
    for (axis, [before, after]) in pads.sides.iter().copied().enumerate().filter(|(_, sides)| *sides != [0; 2]) {
        let side: usize = held.axes[axis].iter().map(|atom| atom.size()).product();
        let most = super::MAX_SIDE as i64;
        if before.max(after) > most || before.min(after) < -most {
            return Err(node.refused(format!("it pads axis {axis} by {before} and {after}")));
        }
        // Negative pads take away.
        let (from, to) = ((-before).max(0), side as i64 + after.min(0));
        if from >= to {
            return Err(node.refused(format!("it leaves nothing of axis {axis}")));
        }
        held = cut(walk, node, &held, Cut { axis, from: from as usize, count: (to - from) as usize, step: 1 })?;
        held = zeros(walk, node, held, axis, [before.max(0) as usize, after.max(0) as usize])?;
    }
    Ok(held)
}

/// The map with zeros before and after an axis of rows or columns.
fn zeros(walk: &mut Walk<'_>, node: &Node<'_>, held: Held, axis: usize, sides: [usize; 2]) -> Result<Held, OnnxError> {
    if sides == [0; 2] {
        return Ok(held);
    }
    let Expression { mut size, mut support, features, .. } = walk.expression(held.id).clone();
    let mut axes = held.axes.clone();
    let n = match axes[axis].as_slice() {
        [Atom::Row(_)] => 0,
        [Atom::Column(_)] => 1,
        // A side of one pixel has no name; the image's own order has it.
        [] if axes.len() == 4 && axis >= 2 && size[axis - 2] == 1 => axis - 2,
        _ => return Err(node.refused(format!("it pads axis {axis}, which is neither rows nor columns of the image"))),
    };
    size[n] += sides[0] + sides[1];
    if size[n] > 2 * super::MAX_SIDE {
        return Err(node.refused(format!("it pads to {} rows or columns", size[n])));
    }
    support[n] = support[n].start + sides[0]..support[n].end + sides[0];
    axes[axis] = axis_of(if n == 0 { Atom::Row(size[0]) } else { Atom::Column(size[1]) });
    let mut before = [0; 2];
    before[n] = sides[0];
    let id = walk.push(Some(node), Kind::Pad { x: held.id, before }, features, (size, support));
    Ok(Held { id, axes })
}

fn concat<'g>(walk: &mut Walk<'g>, node: &Node<'g>, inputs: &[Option<Known>]) -> Result<Held, OnnxError> {
    let maps: Vec<&Held> = inputs
        .iter()
        .flatten()
        .filter_map(|known| if let Known::Map(held) = known { Some(held) } else { None })
        .collect();
    let Some(first) = maps.first() else { return Err(node.refused("it has no inputs")) };
    let rank = first.axes.len();
    let axis = shapes::axis(node.int("axis", 0), rank).map_err(|what| node.refused(what))?;
    if let ([Atom::Row(_) | Atom::Column(_)], [one]) = (first.axes[axis].as_slice(), maps.as_slice()) {
        return border(walk, node, inputs, (*one).clone(), axis);
    }
    let mut parts = Vec::new();
    for known in inputs.iter().flatten() {
        let part = match known {
            Known::Map(held) => held.clone(),
            Known::Constant(constant) => uniform(walk, node, constant, first, axis)?,
            Known::Label | Known::Table(_) => {
                return Err(node.refused("it joins a label to a map: add it to each pixel"));
            }
        };
        parts.push(part);
    }
    join(walk, node, &parts, axis)
}

/// Maps side by side in an axis of features.
fn join(walk: &mut Walk<'_>, node: &Node<'_>, parts: &[Held], axis: usize) -> Result<Held, OnnxError> {
    let refused = || {
        let shapes: Vec<String> = parts.iter().map(|part| format!("{:?}", part.shape())).collect();
        node.refused(format!(
            "it joins tensors of shapes {} in axis {axis}, expected maps side by side in an axis of features",
            shapes.join(", ")
        ))
    };
    if let [only] = parts {
        return Ok(only.clone());
    }
    let Some(first) = parts.first() else { return Err(refused()) };
    let size = walk.expression(first.id).size;
    let mut others = first.axes.clone();
    others[axis] = Vec::new();
    // Features of the other axes: in a stack of maps the new axis counts maps.
    let rest: usize =
        others.iter().flatten().map(|atom| if let Atom::Feature { size, .. } = atom { *size } else { 1 }).product();
    let mut total = 0;
    for part in parts {
        let mut axes = part.axes.clone();
        let own = std::mem::take(axes.get_mut(axis).ok_or_else(refused)?);
        let features = walk.expression(part.id).features;
        let slowest = match own.as_slice() {
            [] => features == rest,
            [Atom::Feature { size, stride }] => *stride == rest && size * rest == features,
            _ => false,
        };
        if axes != others || !slowest || walk.expression(part.id).size != size {
            return Err(refused());
        }
        total += features;
    }
    if total > super::MAX_FEATURES {
        return Err(node.refused(format!("{total} features, expected at most {}", super::MAX_FEATURES)));
    }
    let supports: Vec<_> = parts.iter().map(|part| walk.expression(part.id).support.clone()).collect();
    let support = [0, 1].map(|n| {
        let (start, end) = (supports.iter().map(|s| s[n].start).min(), supports.iter().map(|s| s[n].end).max());
        start.unwrap_or(0)..end.unwrap_or(size[n])
    });
    let id = walk.push(Some(node), Kind::Concat(parts.iter().map(|part| part.id).collect()), total, (size, support));
    let mut axes = others;
    axes[axis] = axis_of(Atom::Feature { size: total / rest.max(1), stride: rest });
    Ok(Held { id, axes })
}

/// A constant beside maps: the same numbers at each pixel.
fn uniform(
    walk: &mut Walk<'_>,
    node: &Node<'_>,
    constant: &Constant,
    like: &Held,
    axis: usize,
) -> Result<Held, OnnxError> {
    let shape = like.shape();
    let expected: Vec<usize> = shape
        .iter()
        .enumerate()
        .map(|(n, side)| if n == axis { constant.shape.get(n).copied().unwrap_or(0) } else { *side })
        .collect();
    let features = constant.shape.get(axis).copied().unwrap_or(0);
    let value = constant.uniform().filter(|_| constant.shape == expected && features > 0);
    let plain = like
        .axes
        .iter()
        .enumerate()
        .all(|(n, axis_)| n == axis || axis_.iter().all(|atom| !matches!(atom, Atom::Feature { .. })));
    let Some(value) = value.filter(|_| plain && features <= super::MAX_FEATURES) else {
        return Err(
            node.refused("it joins a constant that is not the same number at each pixel, which has no counterpart")
        );
    };
    let size = walk.expression(like.id).size;
    let id = walk.push(Some(node), Kind::Uniform(vec![value; features]), features, (size, size.map(|side| 0..side)));
    let mut axes = like.axes.clone();
    axes[axis] = axis_of(Atom::Feature { size: features, stride: 1 });
    Ok(Held { id, axes })
}

/// Rows or columns of zeros before and after a map.
fn border<'g>(
    walk: &mut Walk<'g>,
    node: &Node<'g>,
    inputs: &[Option<Known>],
    held: Held,
    axis: usize,
) -> Result<Held, OnnxError> {
    let mut sides = [0, 0];
    let mut after = 0;
    for known in inputs.iter().flatten() {
        match known {
            Known::Constant(constant) if constant.uniform() == Some(0.0) => {
                sides[after] += constant.shape.get(axis).copied().unwrap_or(0);
            }
            Known::Map(_) => after = 1,
            _ => {
                return Err(
                    node.refused("it joins rows or columns that are not zeros to a map, which has no counterpart")
                );
            }
        }
    }
    zeros(walk, node, held, axis, sides)
}
