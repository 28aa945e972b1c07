//! Training steps and evaluation.

use crate::back_end::BackEnd;
use crate::data::Set;
use crate::error::Error;
use crate::loss;
use crate::network::{Leaves, Network};
use crate::ops::Path;
use crate::optimizer::Optimizer;
use burn::prelude::*;
use burn::tensor::{FloatDType, Int, Transaction};

/// A network during training.
#[derive(Clone, Debug)]
pub(crate) struct Trainer {
    pub network: Network,
    pub back_end: BackEnd,
    /// Values of each parameter.
    pub weights: Vec<Vec<f32>>,
    pub optimizer: Optimizer,
}

/// Minimum evaluation batch on a GPU.
const EVALUATION_BATCH: usize = 50;

/// Nats and gradients of a part of a batch.
#[derive(Default)]
struct Part {
    nats: f64,
    gradients: Vec<Vec<f32>>,
}

fn batch(set: &Set, which: &[usize], network: &Network, device: &Device) -> (Tensor<4>, Option<Tensor<1, Int>>) {
    let image = network.image();
    let (levels, labels) = set.batch(which);
    let shape = [which.len(), image.height, image.width, image.channels];
    let labels = labels.map(|l| {
        let count = l.len();
        Tensor::from_data(TensorData::new(l, [count]), device)
    });
    (Tensor::from_data(TensorData::new(levels, shape), device), labels)
}

/// Elements of a tensor, row-major.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
    of_data(tensor.try_into_data().map_err(|e| failed(&e))?)
}

fn of_data(data: TensorData) -> Result<Vec<f32>, Error> {
    data.convert::<f32>().try_to_vec().map_err(|e| failed(&e))
}

fn failed(e: &dyn std::fmt::Debug) -> Error {
    Error::other(format!("the back end failed: {e:?}"))
}

/// Elements of several tensors in one transfer, as each read from a GPU has a fixed latency.
fn all_numbers(tensors: Vec<Tensor<1>>, path: Path) -> Result<Vec<Vec<f32>>, Error> {
    if path == Path::Stock {
        // Burn reads a remote transaction tensor by tensor, so concatenate them.
        let lengths: Vec<usize> = tensors.iter().map(|tensor| tensor.dims()[0]).collect();
        let tensors = tensors.into_iter().map(|tensor| tensor.cast(FloatDType::F32)).collect();
        let mut all = numbers(Tensor::cat(tensors, 0))?.into_iter();
        return Ok(lengths.into_iter().map(|length| all.by_ref().take(length).collect()).collect());
    }
    let transaction = tensors.into_iter().fold(Transaction::default(), Transaction::register);
    transaction.try_execute().map_err(|e| failed(&e))?.into_iter().map(of_data).collect()
}

