//! Comparison of a trained model with its blob on a set of images: likelihoods, logits, layers and kernels.

use super::{LayerError, Layers};
use crate::agreement::{self, Agreement};
use crate::error::Error;
use crate::images::{ImageSet, Label};
use crate::progress::Progress;
use crate::reference::Reference;
use crate::run::Scorer;
use crate::trained::TrainedModel;
use pixelrnn::Model;
use pixelrnn::network::Output;
use rayon::prelude::*;

/// Result of [`verify`].
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// Number of images.
    pub images: usize,
    /// Mean nats an image by the float reference, probabilities floored at 2⁻²⁴ as in a blob.
    pub float_nats: f64,
    /// Mean nats an image by the blob.
    pub quantized_nats: f64,
    /// Mean absolute difference between the two, an image.
    pub apart: f64,
    /// Largest absolute difference of an image.
    pub worst_image: f64,
    /// Largest difference of a logit in nats, beyond certainty left out.
    pub worst_logit: f64,
    /// Number of values with a probability of 2⁻²⁴ or less by the reference.
    pub at_floor: usize,
    /// Kernels of this machine, each compared with the portable one.
    pub kernels: Vec<Agreement>,
    /// Errors of the blob's ops.
    pub layers: Vec<LayerError>,
}

impl Verified {
    /// Fails if kernels disagree or an op's values are not finite.
    ///
    /// # Errors
    /// [`Error::KernelsDiffer`] and [`Error::LayerNotFinite`].
    pub fn verdict(&self) -> Result<(), Error> {
        if let Some(kernel) = self.kernels.iter().find(|k| k.equal < k.images) {
            return Err(Error::KernelsDiffer { kernel: kernel.kernel });
        }
        match self.layers.iter().find(|layer| !layer.is_finite()) {
            Some(layer) => Err(Error::LayerNotFinite { op: layer.name.clone() }),
            None => Ok(()),
        }
    }
}

/// Compares `trained` with the blob of `layers`, which was made from it, on the images of a set that fits it; layers and kernels
/// on `layer_images` of them, evenly spaced. `progress` is called once per image.
///
/// # Errors
/// When images or labels do not fit the model.
pub fn verify(
    trained: &TrainedModel,
    mut layers: Layers<'_>,
    set: &ImageSet,
    labels: Option<&[Label]>,
    layer_images: usize,
    progress: impl Progress,
) -> Result<Verified, Error> {
    if set.count == 0 {
        return Err(Error::NoImages);
    }
    let label = |n: usize| labels.and_then(|labels| labels.get(n)).map(|label| usize::from(*label));
    let (model, reference) = (layers.model(), Reference::new(trained));
    let each = (0..set.count).into_par_iter().map(|n| {
        progress.check()?;
        let both = Both::of(&reference, model, set.image(n), label(n))?;
        progress.done();
        Ok(both)
    });
    let each = each.collect::<Result<Vec<_>, Error>>()?;
    let step = (set.count / layer_images.clamp(1, set.count)).max(1);
    let mut some = Vec::new();
    for n in (0..set.count).step_by(step) {
        progress.check()?;
        layers.add(set.image(n), label(n))?;
        some.push((set.image(n), label(n)));
    }
    let kernels = agreement::of_kernels(model, &some)?;
    let mean = |of: fn(&Both) -> f64| each.iter().map(of).sum::<f64>() / set.count as f64;
    Ok(Verified {
        images: set.count,
        float_nats: mean(|both| both.float),
        quantized_nats: mean(|both| both.quantized),
        apart: mean(Both::apart),
        worst_image: each.iter().map(Both::apart).fold(0.0, f64::max),
        worst_logit: each.iter().map(|both| both.worst_logit).fold(0.0, f64::max),
        at_floor: each.iter().map(|both| both.at_floor).sum(),
        kernels,
        layers: layers.errors,
    })
}

/// Results for one image by reference and engine.
struct Both {
    float: f64,
    quantized: f64,
    worst_logit: f64,
    at_floor: usize,
}

impl Both {
    fn of(reference: &Reference, model: Model<'_>, image: &[u8], label: Option<usize>) -> Result<Self, Error> {
        let float = Scorer::Reference(reference).score(image, label, true)?;
        let quantized = Scorer::Engine(model).score(image, label, true)?;
        Ok(Self {
            float: float.floored,
            quantized: quantized.nats,
            worst_logit: worst_logit(&float.logits, &quantized.logits, model),
            at_floor: float.at_floor,
        })
    }

    /// Absolute difference in nats.
    fn apart(&self) -> f64 {
        (self.float - self.quantized).abs()
    }
}

/// Magnitude in nats at which logits are clamped: beyond it, a blob is as certain as it can be.
const SURE: f64 = 17.0;

/// Largest relevant difference between logits `[C, L or 1, H, W]`, each clamped at [`SURE`]. Softmax logits are taken
/// relative to the largest.
fn worst_logit(float: &[f32], blob: &[f32], model: Model<'_>) -> f64 {
    let image = model.image();
    let (each, pixels) = (model.output().logits_per_channel(image.levels), image.height * image.width);
    let mut worst = 0f64;
    for (float, blob) in float.chunks_exact(each * pixels).zip(blob.chunks_exact(each * pixels)) {
        for pixel in 0..pixels {
            let of = |logits: &[f32], level: usize| f64::from(logits[level * pixels + pixel]);
            let top = |logits: &[f32]| match model.output() {
                Output::Bernoulli => 0.0,
                Output::Softmax => (0..each).map(|level| of(logits, level)).fold(f64::NEG_INFINITY, f64::max),
            };
            let (float_top, blob_top) = (top(float), top(blob));
            for level in 0..each {
                let float = (of(float, level) - float_top).clamp(-SURE, SURE);
                worst = worst.max((float - (of(blob, level) - blob_top).clamp(-SURE, SURE)).abs());
            }
        }
    }
    worst
}
