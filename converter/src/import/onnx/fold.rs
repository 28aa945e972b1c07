//! Evaluation of nodes whose inputs are all constants: what stands between stored tensors and the ops that use them.

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
            let data = match (&yes.data, &no.data) {
                (Data::Int(a), Data::Int(b)) => {
                    Data::Int(a.iter().zip(b).enumerate().map(|(n, (a, b))| if pick(n) { *a } else { *b }).collect())
                }
                _ => {
                    let (a, b) = (yes.to_floats(), no.to_floats());
                    Data::Float(a.iter().zip(&b).enumerate().map(|(n, (a, b))| if pick(n) { *a } else { *b }).collect())
                }
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

/// Shape that two shapes are broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], n: usize| (n + shape.len()).checked_sub(rank).map_or(1, |n| shape[n]);
    let both = |n| match (side(a, n), side(b, n)) {
        (a, b) if a == b || b == 1 => Ok(a),
        (1, b) => Ok(b),
        _ => Err(format!("shapes {a:?} and {b:?} do not go together")),
    };
    (0..rank).map(both).collect()
}

/// Copies of `x` that fill `shape`, which `x` is broadcast to.
fn expand(x: &Constant, shape: &[usize]) -> Result<Constant, String> {
    if x.shape == shape {
        return Ok(x.clone());
    }
    let size = count(shape).ok_or_else(|| format!("shape {shape:?} is too large"))?;
    let mut strides = vec![0; shape.len()];
    let mut stride = 1;
    for (n, side) in x.shape.iter().enumerate().rev() {
        let at = n + shape.len() - x.shape.len();
        if *side != 1 {
            strides[at] = stride;
        }
        stride *= side;
    }
    Ok(picked(x, shape.to_vec(), size, &strides, 0))
}

/// Elements of `x` at the sum of index times stride, plus `from`.
fn picked(x: &Constant, shape: Vec<usize>, size: usize, strides: &[usize], from: usize) -> Constant {
    let mut places = Vec::with_capacity(size);
    let mut index = vec![0; shape.len()];
    let mut place = from;
    for _ in 0..size {
        places.push(place);
        for n in (0..shape.len()).rev() {
            index[n] += 1;
            place += strides[n];
            if index[n] < shape[n] {
                break;
            }
            place -= strides[n] * shape[n];
            index[n] = 0;
        }
    }
    let data = match &x.data {
        Data::Float(data) => Data::Float(places.iter().map(|n| data[*n]).collect()),
        Data::Int(data) => Data::Int(places.iter().map(|n| data[*n]).collect()),
    };
    Constant { shape, data }
}