impl Trainer {
    /// Trains one step on the images `which` and returns their mean nats.
    ///
    /// # Errors
    /// Fails if a value becomes non-finite. The message names the layer.
    pub(crate) fn step(&mut self, set: &Set, which: &[usize], rate: f64) -> Result<f64, Error> {
        // Each part is a separate autodiff graph processed by one thread. This waits less than parallel operations, and
        // its working set fits a cache.
        let devices = self.back_end.devices();
        let each = which.len().div_ceil(devices.len());
        let work = |device: usize, which: &[usize]| self.part(set, which, &devices[device]);
        let mut parts = self.back_end.in_parts(which, each, work)?.into_iter();
        let Part { mut nats, mut gradients } = parts.next().unwrap_or_default();
        for part in parts {
            nats += part.nats;
            for (sum, part) in gradients.iter_mut().zip(part.gradients) {
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
        let count = which.len() as f32;
        gradients.iter_mut().flatten().for_each(|g| *g /= count);
        let nats = nats / f64::from(count);
        let step = self.optimizer.step;
        if !nats.is_finite() {
            return Err(self.blame(set, which, step));
        }
        self.optimizer.step(&mut self.weights, &gradients, rate).map_err(|at| {
            let name = self.network.parameters().nth(at).map_or("?", |p| p.name.as_str());
            Error::other(format!(
                "the gradient of `{name}` is not finite at step {step}: lower the learning rate or `clip`"
            ))
        })?;
        Ok(nats)
    }

    /// Total nats of the images `which` and their gradients, computed on `device`.
    fn part(&self, set: &Set, which: &[usize], device: &Device) -> Result<Part, Error> {
        let device = device.clone().autodiff();
        let leaves = Leaves::new(&self.network, &self.weights, &device, true);
        let (levels, labels) = batch(set, which, &self.network, &device);
        let logits = self.network.logits(&leaves, levels.clone(), labels, self.back_end.path());
        let nats = loss::nats(self.network.image(), self.network.output(), logits, levels);
        // Gradient of the mean, since sums over many images may overflow 16 bits.
        let count = which.len() as f32;
        let grads = (nats.clone() / count).backward();
        let found: Vec<Option<Tensor<1>>> = leaves.flat().map(|leaf| leaf.grad(&grads)).collect();
        let tensors = found.iter().flatten().cloned().chain([nats.inner()]).collect();
        let mut read = all_numbers(tensors, self.back_end.path())?;
        let missing = || failed(&"numbers are missing");
        let nats = f64::from(*read.pop().ok_or_else(missing)?.first().ok_or_else(missing)?);
        let mut read = read.into_iter();
        let gradients = found.iter().zip(&self.weights).map(|(gradient, w)| match gradient {
            Some(_) => Ok(read.next().ok_or_else(missing)?.iter().map(|g| g * count).collect()),
            None => Ok(vec![0.0; w.len()]),
        });
        let gradients = gradients.collect::<Result<_, Error>>()?;
        Ok(Part { nats, gradients })
    }

    /// Error that names the first layer with a non-finite value.
    fn blame(&self, set: &Set, which: &[usize], step: u64) -> Error {
        let device = self.back_end.first();
        let leaves = Leaves::new(&self.network, &self.weights, device, false);
        let (levels, labels) = batch(set, which, &self.network, device);
        let mut first = None;
        let mut last = "input".to_string();
        self.network.walk(&leaves, levels, labels, self.back_end.path(), |node, value| {
            if !node.name.is_empty() {
                last = node.name.to_string();
            }
            let finite = numbers(value.clone().made()).is_ok_and(|v| v.iter().all(|x| x.is_finite()));
            if first.is_none() && !finite {
                first = Some(format!("{} `{last}`", node.op.kind()));
            }
        });
        let layer = first.unwrap_or_else(|| "the loss".to_string());
        Error::other(format!(
            "{layer} makes a number that is not finite at step {step}: lower the learning rate or `clip`"
        ))
    }

    /// Mean nats of all images of `set` with the averaged weights. A GPU evaluates at least `at_once` images at a time.
    pub(crate) fn evaluate(&self, set: &Set, at_once: usize, progress: impl Fn(usize) + Sync) -> Result<f64, Error> {
        let devices = self.back_end.devices();
        let put = |device: &Device| Leaves::new(&self.network, &self.optimizer.average, device, false);
        let leaves: Vec<Leaves> = devices.iter().map(put).collect();
        let all: Vec<usize> = (0..set.len()).collect();
        // Evaluation needs less memory than training on a batch of the same size.
        let each = EVALUATION_BATCH.max(at_once.div_ceil(devices.len()));
        let nats = |device: usize, which: &[usize]| {
            let (levels, labels) = batch(set, which, &self.network, &devices[device]);
            let logits = self.network.logits(&leaves[device], levels.clone(), labels, self.back_end.path());
            progress(which.len());
            Ok(f64::from(numbers(loss::nats(self.network.image(), self.network.output(), logits, levels))?[0]))
        };
        let sum: f64 = self.back_end.in_parts(&all, each, nats)?.iter().sum();
        Ok(sum / set.len() as f64)
    }

    /// A trainer that starts with `weights`.
    pub(crate) fn new(
        network: Network,
        back_end: BackEnd,
        weights: Vec<Vec<f32>>,
        optimizer: impl FnOnce(&[Vec<f32>]) -> Optimizer,
    ) -> Self {
        let optimizer = optimizer(&weights);
        Self { network, back_end, weights, optimizer }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::optimizer::Rule;
    use crate::parameters;
    use crate::test_nets::{close, networks, set};
    use pixelrnn_converter::{Description, Reference, TrainedModel};

    fn trainer(network: Network, path: Path, weights: &[Vec<f32>]) -> Trainer {
        Trainer::new(network, BackEnd::processor(path), weights.to_vec(), |w| Optimizer::new(Rule::Adam, 0.0, 0.0, w))
    }

    /// Random weights, biases and initial states.
    fn weights(network: &Network) -> Vec<Vec<f32>> {
        let started = parameters::initialize(network.nodes(), network.classes(), 1);
        let noise = |(i, w): (usize, &Vec<f32>)| {
            w.iter().zip(crate::test_nets::numbers(i as u64, w.len())).map(|(w, n)| w + 0.1 * n).collect()
        };
        started.iter().enumerate().map(noise).collect()
    }

    /// Compares nats and gradients on `path` and `device` with stock operations on the CPU.
    fn equals_stock(path: Path, device: &Device) {
        for (name, _, network) in networks() {
            let set = set(&network, 5);
            let weights = weights(&network);
            let part =
                |path, device| trainer(network.clone(), path, &weights).part(&set, &[0, 1, 2, 3, 4], device).unwrap();
            let (got, stock) = (part(path, device), part(Path::Stock, &Device::flex()));
            assert!((got.nats - stock.nats).abs() < 1e-5 * stock.nats, "{name}");
            for (parameter, (got, stock)) in network.parameters().zip(got.gradients.iter().zip(&stock.gradients)) {
                close(got, stock, 1e-4, &(name, &parameter.name));
            }
        }
    }

    #[test]
    fn gradients_are_those_of_stock_operations() {
        equals_stock(Path::Fast, &Device::flex());
    }

    #[test]
    #[cfg(feature = "wgpu")]
    fn gradients_on_a_gpu_are_those_of_stock_operations() {
        equals_stock(Path::Gpu, BackEnd::gpu().first());
    }

    /// The network in the float reference, with simple loops and double precision.
    fn reference(description: &Description, network: &Network, weights: &[Vec<f32>]) -> Reference {
        let tensor = |(p, w): (&parameters::Parameter, &Vec<f32>)| {
            (p.name.clone(), pixelrnn_converter::Tensor { shape: p.shape.clone(), data: w.clone() })
        };
        let tensors = network.parameters().zip(weights).map(tensor).collect();
        Reference::new(&TrainedModel::new(description.clone(), tensors).unwrap())
    }

    /// Image `n` in the reference's layout, `[C, H, W]`, with its class.
    fn image(network: &Network, set: &Set, n: usize) -> (Vec<u8>, Option<usize>) {
        let image = network.image();
        let (levels, label) = set.batch(&[n]);
        let at = |c: usize, p: usize| levels[p * image.channels + c] as u8;
        let pixels = image.height * image.width;
        let planar = (0..image.channels).flat_map(|c| (0..pixels).map(move |p| at(c, p))).collect();
        (planar, label.map(|l| l[0] as usize))
    }

    #[test]
    fn logits_are_those_of_the_reference() {
        for (name, description, network) in networks() {
            let set = set(&network, 3);
            let weights = weights(&network);
            let reference = reference(&description, &network, &weights);
            for path in [Path::Fast, Path::Stock] {
                let trainer = trainer(network.clone(), path, &weights);
                let leaves = Leaves::new(&network, &trainer.weights, trainer.back_end.first(), false);
                for n in 0..3 {
                    let (levels, labels) = batch(&set, &[n], &network, trainer.back_end.first());
                    let logits = network.logits(&leaves, levels, labels, path).permute([0, 3, 1, 2]);
                    let (image, label) = image(&network, &set, n);
                    let expected: Vec<f32> =
                        reference.logits(&image, label).unwrap().data.iter().map(|&x| x as f32).collect();
                    close(&numbers(logits).unwrap(), &expected, 1e-4, &(name, path));
                }
            }
        }
    }

    #[test]
    fn gradients_are_finite_differences_of_the_reference() {
        for (name, description, network) in networks() {
            let set = set(&network, 2);
            let mut weights = weights(&network);
            let gradients =
                trainer(network.clone(), Path::Fast, &weights).part(&set, &[0, 1], &Device::flex()).unwrap().gradients;
            let images = [0, 1].map(|n| image(&network, &set, n));
            for (n, parameter) in network.parameters().enumerate() {
                let length = gradients[n].iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
                // In an image with one row, the right direction only contributes to rows outside the image.
                let unused = name.ends_with("one row") && parameter.name.contains("right");
                assert!((length > 1e-3) != unused, "{name}: gradient {length} for {}", parameter.name);
                if unused {
                    continue;
                }
                let old = weights[n].clone();
                let mut moved = |by: f64| {
                    for ((w, old), g) in weights[n].iter_mut().zip(&old).zip(&gradients[n]) {
                        *w = (f64::from(*old) + by * f64::from(*g) / length) as f32;
                    }
                    let reference = reference(&description, &network, &weights);
                    let nats: f64 = images.iter().map(|(i, l)| reference.nats(i, *l).unwrap()).sum();
                    (nats, weights[n].clone())
                };
                // Step size small enough that hardly any ReLU changes sides. Double precision in the reference permits
                // it.
                let (above, to) = moved(2e-5);
                let (below, from) = moved(-2e-5);
                let expected: f64 = to
                    .iter()
                    .zip(&from)
                    .zip(&gradients[n])
                    .map(|((to, from), g)| (f64::from(*to) - f64::from(*from)) * f64::from(*g))
                    .sum();
                let error = (above - below - expected).abs();
                assert!(error < 2e-3 * expected, "{name}: {} {} {expected}", parameter.name, above - below);
                weights[n] = old;
            }
        }
    }
}
