//! Shapes that nodes ask for: axes, permutations, cuts, pads. Shared by constants and maps.

use super::constant::{Constant, Data};
use super::node::Node;

/// Axis `n` of `rank`, counted from the end if negative.
pub(super) fn axis(n: i64, rank: usize) -> Result<usize, String> {
    index(n, rank).ok_or_else(|| format!("axis {n} of a tensor with {rank} axes"))
}

/// Index `n` of `side`, counted from the end if negative.
pub(super) fn index(n: i64, side: usize) -> Option<usize> {
    let n = if n < 0 { n.checked_add(i64::try_from(side).ok()?)? } else { n };
    usize::try_from(n).ok().filter(|n| *n < side)
}

/// Sides of a shape that is a tensor.
pub(super) fn sides(x: &Constant) -> Result<Vec<usize>, String> {
    let ints = x.as_ints().ok_or("its shape is no list of integers")?;
    ints.iter().map(|n| usize::try_from(*n).map_err(|_| format!("a side of {n}"))).collect()
}

/// Value of a `Shape` node.
pub(super) fn shape_of(node: &Node<'_>, shape: &[usize]) -> Constant {
    let rank = shape.len() as i64;
    let end = |n: i64| (if n < 0 { n.saturating_add(rank) } else { n }).clamp(0, rank) as usize;
    let (from, to) = (end(node.int("start", 0)), end(node.int("end", rank)));
    Constant::ints(shape.get(from..to).unwrap_or_default().iter().map(|side| *side as i64).collect())
}

/// Order of axes of a `Transpose` node.
pub(super) fn permutation(node: &Node<'_>, rank: usize) -> Result<Vec<usize>, String> {
    let Some(order) = node.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let order: Vec<usize> = order.iter().map(|n| axis(*n, rank)).collect::<Result<_, _>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.iter().copied().eq(0..rank) { Ok(order) } else { Err(format!("`perm` {order:?} of {rank} axes")) }
}

/// Shape after a `Reshape`, `Flatten`, `Squeeze` or `Unsqueeze` node.
pub(super) fn reshaped(node: &Node<'_>, from: &[usize], second: Option<&Constant>) -> Result<Vec<usize>, String> {
    let numbers =
        |attribute: &str| second.and_then(Constant::as_ints).or_else(|| node.ints(attribute)).map(<[i64]>::to_vec);
    match node.op() {
        "Flatten" => {
            let at = node.int("axis", 1);
            let at = if at == from.len() as i64 { from.len() } else { axis(at, from.len())? };
            Ok(vec![from[..at].iter().product(), from[at..].iter().product()])
        }
        "Squeeze" => {
            let axes = match numbers("axes") {
                None => (0..from.len()).filter(|n| from[*n] == 1).collect(),
                Some(axes) => axes.iter().map(|n| axis(*n, from.len())).collect::<Result<Vec<_>, _>>()?,
            };
            if axes.iter().any(|n| from[*n] != 1) {
                return Err("it removes an axis that has more than one entry".into());
            }
            Ok((0..from.len()).filter(|n| !axes.contains(n)).map(|n| from[n]).collect())
        }
        "Unsqueeze" => {
            let axes = numbers("axes").ok_or("it has no `axes`")?;
            let rank = from.len() + axes.len();
            let axes: Vec<usize> = axes.iter().map(|n| axis(*n, rank)).collect::<Result<_, _>>()?;
            let mut sides = from.iter();
            Ok((0..rank).map(|n| if axes.contains(&n) { 1 } else { sides.next().copied().unwrap_or(1) }).collect())
        }
        _ => {
            let to = numbers("shape").ok_or("its shape is no list of integers")?;
            let zero = node.int("allowzero", 0) != 0;
            let total: usize = from.iter().product();
            let side = |(n, side): (usize, &i64)| match *side {
                -1 => Ok(None),
                0 if !zero => from.get(n).copied().map(Some).ok_or_else(|| format!("shape {to:?} of {from:?}")),
                side => usize::try_from(side).map(Some).map_err(|_| format!("a side of {side}")),
            };
            let sides: Vec<Option<usize>> = to.iter().enumerate().map(side).collect::<Result<_, _>>()?;
            let known = sides.iter().flatten().try_fold(1_usize, |n, side| n.checked_mul(*side));
            let known = known.ok_or_else(|| format!("shape {to:?} is too large"))?;
            let free = sides.iter().filter(|side| side.is_none()).count();
            let fits = if free == 1 { known > 0 && total.is_multiple_of(known) } else { free == 0 && known == total };
            if !fits {
                return Err(format!("shape {to:?} of {from:?}"));
            }
            Ok(sides.into_iter().map(|side| side.unwrap_or_else(|| total / known)).collect())
        }
    }
}