fn binary(op: &str, a: &Constant, b: &Constant) -> Result<Constant, String> {
    let shape = broadcast(&a.shape, &b.shape)?;
    let (a, b) = (expand(a, &shape)?, expand(b, &shape)?);
    let data = match (&a.data, &b.data) {
        (Data::Int(a), Data::Int(b)) => Data::Int(
            a.iter().zip(b).map(|(a, b)| of_ints(op, *a, *b)).collect::<Option<_>>().ok_or("integers out of range")?,
        ),
        _ => {
            let (a, b) = (a.to_floats(), b.to_floats());
            let all = a.iter().zip(&b).map(|(a, b)| of_floats(op, *a, *b));
            if matches!(op, "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual") {
                Data::Int(all.map(|x| x as i64).collect())
            } else {
                Data::Float(all.collect())
            }
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

pub(super) fn transpose(x: &Constant, order: &[usize]) -> Constant {
    let mut own = vec![1; x.shape.len()];
    for n in (1..x.shape.len()).rev() {
        own[n - 1] = own[n] * x.shape[n];
    }
    let shape: Vec<usize> = order.iter().map(|n| x.shape[*n]).collect();
    let strides: Vec<usize> = order.iter().map(|n| own[*n]).collect();
    picked(x, shape, x.len(), &strides, 0)
}

/// The entries of an axis that `indices` name.
pub(super) fn take(x: &Constant, axis: usize, indices: &[usize]) -> Constant {
    let inner: usize = x.shape[axis + 1..].iter().product();
    let outer: usize = x.shape[..axis].iter().product();
    let side = x.shape[axis];
    let mut shape = x.shape.clone();
    shape[axis] = indices.len();
    let places = || (0..outer).flat_map(|o| indices.iter().map(move |i| (o * side + i) * inner));
    let data = match &x.data {
        Data::Float(data) => Data::Float(places().flat_map(|at| &data[at..at + inner]).copied().collect()),
        Data::Int(data) => Data::Int(places().flat_map(|at| &data[at..at + inner]).copied().collect()),
    };
    Constant { shape, data }
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

fn concat(all: &[&Constant], axis: i64) -> Result<Constant, String> {
    let first = all.first().ok_or("it has no inputs")?;
    let axis = shapes::axis(axis, first.shape.len())?;
    let rest = |x: &Constant| {
        let mut shape = x.shape.clone();
        shape[axis] = 0;
        shape
    };
    if all.iter().any(|x| x.shape.len() != first.shape.len() || rest(x) != rest(first)) {
        return Err("its inputs have shapes that do not go together".into());
    }
    let mut shape = first.shape.clone();
    shape[axis] = all.iter().map(|x| x.shape[axis]).sum();
    if count(&shape).is_none() {
        return Err(format!("shape {shape:?} is too large"));
    }
    let outer: usize = shape[..axis].iter().product();
    let part = |x: &Constant| x.shape[axis..].iter().product::<usize>();
    let data = if all.iter().all(|x| x.as_ints().is_some()) {
        let mut data = Vec::new();
        for o in 0..outer {
            for x in all {
                data.extend(&x.as_ints().unwrap_or_default()[o * part(x)..(o + 1) * part(x)]);
            }
        }
        Data::Int(data)
    } else {
        let floats: Vec<(usize, Vec<f32>)> = all.iter().map(|x| (part(x), x.to_floats())).collect();
        let mut data = Vec::new();
        for o in 0..outer {
            for (part, x) in &floats {
                data.extend(&x[o * part..(o + 1) * part]);
            }
        }
        Data::Float(data)
    };
    Ok(Constant { shape, data })
}

fn tile(x: &Constant, times: &[usize]) -> Result<Constant, String> {
    if times.len() != x.shape.len() {
        return Err("it repeats another number of axes than there are".into());
    }
    let mut tiled = x.clone();
    for (axis, times) in times.iter().enumerate() {
        let side = x.shape[axis];
        let mut shape = tiled.shape.clone();
        shape[axis] = side.saturating_mul(*times);
        if count(&shape).is_none() {
            return Err(format!("shape {shape:?} is too large"));
        }
        tiled = take(&tiled, axis, &(0..side * times).map(|n| n % side).collect::<Vec<_>>());
    }
    Ok(tiled)
}

fn range(ends: &[i64]) -> Result<Constant, String> {
    let [start, end, step] = ends else { return Err("it needs a start, an end and a step".into()) };
    let (start, end, step) = (i128::from(*start), i128::from(*end), i128::from(*step));
    if step == 0 {
        return Err("its step is 0".into());
    }
    let length = ((end - start + step - step.signum()) / step).max(0);
    let length = usize::try_from(length).ok().filter(|n| count(&[*n]).is_some()).ok_or("it is too long")?;
    Ok(Constant::ints((0..length).map(|n| (start + n as i128 * step) as i64).collect()))
}

/// `x` with `[before, after]` elements of `value` added to each axis; negative numbers take away.
fn pad(x: &Constant, sides: &[[i64; 2]], value: f32) -> Result<Constant, String> {
    let mut padded = x.clone();
    for (axis, [before, after]) in sides.iter().enumerate() {
        let side = x.shape[axis];
        let ends = (before.checked_neg(), i64::try_from(side).ok().and_then(|side| side.checked_add(*after)));
        let (Some(from), Some(to)) = ends else { return Err("it pads too much".into()) };
        let new = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
        let mut shape = padded.shape.clone();
        shape[axis] = new;
        let size = count(&shape).ok_or_else(|| format!("shape {shape:?} is too large"))?;
        let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        let place = |n: usize| {
            let (o, at, i) = (n / inner / new, n / inner % new, n % inner);
            let at = usize::try_from(from + at as i64).ok().filter(|at| *at < side)?;
            (o < outer).then_some((o * side + at) * inner + i)
        };
        let data = match &padded.data {
            Data::Float(data) => Data::Float((0..size).map(|n| place(n).map_or(value, |at| data[at])).collect()),
            Data::Int(data) => Data::Int((0..size).map(|n| place(n).map_or(value as i64, |at| data[at])).collect()),
        };
        padded = Constant { shape, data };
    }
    Ok(padded)
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

fn triangle(x: &Constant, k: i64, upper: bool) -> Result<Constant, String> {
    let [.., rows, columns] = x.shape.as_slice() else { return Err("it needs rows and columns".into()) };
    let (rows, columns) = (*rows, *columns);
    let stays = |n: usize| {
        let distance = (n % columns) as i64 - (n / columns % rows) as i64;
        if upper { distance >= k } else { distance <= k }
    };
    let data = match &x.data {
        Data::Float(data) => {
            Data::Float(data.iter().enumerate().map(|(n, x)| if stays(n) { *x } else { 0.0 }).collect())
        }
        Data::Int(data) => Data::Int(data.iter().enumerate().map(|(n, x)| if stays(n) { *x } else { 0 }).collect()),
    };
    Ok(Constant { shape: x.shape.clone(), data })
}
