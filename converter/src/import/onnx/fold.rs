//! Evaluation of nodes whose inputs are all constants: what stands between stored tensors and the ops that use them.

use super::arrays::{broadcast, concat, expand, pad, range, take, tile, transpose, triangle};
use super::constant::{Constant, Data, count};
use super::node::Node;
use super::shapes;

/// Values that a node makes, or `None` if its operator is not evaluated here. Errors say what is wrong with the node.
pub(super) fn evaluate(node: &Node<'_>, inputs: &[Option<Constant>]) -> Result<Option<Vec<Constant>>, String> {
    let at = |n: usize| inputs.get(n).and_then(Option::as_ref).ok_or_else(|| format!("input {n} is missing"));
    let one = |constant: Constant| Ok(Some(vec![constant]));
    let op = node.op();
    match op {
        "Identity" | "Dropout" | "StopGradient" => one(at(0)?.clone()),
        "Cast" => one(cast(at(0)?, node.int("to", 1))),
        "CastLike" => one(match at(1)?.data {
            Data::Float(_) => cast(at(0)?, 1),
            Data::Int(_) => cast(at(0)?, 7),
        }),
        "Shape" => one(shapes::shape_of(node, &at(0)?.shape)),
        "Size" => one(Constant { shape: Vec::new(), ..Constant::ints(vec![at(0)?.len() as i64]) }),
        "ConstantOfShape" => {
            let shape = shapes::sides(at(0)?)?;
            let value = node.tensor("value").map_err(|e| e.to_string())?;
            let value = value.unwrap_or_else(|| Constant::floats(vec![1], vec![0.0]));
            if value.len() != 1 {
                return Err("its value is not one number".into());
            }
            one(expand(&Constant { shape: Vec::new(), ..value }, &shape)?)
        }
        "Neg" | "Sqrt" | "Reciprocal" | "Exp" | "Log" | "Abs" | "Not" | "Tanh" | "Sigmoid" | "Relu" | "Softplus"
        | "Floor" | "Ceil" | "Sign" => one(unary(op, at(0)?)),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" | "Equal" | "Less" | "LessOrEqual" | "Greater"
        | "GreaterOrEqual" | "And" | "Or" | "Xor" | "Mod" => one(binary(op, at(0)?, at(1)?)?),
        "Where" => {
            let (test, yes, no) = (at(0)?, at(1)?, at(2)?);
            let shape = broadcast(&broadcast(&test.shape, &yes.shape)?, &no.shape)?;
            let [test, yes, no] = [expand(test, &shape)?, expand(yes, &shape)?, expand(no, &shape)?];
            let test = test.to_floats();
            let pick = |n: usize| test.get(n).is_some_and(|x| *x != 0.0);
            let data = if let (Data::Int(a), Data::Int(b)) = (&yes.data, &no.data) {
                Data::Int(a.iter().zip(b).enumerate().map(|(n, (a, b))| if pick(n) { *a } else { *b }).collect())
            } else {
                let (a, b) = (yes.to_floats(), no.to_floats());
                Data::Float(a.iter().zip(&b).enumerate().map(|(n, (a, b))| if pick(n) { *a } else { *b }).collect())
            };
            one(Constant { shape, data })
        }
        "Transpose" => {
            let x = at(0)?;
            one(transpose(x, &shapes::permutation(node, x.shape.len())?))
        }
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let x = at(0)?;
            let shape = shapes::reshaped(node, &x.shape, inputs.get(1).and_then(Option::as_ref))?;
            one(Constant { shape, data: x.data.clone() })
        }
        "Expand" => {
            let (x, to) = (at(0)?, shapes::sides(at(1)?)?);
            one(expand(x, &broadcast(&x.shape, &to)?)?)
        }
        "Tile" => one(tile(at(0)?, &shapes::sides(at(1)?)?)?),
        "Range" => {
            let ends = [at(0)?, at(1)?, at(2)?];
            let ints: Option<Vec<i64>> = ends.iter().map(|x| x.as_ints().and_then(|x| x.first().copied())).collect();
            one(range(ints.ok_or("its ends are no integers")?.as_slice())?)
        }
        "Concat" => {
            let all: Vec<&Constant> = (0..inputs.len()).map(at).collect::<Result<_, _>>()?;
            one(concat(&all, node.int("axis", 0))?)
        }
        "Slice" => one(shapes::cuts(node, &at(0)?.shape, inputs)?
            .iter()
            .fold(at(0)?.clone(), |x, cut| take(&x, cut.axis, &cut.indices()))),
        "Split" => {
            let x = at(0)?;
            let (axis, parts) = shapes::parts(node, &x.shape, inputs.get(1).and_then(Option::as_ref))?;
            let mut from = 0;
            let mut all = Vec::new();
            for part in parts {
                all.push(take(x, axis, &(from..from + part).collect::<Vec<_>>()));
                from += part;
            }
            Ok(Some(all))
        }
        "Gather" => one(gather(node, at(0)?, at(1)?)?),
        "Pad" => {
            let x = at(0)?;
            let pads = shapes::pads(node, x.shape.len(), inputs)?;
            one(pad(x, &pads.sides, pads.value)?)
        }
        "ReduceSum" | "ReduceMean" | "ReduceL2" | "ReduceSumSquare" | "ReduceProd" | "ReduceMax" | "ReduceMin" => {
            one(reduce(node, at(0)?, inputs.get(1).and_then(Option::as_ref))?)
        }
        "Trilu" => {
            let k = inputs.get(1).and_then(Option::as_ref).and_then(Constant::scalar).unwrap_or(0.0) as i64;
            one(triangle(at(0)?, k, node.int("upper", 1) != 0)?)
        }
        _ => Ok(None),
    }
}

