//! From expressions of any size to ops over maps of the image's size.
//!
//! A tensor may hold more rows than the image, or fewer, and its row 0 need not be the image's. To place an expression at row `s` is to
//! make the map whose row `i` is the tensor's row `i + s`, and 0 where the tensor has no such row. Pads and crops then change `s`
//! alone, and convolutions take it into their anchor.

use super::error::OnnxError;
use super::ir::{Op, Program, Step, Value};
use super::maps::{Expression, Id, Kernel, Kind, Norm};
use super::node::Node;
use std::collections::HashMap;

/// Deepest nesting of expressions that are larger than the image.
const MAX_DEPTH: usize = 200;

/// What is read too far down, or too far to the right.
const LATER: [&str; 2] = ["rows below its pixel", "columns to the right of its pixel"];

/// Places expressions.
pub(super) struct Placer<'a, 'g> {
    expressions: &'a [Expression],
    nodes: &'a [Node<'g>],
    image: [usize; 2],
    /// Factor and offset of the image that value 0 has.
    pub(super) base: (f32, f32),
    pub(super) program: Program,
    placed: HashMap<(Id, [i64; 2]), Value>,
    depth: usize,
}

impl<'a, 'g> Placer<'a, 'g> {
    pub(super) fn new(
        expressions: &'a [Expression],
        nodes: &'a [Node<'g>],
        image: [usize; 2],
        base: (f32, f32),
    ) -> Self {
        let (program, placed) = (Program::default(), HashMap::new());
        Self { expressions, nodes, image, base, program, placed, depth: 0 }
    }

    /// The value of the image's size that an expression of that size is; its parts are placed first.
    pub(super) fn place_all(&mut self, output: Id) -> Result<Value, OnnxError> {
        let mut needed = vec![false; self.expressions.len()];
        needed[output] = true;
        for id in (0..=output).rev() {
            if needed[id] {
                for read in self.expressions[id].kind.reads() {
                    needed[read] = true;
                }
            }
        }
        for (id, needed) in needed.iter().enumerate().take(output) {
            // What is not as large as the image is placed by whoever reads it. An error here is one of a place that nobody may need.
            if *needed && self.expressions[id].size == self.image {
                let _ = self.place(id, [0, 0]);
            }
        }
        self.place(output, [0, 0])
    }

    fn refused(&self, id: Id, what: impl Into<String>) -> OnnxError {
        match self.expressions[id].node.and_then(|node| self.nodes.get(node)) {
            Some(node) => node.refused(what),
            None => OnnxError::Graph(what.into()),
        }
    }

    fn later(&self, id: Id, what: &str) -> OnnxError {
        let node = self.expressions[id].node.and_then(|node| self.nodes.get(node));
        OnnxError::Leak {
            node: node.map_or_else(|| "at the input".into(), Node::label),
            knows: what.into(),
            mend: "pad before the first row or column and cut off the last, not the other way round".into(),
        }
    }

    fn push(&mut self, id: Id, op: Op, inputs: Vec<Value>, features: usize) -> Value {
        let node = self.expressions[id].node;
        self.program.push(Step { op, inputs, features, node })
    }

    /// The map whose pixel `i, j` is the tensor's `i + at[0], j + at[1]`, and 0 where it has none.
    pub(super) fn place(&mut self, id: Id, at: [i64; 2]) -> Result<Value, OnnxError> {
        if let Some(value) = self.placed.get(&(id, at)) {
            return Ok(*value);
        }
        if self.depth > MAX_DEPTH {
            return Err(self.refused(id, "more than 200 maps that are larger than the image follow each other"));
        }
        self.depth += 1;
        let placed = self.place_new(id, at);
        self.depth -= 1;
        let value = placed?;
        self.placed.insert((id, at), value);
        Ok(value)
    }

    fn place_new(&mut self, id: Id, at: [i64; 2]) -> Result<Value, OnnxError> {
        let expressions = self.expressions;
        let expression = &expressions[id];
        let features = expression.features;
        // Zeros before the tensor's first row are found by whatever reads it at its own first row.
        if let Kind::Pad { x, before } = expression.kind {
            return self.place(x, [at[0] - before[0] as i64, at[1] - before[1] as i64]);
        }
        if at.iter().any(|n| *n < 0) {
            return self.shifted(id, at);
        }
        for n in 0..2 {
            if at[n] + self.image[n] as i64 > expression.size[n] as i64 {
                return Err(self.missing(id, n, at));
            }
        }
        match &expression.kind {
            Kind::Image { scale, shift } => {
                self.check_there(id, at)?;
                self.image_value(id, *scale, *shift)
            }
            Kind::Embed { table, name, .. } => {
                self.check_there(id, at)?;
                Ok(self.push(id, Op::Embed { table: table.clone(), name: name.clone() }, vec![0], features))
            }
            Kind::Uniform(numbers) => Ok(self.uniform(id, numbers)),
            Kind::Conv { x, kernel } => self.conv(id, *x, kernel, at),
            Kind::Crop { x, from } => {
                let inner = [0, 1].map(|n| at[n] + from[n] as i64);
                let late = (0..2).find(|n| inner[*n] > 0 && inner[*n] + self.image[*n] as i64 > expressions[*x].size[*n] as i64);
                match late {
                    Some(n) => Err(self.missing(id, n, inner)),
                    None => self.place(*x, inner),
                }
            }
            Kind::Function { x, function } => {
                let x = self.place(*x, at)?;
                Ok(self.push(id, Op::Function(*function), vec![x], features))
            }
            Kind::Affine { x, scale, shift } => {
                let x = self.place(*x, at)?;
                Ok(self.affine(id, x, scale, shift))
            }
            Kind::Norm { x, norm } => {
                let x = self.place(*x, at)?;
                Ok(self.push(id, Op::Norm(Box::new(norm.clone())), vec![x], features))
            }
            Kind::Add(a, b) | Kind::Multiply(a, b) => {
                let (a, b) = (self.place(*a, at)?, self.place(*b, at)?);
                let op = if matches!(expression.kind, Kind::Add(..)) { Op::Add } else { Op::Multiply };
                Ok(self.push(id, op, vec![a, b], features))
            }
            Kind::Concat(all) => {
                let all = all.iter().map(|x| self.place(*x, at)).collect::<Result<_, _>>()?;
                Ok(self.push(id, Op::Concat, all, features))
            }
            Kind::Slice { x, from } => {
                let x = self.place(*x, at)?;
                Ok(self.push(id, Op::Slice { from: *from }, vec![x], features))
            }
            Kind::ClassBias { x, table, name } => {
                let x = self.place(*x, at)?;
                let op = Op::ClassBias { table: table.clone(), name: name.clone() };
                Ok(self.push(id, op, vec![x], features))
            }
            Kind::Softmax { .. } => Err(self.refused(
                id,
                "a softmax inside a network has no counterpart; at its end, over the logits of each value, it may stand",
            )),
            Kind::Pad { .. } => Err(self.refused(id, "a pad is placed by what it pads")),
        }
    }

    /// Error of an expression that ends before the map that is read of it.
    fn missing(&self, id: Id, n: usize, at: [i64; 2]) -> OnnxError {
        let expression = &self.expressions[id];
        let moved_up = matches!(expression.kind, Kind::Crop { from, .. } if from[n] > 0);
        if moved_up || at[n] > 0 { self.later(id, LATER[n]) } else { self.too_small(id, n) }
    }

    fn too_small(&self, id: Id, n: usize) -> OnnxError {
        let what = ["rows", "columns"][n];
        let expression = &self.expressions[id];
        self.refused(id, format!(
            "it makes {} {what} where the image's {} are needed: pad so that the size stays, or cut off only what a pad has added",
            expression.size[n], self.image[n]
        ))
    }

    /// An expression that is read before its first row or column: the map from there on, moved down or to the right.
    fn shifted(&mut self, id: Id, at: [i64; 2]) -> Result<Value, OnnxError> {
        let expression = &self.expressions[id];
        let features = expression.features;
        let mut by = [0; 2];
        let mut start = [0; 2];
        for n in 0..2 {
            by[n] = usize::try_from(-at[n].min(0)).unwrap_or(0);
            start[n] = at[n].max(0);
            let (needed, there) = (self.image[n].saturating_sub(by[n]), expression.size[n]);
            if by[n] > 0 && needed > there {
                return Err(self.missing(id, n, at));
            }
            if by[n] >= self.image[n] {
                return Err(self.refused(id, "it is moved out of the image"));
            }
        }
        let base = self.whole(id, start)?;
        Ok(self.push(id, Op::Shift { by }, vec![base], features))
    }

    /// The map from `start` on, of which the last rows and columns may be any.
    fn whole(&mut self, id: Id, start: [i64; 2]) -> Result<Value, OnnxError> {
        let expression = &self.expressions[id];
        let short = (0..2).any(|n| start[n] + self.image[n] as i64 > expression.size[n] as i64);
        // A crop of the last rows is the map before the crop.
        if let (true, Kind::Crop { x, from }) = (short, &expression.kind) {
            let (x, from) = (*x, *from);
            if let Some(n) =
                (0..2).find(|n| from[*n] > 0 && start[*n] + self.image[*n] as i64 > expression.size[*n] as i64)
            {
                return Err(self.missing(id, n, start));
            }
            return self.whole(x, [start[0] + from[0] as i64, start[1] + from[1] as i64]);
        }
        if let (true, Kind::Function { x, function }) = (short, &expression.kind) {
            let (x, function, features) = (*x, *function, expression.features);
            let x = self.whole(x, start)?;
            return Ok(self.push(id, Op::Function(function), vec![x], features));
        }
        self.place(id, start)
    }

    /// Checks that a map of the image's size is read at its own pixels.
    fn check_there(&self, id: Id, at: [i64; 2]) -> Result<(), OnnxError> {
        match at {
            [0, 0] => Ok(()),
            [0, _] => Err(self.later(id, LATER[1])),
            _ => Err(self.later(id, LATER[0])),
        }
    }

    fn image_value(&mut self, id: Id, scale: f32, shift: f32) -> Result<Value, OnnxError> {
        let features = self.expressions[id].features;
        let (base, offset) = self.base;
        #[allow(clippy::float_cmp)] // the same numbers from the same nodes
        if (scale, shift) == (base, offset) {
            return Ok(0);
        }
        let factor = scale / base;
        let rest = shift - factor * offset;
        if !factor.is_finite() || !rest.is_finite() {
            return Err(self.refused(id, "it multiplies the image by 0"));
        }
        Ok(self.affine(id, 0, &vec![factor; features], &vec![rest; features]))
    }

    fn affine(&mut self, id: Id, x: Value, scale: &[f32], shift: &[f32]) -> Value {
        let features = scale.len();
        let first = scale.first().copied().unwrap_or(1.0);
        let same = scale.iter().all(|x| x.to_bits() == first.to_bits());
        if same && shift.iter().all(|x| *x == 0.0) {
            #[allow(clippy::float_cmp)]
            if first == 1.0 {
                return x;
            }
            return self.push(id, Op::Scale(first), vec![x], features);
        }
        // A variance of 1, to which so small an `eps` adds nothing.
        let tensors = [scale.to_vec(), shift.to_vec(), vec![0.0; features], vec![1.0; features]];
        let norm = Norm { tensors, eps: 1e-30, name: String::new() };
        self.push(id, Op::Norm(Box::new(norm)), vec![x], features)
    }

    fn uniform(&mut self, id: Id, numbers: &[f32]) -> Value {
        let one = self.push(id, Op::Ones, Vec::new(), 1);
        let each: Vec<Value> = numbers.iter().map(|x| self.affine(id, one, &[*x], &[0.0])).collect();
        if let [only] = each.as_slice() {
            return *only;
        }
        let features = each.len();
        self.push(id, Op::Concat, each, features)
    }

    /// A convolution read from `at` on: the distance goes into its anchor.
    fn conv(&mut self, id: Id, x: Id, kernel: &Kernel, at: [i64; 2]) -> Result<Value, OnnxError> {
        let inner = &self.expressions[x];
        let mut start = [0; 2];
        for (n, start) in start.iter_mut().enumerate() {
            let support = &inner.support[n];
            let size = self.image[n];
            if support.len() > size {
                return Err(self.refused(
                    id,
                    "it reads a map that was computed for pixels outside the image: pad each convolution by itself, or crop before the next one",
                ));
            }
            // The image's rows must hold all of the tensor that is not 0, and be there.
            let (low, high) = (support.end as i64 - size as i64, support.start as i64);
            let last = inner.size[n] as i64 - size as i64;
            *start = 0_i64.clamp(low, high).min(last.max(low));
        }
        let value = self.place(x, start)?;
        // Rows from the pixel to the kernel's first.
        let first = [0, 1].map(|n| at[n] - kernel.before[n] - start[n]);
        let (kernel, anchor, dilation) = anchored(kernel, first).ok_or_else(|| {
            self.refused(id, "its kernel, dilated and padded, has no counterpart of at most 127 taps")
        })?;
        let features = kernel.shape[0];
        Ok(self.push(id, Op::Conv { kernel: Box::new(kernel), anchor, dilation }, vec![value], features))
    }
}

