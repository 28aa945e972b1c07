//! From ops to the description of a network: masks, colours, names.

use super::error::OnnxError;
use super::ir::{Op, Program, Step};
use super::logits::Logits;
use super::maps::{Function, Kernel};
use super::masks::{self, Dealing, Masked};
use super::node::Node;
use crate::error::Error;
use crate::{Description, NetworkSpec, OpKind, OpSpec, Tensor, TrainedModel};
use pixelrnn::network::{
    Activation, Builder, Class, ColourGroups, Conv, ConvShape, Image, InputMap, NetworkError, Value,
};
use std::collections::{BTreeMap, BTreeSet};

/// Longest name of an op.
const MAX_NAME: usize = 40;

/// What stands around a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) image: Image,
    pub(super) input: InputMap,
    pub(super) classes: usize,
}

/// A network that cannot be, with the number of the step that tells.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: usize,
    pub(super) error: Error,
}

/// The network with features dealt to colours by `order`.
pub(super) fn resolve(
    program: &Program,
    nodes: &[Node<'_>],
    logits: &Logits,
    order: ColourGroups,
    frame: Frame,
) -> Result<TrainedModel, Failure> {
    let halves = halves(program);
    let mut builder = Builder::new(frame.image, order, frame.classes, |_| ());
    let mut values: Vec<Value> = vec![builder.image()];
    let mut ops = Vec::new();
    let mut names = Names::default();
    let mut tensors = BTreeMap::new();
    // First convolution whose centre tap mixes colours as no mask has it; ops after it may fail for that.
    let mut mixes = None;
    for (n, step) in program.steps.iter().enumerate() {
        let dealing = if n + 1 == program.steps.len() && builder.image().features.groups > 1 {
            Dealing::Logits
        } else {
            Dealing::Rule { order, halves: halves[n + 1] }
        };
        if let Some(x) = step.inputs.first() {
            builder.set_x(values[*x]);
        }
        let mut context = Context { nodes, names: &mut names, tensors: &mut tensors, classes: frame.classes };
        let kind = context.op(step, &values, dealing);
        let inputs: Vec<Value> = step.inputs.iter().map(|x| values[*x]).collect();
        build(&mut builder, &kind, &inputs, dealing, logits).map_err(|source| match mixes {
            Some(step) => Failure { step, error: leak(program, nodes, step, "", "").into() },
            None => Failure { step: n, error: network_error(program, nodes, n, source).into() },
        })?;
        let made = builder.x();
        if let (Op::Conv { kernel, anchor, .. }, Some(x)) = (&step.op, inputs.first())
            && (made.features.groups > 1 && made.class == Class::Row && x.class < Class::Row)
            && masks::mixes_colours(kernel, *anchor)
        {
            mixes.get_or_insert(n);
        }
        values.push(made);
        ops.push(OpSpec { kind, inputs: Vec::new(), value: None });
    }
    link(program, &mut ops);
    let labels: Vec<String> = ops.iter().enumerate().map(|(n, op)| op.label(&format!("ops[{n}]"))).collect();
    let description = Description {
        image: frame.image,
        output: logits.output,
        input: frame.input,
        classes: frame.classes,
        colour_groups: order,
        network: NetworkSpec::Ops(ops),
        conditioning: None,
    };
    TrainedModel::new(description, tensors).map_err(|error| match error {
        Error::Leak { op, knows, mend, .. } => {
            let step = labels.iter().position(|label| *label == op).unwrap_or(0);
            Failure { step, error: leak(program, nodes, step, knows, mend).into() }
        }
        error => Failure { step: program.steps.len(), error },
    })
}

fn label(program: &Program, nodes: &[Node<'_>], step: usize) -> String {
    let node = program.steps.get(step).and_then(|step| step.node).and_then(|node| nodes.get(node));
    node.map_or_else(|| "at the input".into(), Node::label)
}

fn leak(program: &Program, nodes: &[Node<'_>], step: usize, knows: &str, mend: &str) -> OnnxError {
    let node = label(program, nodes, step);
    let mixes = match program.steps.get(step).map(|step| &step.op) {
        Some(Op::Conv { kernel, anchor, .. }) => {
            knows != "the value at its own pixel" && masks::mixes_colours(kernel, *anchor)
        }
        _ => false,
    };
    let (knows, mend) = if mixes {
        ("later colours of its own pixel", "mask its centre tap by colour, in cyclic or contiguous groups of features")
    } else {
        (knows, mend)
    };
    OnnxError::Leak { node, knows: knows.into(), mend: mend.into() }
}

fn network_error(program: &Program, nodes: &[Node<'_>], step: usize, source: NetworkError) -> OnnxError {
    if source == NetworkError::Future {
        return leak(
            program,
            nodes,
            step,
            "rows below its pixel",
            "close the taps below the centre, or pad before the first row alone",
        );
    }
    OnnxError::Node { node: label(program, nodes, step), what: source.to_string() }
}

/// True for each value that a gate splits into halves, by way of sums.
fn halves(program: &Program) -> Vec<bool> {
    let mut halves = vec![false; program.steps.len() + 1];
    for (n, step) in program.steps.iter().enumerate().rev() {
        let splits = match step.op {
            Op::Gate | Op::Glu => true,
            Op::Slice { from } => {
                let whole = step.inputs.first().and_then(|x| program.step(*x)).map_or(0, |x| x.features);
                whole == 2 * step.features && (from == 0 || from == step.features)
            }
            Op::Add | Op::Norm(_) | Op::Scale(_) | Op::ClassBias { .. } | Op::Shift { .. } | Op::Function(_) => {
                halves[n + 1]
            }
            _ => false,
        };
        if splits {
            for input in &step.inputs {
                halves[*input] = true;
            }
        }
    }
    halves
}

/// Applies an op to the builder, for the class and the colours of what it makes.
fn build<F: FnMut(pixelrnn::network::Node)>(
    builder: &mut Builder<F>,
    kind: &OpKind,
    inputs: &[Value],
    dealing: Dealing,
    logits: &Logits,
) -> Result<(), NetworkError> {
    let shape = |kernel: [usize; 2], anchor, dilation, out, mask, parts| ConvShape {
        mask,
        kernel,
        anchor,
        dilation,
        out,
        parts,
    };
    let (name, shape) = match kind {
        OpKind::Conv { name, kernel, out, anchor, dilation, mask, parts } => {
            (name, shape(*kernel, anchor.unwrap_or(Conv::centre(*kernel)), *dilation, *out, *mask, *parts))
        }
        OpKind::MaskedConv { name, mask, kernel, out, dilation, parts } => {
            (name, shape(*kernel, Conv::centre(*kernel), *dilation, *out, Some(*mask), *parts))
        }
        OpKind::Shift { rows, columns } => return builder.shift(*rows, *columns),
        OpKind::Relu {} => return builder.activation(Activation::Relu),
        OpKind::Elu {} => return builder.activation(Activation::Elu),
        OpKind::LeakyRelu { slope } => return builder.activation(Activation::LeakyRelu { slope: *slope }),
        OpKind::Tanh {} => return builder.activation(Activation::Tanh),
        OpKind::Sigmoid {} => return builder.activation(Activation::Sigmoid),
        OpKind::Scale { factor } => return builder.scale(*factor),
        OpKind::BatchNorm { name, eps } => return builder.batch_norm(name, *eps),
        OpKind::Add {} => return builder.add(inputs),
        OpKind::Multiply {} => match inputs {
            [a, b] => return builder.multiply(*a, *b),
            other => return Err(NetworkError::Inputs { got: other.len(), expected: "2" }),
        },
        OpKind::Concat {} => return builder.concat(inputs),
        OpKind::Slice { from, count } => return builder.slice(*from, *count),
        OpKind::Gate {} => return builder.gate(),
        OpKind::Glu {} => return builder.glu(),
        OpKind::Embed { name, out } => return builder.embed(name, *out),
        OpKind::ClassBias { name } => return builder.class_bias(name),
        _ => return builder.ones(),
    };
    match dealing {
        Dealing::Logits => builder.logits(name, shape, logits.output),
        Dealing::Rule { .. } => builder.conv(name, shape),
    }
}

/// Names the values that are not read by the next op alone.
fn link(program: &Program, ops: &mut [OpSpec]) {
    let last_read = |n: usize, inputs: &[usize]| matches!(inputs, [only] if *only == n);
    let mut named = BTreeSet::new();
    for (n, step) in program.steps.iter().enumerate() {
        if !last_read(n, &step.inputs) {
            named.extend(step.inputs.iter().copied());
        }
    }
    let name = |value: usize| if value == 0 { "image".to_string() } else { format!("v{value}") };
    for (n, (op, step)) in ops.iter_mut().zip(&program.steps).enumerate() {
        if !last_read(n, &step.inputs) {
            op.inputs = step.inputs.iter().map(|input| name(*input)).collect();
        }
        op.value = named.contains(&(n + 1)).then(|| name(n + 1));
    }
}

/// What an op's description is made with.
struct Context<'a, 'g> {
    nodes: &'a [Node<'g>],
    names: &'a mut Names,
    tensors: &'a mut BTreeMap<String, Tensor>,
    classes: usize,
}

impl Context<'_, '_> {
    /// Description of a step, whose tensors are stored.
    fn op(&mut self, step: &Step, values: &[Value], dealing: Dealing) -> OpKind {
        let node = step.node.and_then(|node| self.nodes.get(node)).copied();
        match &step.op {
            Op::Conv { kernel, anchor, dilation } => {
                let x = &values[step.inputs[0]];
                self.conv(kernel, masks::masked(kernel, *anchor, x, dealing), *dilation, node)
            }
            Op::Shift { by: [rows, columns] } => OpKind::Shift { rows: *rows, columns: *columns },
            Op::Function(Function::Relu) => OpKind::Relu {},
            Op::Function(Function::Elu) => OpKind::Elu {},
            Op::Function(Function::LeakyRelu(slope)) => OpKind::LeakyRelu { slope: *slope },
            Op::Function(Function::Tanh) => OpKind::Tanh {},
            Op::Function(Function::Sigmoid) => OpKind::Sigmoid {},
            Op::Scale(factor) => OpKind::Scale { factor: *factor },
            Op::Norm(norm) => {
                let name = self.names.unused(&norm.name, node, "affine");
                for (suffix, data) in ["weight", "bias", "running_mean", "running_var"].iter().zip(&norm.tensors) {
                    self.store(&name, suffix, vec![data.len()], data.clone());
                }
                OpKind::BatchNorm { name, eps: norm.eps }
            }
            Op::Add => OpKind::Add {},
            Op::Multiply => OpKind::Multiply {},
            Op::Concat => OpKind::Concat {},
            Op::Slice { from } => OpKind::Slice { from: *from, count: step.features },
            Op::Gate => OpKind::Gate {},
            Op::Glu => OpKind::Glu {},
            Op::Embed { table, name } => {
                let name = self.names.unused(name, node, "embed");
                self.store(&name, "weight", vec![table.len() / step.features.max(1), step.features], table.clone());
                OpKind::Embed { name, out: step.features }
            }
            Op::Ones => OpKind::Ones {},
            Op::ClassBias { table, name } => {
                let name = self.names.unused(name, node, "class");
                self.store(&name, "class.weight", vec![step.features, self.classes], table.clone());
                OpKind::ClassBias { name }
            }
        }
    }

    fn conv(&mut self, kernel: &Kernel, masked: Masked, dilation: usize, node: Option<Node<'_>>) -> OpKind {
        let name = self.names.unused(&kernel.name, node, "conv");
        let [out, inner, _, _] = kernel.shape;
        let Masked { weight, kernel: size, anchor, mask, parts } = masked;
        self.store(&name, "weight", vec![out, inner, size[0], size[1]], weight);
        if let Some(bias) = &kernel.bias {
            self.store(&name, "bias", vec![out], bias.clone());
        }
        let centred = anchor == Conv::centre(size);
        match mask {
            Some(mask) if centred => OpKind::MaskedConv { name, mask, kernel: size, out, dilation, parts },
            mask => {
                OpKind::Conv { name, kernel: size, out, anchor: (!centred).then_some(anchor), dilation, mask, parts }
            }
        }
    }

    fn store(&mut self, name: &str, suffix: &str, shape: Vec<usize>, data: Vec<f32>) {
        self.tensors.insert(format!("{name}.{suffix}"), Tensor { shape, data });
    }
}

/// Names of ops, each used once.
#[derive(Debug, Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// A name of the tensor that the op is made of, else of the node, else of the kind of op.
    fn unused(&mut self, tensor: &str, node: Option<Node<'_>>, kind: &str) -> String {
        let stem = Some(tensor.strip_suffix(".weight").unwrap_or(tensor)).filter(|stem| !stem.is_empty());
        let path = node.map_or("", |node| node.proto.name.as_str()).trim_matches('/');
        let path = path.rsplit_once('/').map(|(path, _)| path.replace('/', "."));
        let base = stem.map(str::to_string).or(path).unwrap_or_else(|| kind.to_string());
        let clean: String =
            base.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
        let clean = if clean.is_empty() { kind.to_string() } else { clean };
        let mut name = clean.get(clean.len().saturating_sub(MAX_NAME)..).unwrap_or(kind).to_string();
        let mut number = 1;
        while !self.0.insert(name.clone()) {
            number += 1;
            let suffix = format!("_{number}");
            let end = clean.len().min(MAX_NAME - suffix.len());
            name = format!("{}{suffix}", clean.get(..end).unwrap_or(kind));
        }
        name
    }
}
