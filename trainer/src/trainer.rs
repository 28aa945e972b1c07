//! Training steps, and measuring what they achieved.

use crate::data::Set;
use crate::error::Error;
use crate::loss;
use crate::network::{Leaves, Network};
use crate::ops::Path;
use crate::optimizer::Optimizer;
use crate::parameters;
use burn::prelude::*;
use burn::tensor::Int;

/// Where a network is computed.
#[derive(Clone, Debug)]
pub struct BackEnd {
    /// The device.
    pub device: Device,
    /// Which operations run there.
    pub path: Path,
}

impl BackEnd {
    /// The processor, with hand-written operations.
    #[cfg(feature = "flex")]
    pub fn cpu() -> Self {
        Self { device: Device::flex(), path: Path::Fast }
    }
}

/// A network while it is trained.
#[derive(Clone, Debug)]
pub(crate) struct Trainer {
    pub network: Network,
    pub back_end: BackEnd,
    /// The numbers of each tensor.
    pub weights: Vec<Vec<f32>>,
    pub optimizer: Optimizer,
}

/// Images evaluated at once.
const EVALUATION_BATCH: usize = 50;

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

fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
    tensor.into_data().convert::<f32>().try_to_vec().map_err(|e| Error::other(format!("the back end failed: {e:?}")))
}

impl Trainer {
    /// One step on the images numbered `which`; gives back their mean nats.
    ///
    /// # Errors
    /// When a number is not finite any more; the sentence names the layer.
    pub(crate) fn step(&mut self, set: &Set, which: &[usize], rate: f64) -> Result<f64, Error> {
        let device = self.back_end.device.clone().autodiff();
        let leaves = Leaves::new(&self.network, &self.weights, &device, true);
        let (levels, labels) = batch(set, which, &self.network, &device);
        let logits = self.network.logits(&leaves, levels.clone(), labels, self.back_end.path);
        let nats = loss::nats(self.network.image(), self.network.output(), logits, levels) / which.len() as f32;
        let grads = nats.clone().backward();
        let nats = f64::from(numbers(nats)?[0]);
        let gradients = leaves
            .flat()
            .zip(&self.weights)
            .map(|(leaf, w)| leaf.grad(&grads).map_or_else(|| Ok(vec![0.0; w.len()]), numbers))
            .collect::<Result<Vec<_>, _>>()?;
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

    /// Says which layer first makes a number that is not finite.
    fn blame(&self, set: &Set, which: &[usize], step: u64) -> Error {
        let device = &self.back_end.device;
        let leaves = Leaves::new(&self.network, &self.weights, device, false);
        let (levels, labels) = batch(set, which, &self.network, device);
        let mut first = None;
        let mut last = "input".to_string();
        self.network.walk(&leaves, levels, labels, self.back_end.path, |node, value| {
            if !node.name.is_empty() {
                last = node.name.to_string();
            }
            let finite = numbers(value.clone()).is_ok_and(|v| v.iter().all(|x| x.is_finite()));
            if first.is_none() && !finite {
                first = Some(format!("{} `{last}`", node.op.kind()));
            }
        });
        let layer = first.unwrap_or_else(|| "the loss".to_string());
        Error::other(format!(
            "{layer} makes a number that is not finite at step {step}: lower the learning rate or `clip`"
        ))
    }

    /// Mean nats of all images of `set` under the averaged weights.
    pub(crate) fn evaluate(&self, set: &Set, mut progress: impl FnMut(usize)) -> Result<f64, Error> {
        let device = &self.back_end.device;
        let leaves = Leaves::new(&self.network, &self.optimizer.average, device, false);
        let all: Vec<usize> = (0..set.len()).collect();
        let mut sum = 0.0;
        for which in all.chunks(EVALUATION_BATCH) {
            let (levels, labels) = batch(set, which, &self.network, device);
            let logits = self.network.logits(&leaves, levels.clone(), labels, self.back_end.path);
            sum += f64::from(numbers(loss::nats(self.network.image(), self.network.output(), logits, levels))?[0]);
            progress(which.len());
        }
        Ok(sum / set.len() as f64)
    }

    /// A trainer with random weights.
    pub(crate) fn new(
        network: Network,
        back_end: BackEnd,
        seed: u64,
        optimizer: impl FnOnce(&[Vec<f32>]) -> Optimizer,
    ) -> Self {
        let weights = parameters::initialize(network.nodes(), network.classes(), seed);
        let optimizer = optimizer(&weights);
        Self { network, back_end, weights, optimizer }
    }
}
