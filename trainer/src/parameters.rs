//! Trainable tensors of a network: names, shapes, initialization, and current values.

use crate::error::Error;
use crate::network::Network;
use pixelrnn::network::{Conv, Node, Op};
use pixelrnn_converter::TrainedModel;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Name and shape of a trainable tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Full name, as in the trained-model file.
    pub name: String,
    /// Shape, in PyTorch's convention.
    pub shape: Vec<usize>,
}

impl Parameter {
    /// Number of elements.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Parameters of each of `nodes`.
pub(crate) fn list(nodes: &[Node], classes: usize) -> Vec<Vec<Parameter>> {
    nodes
        .iter()
        .map(|node| {
            let mut tensors = Vec::new();
            node.tensors(classes, |spec| {
                tensors.push(Parameter { name: spec.name.to_string(), shape: spec.shape.to_vec() });
            });
            tensors
        })
        .collect()
}

/// Values of all parameters of `network`, taken from `model`.
///
/// # Errors
/// Fails if `model` belongs to another network.
pub(crate) fn of(model: &TrainedModel, network: &Network) -> Result<Vec<Vec<f32>>, Error> {
    let numbers = |parameter: &Parameter| {
        let tensor = model.tensors().get(&parameter.name).filter(|tensor| tensor.shape == parameter.shape);
        let missing = || Error::usage(format!("the model to begin with has no `{}` of this shape", parameter.name));
        tensor.map(|tensor| tensor.data.clone()).ok_or_else(missing)
    };
    network.parameters().map(numbers).collect()
}

/// Initial values of all parameters of `nodes`, in node order.
///
/// Weights are uniform with variance 1 / fan-in, where closed taps are zero and do not count. Biases are 0, except 1
/// for forget gates, so that a cell initially keeps its state. Initial states and class biases are 0. Embeddings are
/// uniform with variance 1, since a pixel reads one row.
pub(crate) fn initialize(nodes: &[Node], classes: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let parameters = list(nodes, classes);
    nodes
        .iter()
        .zip(&parameters)
        .flat_map(|(node, of)| of.iter().map(|p| start(node, p, &mut rng)).collect::<Vec<_>>())
        .collect()
}

fn start(node: &Node, parameter: &Parameter, rng: &mut impl Rng) -> Vec<f32> {
    let Parameter { name, shape } = parameter;
    let count = parameter.count();
    let mut values = vec![0.0; count];
    let suffix = name.strip_prefix(node.name.as_str()).unwrap_or(name);
    let convolutions = node.op.convolutions();
    let masked = convolutions.first().map(|(_, conv)| conv);
    if suffix.ends_with("class.weight") {
    } else if matches!(node.op, Op::Embed { .. }) {
        values.fill_with(|| uniform(rng, 3.0_f32.sqrt()));
    } else if suffix.ends_with("state_to_state.weight") {
        let bound = (3.0 / shape[1..].iter().product::<usize>() as f32).sqrt();
        values.fill_with(|| uniform(rng, bound));
    } else if suffix.ends_with("weight")
        && let Some(conv) = masked
    {
        fill_masked(conv, &mut values, rng);
    } else if suffix.ends_with("input_to_state.bias") {
        let h = count / 4;
        values[h..2 * h].fill(1.0);
    }
    values
}

fn fill_masked(conv: &Conv, values: &mut [f32], rng: &mut impl Rng) {
    let (inputs, [kh, kw]) = (conv.inputs.count, conv.kernel);
    for (o, values) in values.chunks_exact_mut(inputs * kh * kw).enumerate() {
        let open = |at: usize| conv.open(at / kw % kh, at % kw, at / (kh * kw), o);
        let read = (0..values.len()).filter(|&at| open(at)).count().max(1);
        let bound = (3.0 / read as f32).sqrt();
        for (at, value) in values.iter_mut().enumerate() {
            if open(at) {
                *value = uniform(rng, bound);
            }
        }
    }
}

/// Uniform in [-`bound`, `bound`).
fn uniform(rng: &mut impl Rng, bound: f32) -> f32 {
    ((rng.next_u32() >> 8) as f32 / (1_u32 << 23) as f32 - 1.0) * bound
}
