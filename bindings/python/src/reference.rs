//! Class `Reference`: a trained model, run in floating point.

use crate::arrays::{Labels, images, tensors};
use crate::error::{in_python, raise, refuse};
use crate::image::Image;
use crate::model;
use crate::source::{description, path, trained};
use crate::work::run;
use numpy::PyArrayDyn;
use pixelrnn_converter::import::{self, Imported, Options, onnx};
use pixelrnn_converter::run::{Score, Scorer};
use pixelrnn_converter::{Error, ImageSet, TrainedModel, files};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use safetensors::tensor::TensorView;

/// A trained model (`.safetensors`) in floating point: slow, and what a blob is measured by.
///
/// `Reference(source)` reads a path or bytes: a trained model, an ONNX graph, or a checkpoint with its description.
#[pyclass(module = "pixelrnn", frozen)]
#[derive(Debug)]
pub(crate) struct Reference {
    trained: TrainedModel,
    network: pixelrnn_converter::Reference,
    notes: Vec<String>,
}

impl Reference {
    pub(crate) const fn trained(&self) -> &TrainedModel {
        &self.trained
    }

    fn imported(Imported { model, notes }: Imported) -> Self {
        let notes = notes.iter().map(|note| in_python(note)).collect();
        Self { network: pixelrnn_converter::Reference::new(&model), trained: model, notes }
    }

    fn scores(
        &self,
        object: &Bound<'_, PyAny>,
        labels: Option<&Bound<'_, PyAny>>,
        levels_in: Option<usize>,
        logits: bool,
    ) -> PyResult<(ImageSet, Vec<Score>)> {
        let (py, classes) = (object.py(), self.trained.description().classes);
        let resize = |[height, width]: [usize; 2]| self.network.with_size(height, width).map(drop);
        let set = images(object, self.network.image(), levels_in, Some(&resize))?.warn(py)?;
        let labels = Labels::each(labels, set.count, classes)?;
        let resized = self.network.with_size(set.height, set.width).map_err(raise)?;
        run(py, |watch| {
            let scores = Scorer::Reference(&resized).score_all(&set, labels.as_deref(), logits, watch)?;
            Ok((set, scores))
        })
    }
}

/// Values that a graph reads.
fn input_range(reads: Option<&str>) -> PyResult<Option<onnx::InputRange>> {
    match reads {
        None => Ok(None),
        Some("levels") => Ok(Some(onnx::InputRange::Levels)),
        Some("unit") => Ok(Some(onnx::InputRange::Unit)),
        Some(other) => refuse(format!("reads: {other:?}, expected \"levels\" or \"unit\"")),
    }
}

/// Order of a graph's logits.
fn logit_order(order: Option<&str>) -> PyResult<Option<onnx::LogitOrder>> {
    match order {
        None => Ok(None),
        Some("channel-major") => Ok(Some(onnx::LogitOrder::ChannelMajor)),
        Some("level-major") => Ok(Some(onnx::LogitOrder::LevelMajor)),
        Some(other) => refuse(format!("logit_order: {other:?}, expected \"channel-major\" or \"level-major\"")),
    }
}

#[pymethods]
impl Reference {
    #[new]
    #[pyo3(signature = (source, /, *, describe = None, key = None, drop = Vec::new(), image = None, levels = None,
                        reads = None, logit_order = None))]
    #[allow(clippy::too_many_arguments)]
    fn of(
        source: &Bound<'_, PyAny>,
        describe: Option<&Bound<'_, PyAny>>,
        key: Option<String>,
        drop: Vec<String>,
        image: Option<(usize, usize)>,
        levels: Option<usize>,
        reads: Option<&str>,
        logit_order: Option<&str>,
    ) -> PyResult<Self> {
        let description = describe.map(description).transpose()?;
        let image = image.map(|(height, width)| [height, width]);
        let onnx = onnx::Options { image, levels, input: input_range(reads)?, logits: self::logit_order(logit_order)? };
        let options = Options { description, key, drop, onnx };
        Ok(Self::imported(trained(source, options)?))
    }

    /// A model of a description, as a dict or as JSON, and its tensors by name: a state dict, of arrays or of tensors of `PyTorch`.
    #[staticmethod]
    fn from_tensors(description: &Bound<'_, PyAny>, tensors: &Bound<'_, PyAny>) -> PyResult<Self> {
        let description = self::description(description)?;
        let tensors = self::tensors(tensors)?;
        let unsound = |e: safetensors::SafeTensorError| raise(Error::Safetensors(e.to_string()));
        let views = tensors.iter().map(|(name, (dtype, shape, data))| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), data).map_err(unsound)?))
        });
        let views = views.collect::<PyResult<Vec<_>>>()?;
        // By way of a file: what may stand there besides weights, such as masks, may stand here.
        let bytes = safetensors::serialize(views, None).map_err(unsound)?;
        let options = Options { description: Some(description), ..Options::default() };
        Ok(Self::imported(import::from_bytes(bytes, None, options).map_err(raise)?))
    }

    /// Sentences about what was taken for granted when the model was read from a file of another program.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// Dimensions of the images.
    #[getter]
    fn image(&self) -> Image {
        (*self.network.image()).into()
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
        model::logits(py, &set, scores, Scorer::Reference(&self.network).logits_per_channel())
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
        let pixelrnn::network::Image { height, width, channels, levels } = *self.network.image();
        let weights: usize = self.trained.all_tensors().iter().map(|(_, tensor)| tensor.data.len()).sum();
        let classes = self.classes();
        format!(
            "<pixelrnn.Reference of images {channels}x{height}x{width}, {levels} levels, {classes} classes: {weights} weights>"
        )
    }
}
