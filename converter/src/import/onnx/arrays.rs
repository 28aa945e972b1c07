//! Constants in other shapes: broadcast, turned round, cut, joined, padded.

use super::constant::{Constant, Data, count};
use super::shapes;

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
pub(super) fn expand(x: &Constant, shape: &[usize]) -> Result<Constant, String> {
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
pub(super) fn picked(x: &Constant, shape: Vec<usize>, size: usize, strides: &[usize], from: usize) -> Constant {
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

pub(super) fn concat(all: &[&Constant], axis: i64) -> Result<Constant, String> {
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

pub(super) fn tile(x: &Constant, times: &[usize]) -> Result<Constant, String> {
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

pub(super) fn range(ends: &[i64]) -> Result<Constant, String> {
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
pub(super) fn pad(x: &Constant, sides: &[[i64; 2]], value: f32) -> Result<Constant, String> {
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

pub(super) fn triangle(x: &Constant, k: i64, upper: bool) -> Result<Constant, String> {
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