fn cast(x: &Constant, to: i64) -> Constant {
    let data = match (to, &x.data) {
        (1 | 10 | 11 | 16, _) => Data::Float(x.to_floats()),
        (9, Data::Float(data)) => Data::Int(data.iter().map(|x| i64::from(*x != 0.0)).collect()),
        (9, Data::Int(data)) => Data::Int(data.iter().map(|x| i64::from(*x != 0)).collect()),
        (_, Data::Float(data)) => Data::Int(data.iter().map(|x| *x as i64).collect()),
        (_, Data::Int(data)) => Data::Int(data.clone()),
    };
    Constant { shape: x.shape.clone(), data }
}

/// Value of an elementwise operator.
pub(super) fn apply(op: &str, x: f32) -> f32 {
    match op {
        "Neg" => -x,
        "Sqrt" => x.sqrt(),
        "Reciprocal" => 1.0 / x,
        "Exp" => x.exp(),
        "Log" => x.ln(),
        "Abs" => x.abs(),
        "Tanh" => x.tanh(),
        "Sigmoid" => 1.0 / (1.0 + (-x).exp()),
        "Relu" => x.max(0.0),
        "Softplus" => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        "Floor" => x.floor(),
        "Ceil" => x.ceil(),
        "Sign" if x == 0.0 => 0.0,
        "Sign" => x.signum(),
        _ => x,
    }
}

fn unary(op: &str, x: &Constant) -> Constant {
    let data = match (&x.data, op) {
        (Data::Int(data), "Neg") => Data::Int(data.iter().map(|x| x.wrapping_neg()).collect()),
        (Data::Int(data), "Abs") => Data::Int(data.iter().map(|x| x.wrapping_abs()).collect()),
        (_, "Not") => Data::Int(x.to_floats().iter().map(|x| i64::from(*x == 0.0)).collect()),
        _ => Data::Float(x.to_floats().into_iter().map(|x| apply(op, x)).collect()),
    };
    Constant { shape: x.shape.clone(), data }
}

fn binary(op: &str, a: &Constant, b: &Constant) -> Result<Constant, String> {
    let shape = broadcast(&a.shape, &b.shape)?;
    let (a, b) = (expand(a, &shape)?, expand(b, &shape)?);
    let data = if let (Data::Int(a), Data::Int(b)) = (&a.data, &b.data) {
        let all = a.iter().zip(b).map(|(a, b)| of_ints(op, *a, *b));
        Data::Int(all.collect::<Option<_>>().ok_or("integers out of range")?)
    } else {
        let (a, b) = (a.to_floats(), b.to_floats());
        let all = a.iter().zip(&b).map(|(a, b)| of_floats(op, *a, *b));
        if matches!(op, "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual") {
            Data::Int(all.map(|x| x as i64).collect())
        } else {
            Data::Float(all.collect())
        }
    };
    Ok(Constant { shape, data })
}