/// The kernel with one dilation for rows and columns, and the tap at distance 0, 0, for a kernel whose first tap reads `first` away.
fn anchored(kernel: &Kernel, first: [i64; 2]) -> Option<(Kernel, [usize; 2], usize)> {
    let [_, _, rows, columns] = kernel.shape;
    let sides = [rows, columns];
    // A side of one tap fits any dilation.
    let steps: Vec<usize> = (0..2).filter(|n| sides[*n] > 1).map(|n| kernel.dilation[n]).collect();
    let common = steps.first().copied().unwrap_or(1);
    let whole = |step: usize| first.iter().all(|n| n % step as i64 == 0);
    let dilation = if steps.iter().all(|step| *step == common) && whole(common) { common } else { 1 };
    let mut shape = kernel.shape;
    let (mut before, mut anchor, mut spread) = ([0; 2], [0; 2], [1; 2]);
    for n in 0..2 {
        spread[n] = if sides[n] > 1 { kernel.dilation[n] / dilation } else { 1 };
        let distance = -first[n] / dilation as i64;
        // A kernel that begins after the pixel has taps of 0 from the pixel on.
        before[n] = usize::try_from(-distance.min(0)).ok()?;
        anchor[n] = usize::try_from(distance.max(0)).ok()?;
        shape[n + 2] = (sides[n] - 1).checked_mul(spread[n])?.checked_add(1 + before[n])?;
        if shape[n + 2] > super::MAX_KERNEL || anchor[n] > super::MAX_ANCHOR {
            return None;
        }
    }
    let mut spaced = Kernel { dilation: [dilation; 2], before: [0, 0], ..kernel.clone() };
    if shape != kernel.shape {
        let size = super::constant::count(&shape)?;
        let mut weight = vec![0.0; size];
        for (at, x) in kernel.weight.iter().enumerate() {
            let (map, u, v) = (at / (rows * columns), at / columns % rows, at % columns);
            weight[(map * shape[2] + before[0] + u * spread[0]) * shape[3] + before[1] + v * spread[1]] = *x;
        }
        (spaced.weight, spaced.shape) = (weight, shape);
    }
    Some((spaced, anchor, dilation))
}