/// Entries of an axis that a `Slice` keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) axis: usize,
    pub(super) from: usize,
    pub(super) count: usize,
    pub(super) step: i64,
}

impl Cut {
    pub(super) fn indices(&self) -> Vec<usize> {
        (0..self.count as i64).map(|n| (self.from as i64 + n * self.step) as usize).collect()
    }
}

/// Cuts of a `Slice` node of a tensor of shape `shape`.
pub(super) fn cuts(node: &Node<'_>, shape: &[usize], inputs: &[Option<Constant>]) -> Result<Vec<Cut>, String> {
    let list = |n: usize, name: &str| {
        let input = inputs.get(n).and_then(Option::as_ref);
        match input {
            Some(Constant { data: Data::Int(data), .. }) => Ok(Some(data.clone())),
            Some(_) => Err(format!("its `{name}` are no integers")),
            None => Ok(node.ints(name).map(<[i64]>::to_vec)),
        }
    };
    let starts = list(1, "starts")?.ok_or("its `starts` are not known")?;
    let ends = list(2, "ends")?.ok_or("its `ends` are not known")?;
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if starts.len() != ends.len() || starts.len() != axes.len() || starts.len() != steps.len() {
        return Err("its starts, ends, axes and steps are not equally many".into());
    }
    let cut = |n: usize| {
        let axis = axis(axes[n], shape.len())?;
        let (side, step) = (shape[axis] as i64, steps[n]);
        if step == 0 {
            return Err("its step is 0".to_string());
        }
        let end = |at: i64| if at < 0 { at.saturating_add(side) } else { at };
        let (low, high) = if step > 0 { (0, side) } else { (-1, side - 1) };
        let (from, to) = (end(starts[n]).clamp(low.max(0), high.max(0)), end(ends[n]).clamp(low, high));
        let span = if step > 0 { to - from } else { from - to };
        let size = step.unsigned_abs().min(i64::MAX as u64) as i64;
        let count = if span <= 0 || side == 0 { 0 } else { (span - 1) / size + 1 };
        Ok(Cut { axis, from: from as usize, count: count as usize, step })
    };
    (0..starts.len()).map(cut).collect()
}

/// Axis and sizes of the parts of a `Split` node.
pub(super) fn parts(
    node: &Node<'_>,
    shape: &[usize],
    second: Option<&Constant>,
) -> Result<(usize, Vec<usize>), String> {
    let axis = axis(node.int("axis", 0), shape.len())?;
    let side = shape[axis];
    let given = second.and_then(Constant::as_ints).or_else(|| node.ints("split"));
    let parts: Vec<usize> = if let Some(given) = given {
        given.iter().map(|n| usize::try_from(*n).map_err(|_| format!("a part of {n}"))).collect::<Result<_, _>>()?
    } else {
        let outputs = node.proto.outputs.len();
        let parts = usize::try_from(node.int("num_outputs", outputs as i64)).unwrap_or(0);
        if parts == 0 || parts > side.max(1) {
            return Err(format!("{parts} parts of {side}"));
        }
        let part = side.div_ceil(parts);
        (0..parts).map(|n| part.min(side.saturating_sub(n * part))).collect()
    };
    let sum = parts.iter().try_fold(0_usize, |sum, part| sum.checked_add(*part));
    if sum == Some(side) { Ok((axis, parts)) } else { Err(format!("parts {parts:?} of {side}")) }
}

/// What a `Pad` node adds.
#[derive(Clone, Debug)]
pub(super) struct Pads {
    /// Before and after, for each axis.
    pub(super) sides: Vec<[i64; 2]>,
    pub(super) value: f32,
}

/// Pads of a `Pad` node of a tensor of `rank` axes.
pub(super) fn pads(node: &Node<'_>, rank: usize, inputs: &[Option<Constant>]) -> Result<Pads, String> {
    let mode = node.text("mode").unwrap_or_else(|| "constant".into());
    if mode != "constant" {
        return Err(format!("it pads by `{mode}`, and maps here end in zeros: pad with the constant 0"));
    }
    let input = |n: usize| inputs.get(n).and_then(Option::as_ref);
    let pads = input(1).and_then(Constant::as_ints).or_else(|| node.ints("pads"));
    let pads = pads.ok_or("its pads are not known when the graph is read")?;
    let axes: Vec<usize> = match input(3).and_then(Constant::as_ints) {
        Some(axes) => axes.iter().map(|n| axis(*n, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} axes", pads.len(), axes.len()));
    }
    let mut sides = vec![[0; 2]; rank];
    for (n, axis) in axes.iter().enumerate() {
        sides[*axis] = [pads[n], pads[axes.len() + n]];
    }
    let value = input(2).and_then(Constant::scalar).unwrap_or_else(|| node.float("value", 0.0));
    Ok(Pads { sides, value })
}
