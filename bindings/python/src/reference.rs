//! Class `Reference`: a trained model, run in floating point.

use crate::arrays::{Labels, images, tensors};
use crate::error::raise;
use crate::image::Image;
use crate::model;
use crate::source::{any_model, path};
use crate::work::run;
use numpy::PyArrayDyn;
use pixelrnn_converter::run::{Score, Scorer};
use pixelrnn_converter::trained::METADATA_KEY;
use pixelrnn_converter::{Error, ImageSet, TrainedModel, files};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use safetensors::tensor::TensorView;
use std::collections::HashMap;

/// A trained model (`.safetensors`) in floating point: slow, and what a blob is measured by.
///
/// `Reference(source)` reads a path or bytes.
#[pyclass(module = "pixelrnn", frozen)]
#[derive(Debug)]
pub(crate) struct Reference {
    trained: TrainedModel,
    reference: pixelrnn_converter::Reference,
}

impl Reference {
    pub(crate) const fn trained(&self) -> &TrainedModel {
        &self.trained
    }

    fn new(trained: TrainedModel) -> Self {
        Self { reference: pixelrnn_converter::Reference::new(&trained), trained }
    }

    fn scores(
        &self,
        object: &Bound<'_, PyAny>,
        labels: Option<&Bound<'_, PyAny>>,
        levels_in: Option<usize>,
        logits: bool,
    ) -> PyResult<(ImageSet, Vec<Score>)> {
        let (py, classes) = (object.py(), self.trained.description().classes);
        let resize = |[height, width]: [usize; 2]| self.reference.with_size(height, width).map(drop);
        let set = images(object, self.reference.image(), levels_in, Some(&resize))?.warn(py)?;
        let labels = Labels::each(labels, set.count, classes)?;
        let resized = self.reference.with_size(set.height, set.width).map_err(raise)?;
        run(py, |watch| {
            let scores = Scorer::Reference(&resized).score_all(&set, labels.as_deref(), logits, watch)?;
            Ok((set, scores))
        })
    }
}

#[pymethods]
impl Reference {
    #[new]
    #[pyo3(signature = (source, /))]
    fn of(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self::new(any_model(source)?.into_trained().map_err(raise)?))
    }

    /// A model of a description, as a dict or as JSON, and its tensors by name: a state dict, of arrays or of tensors of `PyTorch`.
    #[staticmethod]
    fn from_tensors(description: &Bound<'_, PyAny>, tensors: &Bound<'_, PyAny>) -> PyResult<Self> {
        let json: String = if description.is_instance_of::<PyString>() {
            description.extract()?
        } else {
            description.py().import("json")?.call_method1("dumps", (description,))?.extract()?
        };
        let tensors = self::tensors(tensors)?;
        let unsound = |e: safetensors::SafeTensorError| raise(Error::Safetensors(e.to_string()));
        let views = tensors.iter().map(|(name, (dtype, shape, data))| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), data).map_err(unsound)?))
        });
        let views = views.collect::<PyResult<Vec<_>>>()?;
        let metadata = HashMap::from([(METADATA_KEY.to_string(), json)]);
        // Through the file format: what a file may hold besides weights, such as masks, is the same here.
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(unsound)?;
        Ok(Self::new(TrainedModel::from_bytes(&bytes).map_err(raise)?))
    }

    /// Dimensions of the images.
    #[getter]
    fn image(&self) -> Image {
        (*self.reference.image()).into()
    }

    /// Number of classes; 0 for a model that takes no labels.
    #[getter]
    fn classes(&self) -> usize {
        self.trained.description().classes
    }

    /// Description of the network as JSON.
    #[getter]
    fn description(&self) -> String {
        self.trained.description().to_json()
    }

    /// Negative log-likelihood of each image, in nats: float64 `[N]`.
    #[pyo3(signature = (images, labels = None, *, levels_in = None))]
    fn score<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        labels: Option<&Bound<'py, PyAny>>,
        levels_in: Option<usize>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
        let (_, scores) = self.scores(images, labels, levels_in, false)?;
        model::nats(py, &scores)
    }

    /// Logits of each value, in nats: float32 `[N, C, L or 1, H, W]`.
    #[pyo3(signature = (images, labels = None, *, levels_in = None))]
    fn logits<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        labels: Option<&Bound<'py, PyAny>>,
        levels_in: Option<usize>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let (set, scores) = self.scores(images, labels, levels_in, true)?;
        model::logits(py, &set, scores, Scorer::Reference(&self.reference).logits_per_channel())
    }

    /// Writes the model to a `.safetensors` file.
    fn save(&self, path: &Bound<'_, PyAny>) -> PyResult<()> {
        let (path, bytes) = (self::path(path)?, self.trained.to_bytes().map_err(raise)?);
        files::write_atomically(&path, |out| out.write_all(&bytes)).map_err(raise)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.trained.to_bytes().map_err(raise)?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().into_any(), (slf.get().__bytes__(slf.py())?,)))
    }

    fn __repr__(&self) -> String {
        let pixelrnn::network::Image { height, width, channels, levels } = *self.reference.image();
        let weights: usize = self.trained.all_tensors().iter().map(|(_, tensor)| tensor.data.len()).sum();
        let classes = self.classes();
        format!(
            "<pixelrnn.Reference of images {channels}x{height}x{width}, {levels} levels, {classes} classes: {weights} weights>"
        )
    }
}