fn of_ints(op: &str, a: i64, b: i64) -> Option<i64> {
    let truth = |x: bool| Some(i64::from(x));
    match op {
        "Add" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        "Div" => a.checked_div(b),
        "Mod" => a.checked_rem_euclid(b),
        "Pow" => a.checked_pow(u32::try_from(b).ok()?),
        "Min" => Some(a.min(b)),
        "Max" => Some(a.max(b)),
        "And" => truth(a != 0 && b != 0),
        "Or" => truth(a != 0 || b != 0),
        "Xor" => truth((a != 0) != (b != 0)),
        "Equal" => truth(a == b),
        "Less" => truth(a < b),
        "LessOrEqual" => truth(a <= b),
        "Greater" => truth(a > b),
        "GreaterOrEqual" => truth(a >= b),
        _ => None,
    }
}

fn of_floats(op: &str, a: f32, b: f32) -> f32 {
    let truth = |x: bool| f32::from(u8::from(x));
    match op {
        "Add" => a + b,
        "Sub" => a - b,
        "Mul" => a * b,
        "Div" => a / b,
        "Mod" => a % b,
        "Pow" => a.powf(b),
        "Min" => a.min(b),
        "Max" => a.max(b),
        "Less" => truth(a < b),
        "LessOrEqual" => truth(a <= b),
        "Greater" => truth(a > b),
        "GreaterOrEqual" => truth(a >= b),
        #[allow(clippy::float_cmp)] // as the operator has it
        _ => truth(a == b),
    }
}

fn gather(node: &Node<'_>, x: &Constant, indices: &Constant) -> Result<Constant, String> {
    let axis = shapes::axis(node.int("axis", 0), x.shape.len())?;
    let wanted = indices.as_ints().ok_or("its indices are no integers")?;
    let side = x.shape[axis];
    let places: Option<Vec<usize>> = wanted.iter().map(|n| shapes::index(*n, side)).collect();
    let places = places.ok_or_else(|| format!("an index outside 0 to {}", side.saturating_sub(1)))?;
    let mut shape = x.shape[..axis].to_vec();
    shape.extend(&indices.shape);
    shape.extend(&x.shape[axis + 1..]);
    if count(&shape).is_none() {
        return Err(format!("shape {shape:?} is too large"));
    }
    let taken = take(x, axis, &places);
    Ok(Constant { shape, data: taken.data })
}

fn reduce(node: &Node<'_>, x: &Constant, axes: Option<&Constant>) -> Result<Constant, String> {
    let rank = x.shape.len();
    let axes: Vec<i64> = match (axes.and_then(Constant::as_ints), node.ints("axes")) {
        (Some(axes), _) | (None, Some(axes)) => axes.to_vec(),
        (None, None) if node.int("noop_with_empty_axes", 0) != 0 => return Ok(x.clone()),
        (None, None) => (0..rank as i64).collect(),
    };
    let axes: Vec<usize> = axes.iter().map(|n| shapes::axis(*n, rank)).collect::<Result<_, _>>()?;
    let kept: Vec<usize> = (0..rank).filter(|n| !axes.contains(n)).collect();
    let order: Vec<usize> = kept.iter().copied().chain((0..rank).filter(|n| axes.contains(n))).collect();
    let sorted = transpose(x, &order);
    let run: usize = axes.iter().map(|n| x.shape[*n]).product();
    let sum = |run: &[f32], f: fn(f64) -> f64| run.iter().map(|x| f(f64::from(*x))).sum::<f64>();
    let one = |run: &[f32]| match node.op() {
        "ReduceMean" => sum(run, |x| x) / run.len() as f64,
        "ReduceL2" => sum(run, |x| x * x).sqrt(),
        "ReduceSumSquare" => sum(run, |x| x * x),
        "ReduceProd" => run.iter().map(|x| f64::from(*x)).product(),
        "ReduceMax" => run.iter().fold(f64::NEG_INFINITY, |a, x| a.max(f64::from(*x))),
        "ReduceMin" => run.iter().fold(f64::INFINITY, |a, x| a.min(f64::from(*x))),
        _ => sum(run, |x| x),
    };
    if run == 0 {
        return Err("it reduces nothing".into());
    }
    let floats: Vec<f32> = sorted.to_floats().chunks_exact(run).map(|run| one(run) as f32).collect();
    let keep = node.int("keepdims", 1) != 0;
    let shape = (0..rank).filter(|n| keep || !axes.contains(n)).map(|n| if axes.contains(&n) { 1 } else { x.shape[n] });
    let data = match x.data {
        Data::Int(_) if matches!(node.op(), "ReduceSum" | "ReduceProd" | "ReduceMax" | "ReduceMin") => {
            Data::Int(floats.iter().map(|x| *x as i64).collect())
        }
        _ => Data::Float(floats),
    };
    Ok(Constant { shape: shape.collect(), data })
}
