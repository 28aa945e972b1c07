//! Function `verify`: a trained model against its blob.

use crate::arrays::{Labels, images};
use crate::error::{raise, refuse};
use crate::source::any_model;
use crate::work::run;
use pixelrnn_converter::verify::Layers;
use pyo3::prelude::*;

/// Agreement of a kernel of this machine with the portable one.
#[pyclass(module = "pixelrnn", frozen, get_all)]
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// Name of the kernel.
    name: &'static str,
    /// Number of images compared.
    images: usize,
    /// Number of images with the same likelihood.
    equal: usize,
}

#[pymethods]
impl Kernel {
    fn __repr__(&self) -> String {
        format!("<pixelrnn.Kernel {}: equal on {} of {} images>", self.name, self.equal, self.images)
    }
}

/// Error of an op of a blob against the float reference.
#[pyclass(module = "pixelrnn", frozen, get_all)]
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// Name of the op.
    name: String,
    /// Root mean square of the error, as a share of that of the exact values. None for an op that completes no value.
    relative_error: Option<f64>,
    /// Largest error.
    worst: Option<f64>,
    /// Share of values at an end of their range.
    saturated: Option<f64>,
}

#[pymethods]
impl Layer {
    fn __repr__(&self) -> String {
        match self.relative_error {
            Some(relative) => format!("<pixelrnn.Layer {}: {:.3} % relative error>", self.name, 100.0 * relative),
            None => format!("<pixelrnn.Layer {}>", self.name),
        }
    }
}

/// Comparison of a trained model with its blob.
#[pyclass(module = "pixelrnn", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct Verified {
    /// Number of images.
    images: usize,
    /// Mean nats an image by the float reference, probabilities floored at 2^-24 as in a blob.
    float_nats: f64,
    /// Mean nats an image by the blob.
    quantized_nats: f64,
    /// Mean absolute difference between the two, image by image.
    mean_absolute_difference: f64,
    /// Largest absolute difference of an image.
    worst_image: f64,
    /// Largest difference of a logit in nats.
    worst_logit: f64,
    /// Number of values with a probability of 2^-24 or less by the reference.
    values_at_floor: usize,
    /// Kernels of this machine.
    kernels: Vec<Py<Kernel>>,
    /// Ops of the blob.
    layers: Vec<Py<Layer>>,
}

#[pymethods]
impl Verified {
    fn __repr__(&self) -> String {
        format!(
            "<pixelrnn.Verified on {} images: float {:.4} nats an image, blob {:.4}>",
            self.images, self.float_nats, self.quantized_nats
        )
    }
}

/// Compares a trained model with the blob made from it.
#[pyfunction]
#[pyo3(signature = (trained, model, images, labels = None, *, count = None, layer_images = 32, levels_in = None))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn verify(
    py: Python<'_>,
    trained: &Bound<'_, PyAny>,
    model: &Bound<'_, PyAny>,
    images: &Bound<'_, PyAny>,
    labels: Option<&Bound<'_, PyAny>>,
    count: Option<usize>,
    layer_images: usize,
    levels_in: Option<usize>,
) -> PyResult<Verified> {
    if count == Some(0) || layer_images == 0 {
        return refuse("count and layer_images: expected at least 1");
    }
    let trained = any_model(trained)?.into_trained().map_err(raise)?;
    let blob = any_model(model)?.into_blob().map_err(raise)?;
    let layers = Layers::new(&trained, blob.model().map_err(raise)?).map_err(raise)?;
    let description = trained.description();
    let set = self::images(images, &description.image, levels_in, None)?.warn(py)?;
    let labels = Labels::each(labels, set.count, description.classes)?;
    let set = match count {
        Some(count) => set.truncated(count),
        None => set,
    };
    let done = run(py, |watch| {
        let labels = labels.as_deref();
        let done = pixelrnn_converter::verify::verify(&trained, layers, &set, labels, layer_images, watch)?;
        done.verdict()?;
        Ok(done)
    })?;
    let kernels = done.kernels.iter().map(|k| Py::new(py, Kernel { name: k.kernel, images: k.images, equal: k.equal }));
    let layers = done.layers.iter().map(|layer| {
        let measured = |number: f64| layer.is_measured().then_some(number);
        let (relative_error, worst) = (measured(layer.relative()), measured(layer.worst));
        let saturated = measured(layer.saturation());
        Py::new(py, Layer { name: layer.name.clone(), relative_error, worst, saturated })
    });
    Ok(Verified {
        images: done.images,
        float_nats: done.float_nats,
        quantized_nats: done.quantized_nats,
        mean_absolute_difference: done.apart,
        worst_image: done.worst_image,
        worst_logit: done.worst_logit,
        values_at_floor: done.at_floor,
        kernels: kernels.collect::<PyResult<_>>()?,
        layers: layers.collect::<PyResult<_>>()?,
    })
}
