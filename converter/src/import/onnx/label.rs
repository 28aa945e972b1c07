//! Values that the label alone decides: a table with one row for each class, in the place of the batch.

use super::arrays;
use super::constant::Constant;
use super::error::OnnxError;
use super::fold;
use super::node::Node;
use super::shapes;
use super::walk::{Known, Walk};

/// Most classes.
pub(super) const MAX_CLASSES: usize = 4096;

/// Table of a label that is given by one number for each class.
pub(super) fn identity(classes: usize) -> Constant {
    let data = (0..classes * classes).map(|n| f32::from(u8::from(n / classes == n % classes))).collect();
    Constant::floats(vec![classes, classes], data)
}

/// Values of a node that reads the label, and no map.
pub(super) fn evaluate(
    walk: &mut Walk<'_>,
    node: &Node<'_>,
    inputs: &[Option<Known>],
    constants: &[Option<Constant>],
) -> Result<Vec<Known>, OnnxError> {
    let refused = |what: String| node.refused(what);
    if inputs.iter().flatten().any(|known| matches!(known, Known::Label)) {
        return match (node.op(), constants.first().and_then(Option::as_ref)) {
            ("Cast" | "Identity" | "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten", None) => Ok(vec![Known::Label]),
            ("Gather", Some(table)) if table.shape.len() == 2 && node.int("axis", 0) == 0 => {
                use_classes(walk, node, table.shape[0])?;
                Ok(vec![Known::Table(table.clone())])
            }
            ("OneHot", None) => {
                let depth = constants.get(1).and_then(Option::as_ref).and_then(Constant::scalar).unwrap_or(0.0);
                use_classes(walk, node, depth as usize)?;
                Ok(vec![Known::Table(identity(depth as usize))])
            }
            _ => Err(refused(
                "it reads the label, which can name a row of a stored table (`nn.Embedding`) and nothing else".into(),
            )),
        };
    }
    let tables: Vec<&Constant> = inputs
        .iter()
        .flatten()
        .filter_map(|known| if let Known::Table(table) = known { Some(table) } else { None })
        .collect();
    let Some(first) = tables.first() else { return Err(refused("it has no inputs".into())) };
    let classes = first.shape.first().copied().unwrap_or(0);
    if classes == 0 || tables.iter().any(|table| table.shape.first() != Some(&classes)) {
        return Err(refused("it combines labels of different numbers of classes".into()));
    }
    let mut all: Vec<Option<Constant>> = constants.to_vec();
    for (slot, known) in all.iter_mut().zip(inputs) {
        if let Some(Known::Table(table)) = known {
            *slot = Some(table.clone());
        }
    }
    let made = match node.op() {
        // Sizes of what stands for one label.
        "Shape" => {
            let mut shape = first.shape.clone();
            shape[0] = walk.batch;
            return Ok(vec![Known::Constant(shapes::shape_of(node, &shape))]);
        }
        "MatMul" | "Gemm" => vec![product(node, &all).map_err(refused)?],
        "Reshape" | "Expand" => {
            vec![of_batch(walk, node, first, constants.get(1).and_then(Option::as_ref)).map_err(refused)?]
        }
        "Identity" | "Cast" | "Squeeze" | "Unsqueeze" | "Flatten" | "Add" | "Sub" | "Mul" | "Div" | "Neg" | "Tanh"
        | "Sigmoid" | "Relu" | "Slice" | "Split" | "Concat" => {
            let folded = fold::evaluate(node, &all).map_err(refused)?;
            folded.ok_or_else(|| refused("it cannot be evaluated for each label".into()))?
        }
        _ => {
            return Err(refused(
                "what a label decides can be added to a map, and multiplied by matrices, and nothing else".into(),
            ));
        }
    };
    walk.spend(node, made.iter().map(Constant::len).sum())?;
    let kept = made.iter().all(|table| table.shape.first() == Some(&classes));
    if !kept {
        return Err(refused("it mixes what different labels decide".into()));
    }
    Ok(made.into_iter().map(Known::Table).collect())
}

fn use_classes(walk: &mut Walk<'_>, node: &Node<'_>, classes: usize) -> Result<(), OnnxError> {
    if classes == 0 || classes > MAX_CLASSES {
        return Err(node.refused(format!("{classes} classes, expected 1 to {MAX_CLASSES}")));
    }
    if walk.classes != 0 && walk.classes != classes {
        return Err(node.refused(format!("{classes} classes, and {} elsewhere", walk.classes)));
    }
    walk.classes = classes;
    Ok(())
}

/// A reshape or an expansion, whose first side is the batch's.
fn of_batch(walk: &Walk<'_>, node: &Node<'_>, table: &Constant, to: Option<&Constant>) -> Result<Constant, String> {
    let to = to.and_then(Constant::as_ints).ok_or("its shape is no list of integers")?;
    let mut one = table.shape.clone();
    one[0] = walk.batch;
    let held = Constant::ints(to.to_vec());
    if node.op() == "Expand" {
        // A map is added to it, so that its numbers are the same at each pixel anyway.
        let grown = arrays::broadcast(&one, &shapes::sides(&held)?)?;
        let mut shape = vec![1; grown.len() - one.len()];
        shape.extend(&table.shape);
        return if shape.len() == table.shape.len() {
            Ok(table.clone())
        } else {
            Err("it puts an axis before the batch".into())
        };
    }
    let mut shape = shapes::reshaped(node, &one, Some(&held))?;
    if shape.first() != Some(&walk.batch) {
        return Err("it mixes what different labels decide".into());
    }
    shape[0] = table.shape[0];
    Ok(Constant { shape, data: table.data.clone() })
}

/// The table times a matrix.
fn product(node: &Node<'_>, all: &[Option<Constant>]) -> Result<Constant, String> {
    let at = |n: usize| all.get(n).and_then(Option::as_ref);
    let (Some(a), Some(b)) = (at(0), at(1)) else { return Err("an input is missing".into()) };
    let gemm = node.op() == "Gemm";
    let turned = gemm && node.int("transB", 0) != 0;
    let ([rows, inner], [first, second]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return Err("expected a table times a matrix".into());
    };
    let (depth, out) = if turned { (*second, *first) } else { (*first, *second) };
    if *inner != depth || (gemm && node.int("transA", 0) != 0) {
        return Err(format!("shapes {:?} and {:?} do not go together", a.shape, b.shape));
    }
    if rows.saturating_mul(out) > super::constant::MAX_ELEMENTS
        || rows.saturating_mul(out).saturating_mul(depth) > 1 << 32
    {
        return Err("it is too large".into());
    }
    let (x, w) = (a.to_floats(), b.to_floats());
    let (alpha, beta) = if gemm { (node.float("alpha", 1.0), node.float("beta", 1.0)) } else { (1.0, 1.0) };
    let bias = if gemm { at(2).map(Constant::to_floats) } else { None };
    let bias_of = |o: usize| match bias.as_deref() {
        Some([one]) => Ok(beta * one),
        Some(all) => all.get(o).map(|x| beta * x).ok_or("its biases are too few"),
        None => Ok(0.0),
    };
    let mut data = Vec::with_capacity(rows * out);
    for r in 0..*rows {
        for o in 0..out {
            let sum: f64 = (0..depth)
                .map(|i| {
                    let weight = if turned { w[o * depth + i] } else { w[i * out + o] };
                    f64::from(x[r * depth + i]) * f64::from(weight)
                })
                .sum();
            data.push((f64::from(alpha) * sum) as f32 + bias_of(o)?);
        }
    }
    Ok(Constant::floats(vec![*rows, out], data))
}
