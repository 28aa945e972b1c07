//! Class `Model`: a blob, run by the engine.

use crate::arrays::{Images, Labels, array, array_of, images, mask, warn};
use crate::error::{raise, refuse};
use crate::image::Image;
use crate::source::{any_model, bytes, path};
use crate::work::run;
use numpy::PyArrayDyn;
use pixelrnn::Temperature;
use pixelrnn::blob::NumberFormat;
use pixelrnn_converter::complete::{Completion, complete, complete_known};
use pixelrnn_converter::images::{Label, Notice};
use pixelrnn_converter::run::{self, Score, Scorer, with_size};
use pixelrnn_converter::{Blob, BuiltIn, Error, ImageSet, compress, files};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A model of images in a blob (`.prnn`), run by the engine that microcontrollers run, with the same results everywhere.
///
/// `Model(source)` reads a path or bytes. Images are arrays of uint8 `[N, C, H, W]` of levels, or a path that the command
/// line reads.
#[pyclass(module = "pixelrnn", frozen)]
#[derive(Debug)]
pub(crate) struct Model {
    blob: Blob,
}

impl Model {
    pub(crate) const fn new(blob: Blob) -> Self {
        Self { blob }
    }

    pub(crate) const fn blob(&self) -> &Blob {
        &self.blob
    }

    /// The checked blob.
    pub(crate) fn model(&self) -> PyResult<pixelrnn::Model<'_>> {
        self.blob.model().map_err(raise)
    }

    /// Reads images of any size that the model takes.
    fn images(&self, object: &Bound<'_, PyAny>, levels_in: Option<usize>) -> PyResult<Images> {
        let model = self.model()?;
        let resize = |size| with_size(model, size).map(drop);
        images(object, &model.image(), levels_in, Some(&resize))
    }

    fn scores(
        &self,
        object: &Bound<'_, PyAny>,
        labels: Option<&Bound<'_, PyAny>>,
        levels_in: Option<usize>,
        logits: bool,
    ) -> PyResult<(ImageSet, Vec<Score>)> {
        let (py, model) = (object.py(), self.model()?);
        let set = self.images(object, levels_in)?.warn(py)?;
        let labels = Labels::each(labels, set.count, model.classes())?;
        let model = with_size(model, [set.height, set.width]).map_err(raise)?;
        run(py, |watch| {
            let scores = Scorer::Engine(model).score_all(&set, labels.as_deref(), logits, watch)?;
            Ok((set, scores))
        })
    }
}

/// A temperature in thousandths, as the command line rounds it.
fn temperature(of: f64) -> PyResult<Temperature> {
    let milli = (of * 1000.0).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let milli = if (0.0..=1e9).contains(&milli) { milli as u32 } else { 0 };
    match Temperature::from_milli(milli) {
        Some(temperature) => Ok(temperature),
        None if of == 0.0 => {
            refuse("temperature: 0, expected a number from 0.01 to 100; `argmax=True` takes the likeliest values")
        }
        None => refuse(format!("temperature: {of}, expected a number from 0.01 to 100")),
    }
}

/// Values of a score in an array.
pub(crate) fn nats<'py>(py: Python<'py>, scores: &[Score]) -> PyResult<Bound<'py, PyArrayDyn<f64>>> {
    array(py, scores.iter().map(|score| score.nats).collect(), &[scores.len()])
}

/// Logits in an array `[N, C, L or 1, H, W]`.
pub(crate) fn logits<'py>(
    py: Python<'py>,
    set: &ImageSet,
    scores: Vec<Score>,
    each: usize,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let mut data = Vec::with_capacity(set.data.len() * each);
    for score in scores {
        data.extend(score.logits);
    }
    array(py, data, &[set.count, set.channels, each, set.height, set.width])
}

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (source, /))]
    fn of(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { blob: any_model(source)?.into_blob().map_err(raise)? })
    }

    /// The built-in model of handwritten digits, of 28 rows and columns and two levels; with `classes=True` the one that takes
    /// the digits as labels.
    #[staticmethod]
    #[pyo3(signature = (classes = false))]
    fn digits(classes: bool) -> Self {
        Self { blob: BuiltIn::for_labels(classes).blob() }
    }

    /// Dimensions of the images.
    #[getter]
    fn image(&self) -> PyResult<Image> {
        Ok(self.model()?.image().into())
    }

    /// Number of classes; 0 for a model that takes no labels.
    #[getter]
    fn classes(&self) -> PyResult<usize> {
        Ok(self.model()?.classes())
    }

    /// Name of the model in compressed files, 16 hexadecimal digits: the same for all layouts of its weights.
    #[getter]
    fn identity(&self) -> PyResult<String> {
        Ok(format!("{:016x}", self.model()?.identity()))
    }

    /// Type of the weights, and of the activations where they are wider: "i8", "i8a16", "f16" or "f32".
    #[getter]
    fn weights(&self) -> PyResult<&'static str> {
        Ok(match self.model()?.weights() {
            NumberFormat::I8 => "i8",
            NumberFormat::I8A16 => "i8a16",
            NumberFormat::F16 => "f16",
            NumberFormat::F32 => "f32",
        })
    }

    /// Size of the blob in bytes, which a microcontroller keeps in flash.
    #[getter]
    fn flash_bytes(&self) -> usize {
        self.blob.bytes().len()
    }

    /// Memory that the engine needs on a microcontroller, in bytes.
    #[getter]
    fn ram_bytes(&self) -> PyResult<u32> {
        Ok(self.model()?.header().state_bytes)
    }

    /// Draws `n` images. Image i, from 0, has the seed `seed + i`, whatever the number.
    #[pyo3(signature = (n = None, *, seed = 0, temperature = 1.0, labels = None, size = None, argmax = false))]
    #[allow(clippy::too_many_arguments)]
    fn sample<'py>(
        &self,
        py: Python<'py>,
        n: Option<usize>,
        seed: u64,
        temperature: f64,
        labels: Option<&Bound<'py, PyAny>>,
        size: Option<(usize, usize)>,
        argmax: bool,
    ) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        let temperature = self::temperature(temperature)?;
        let model = self.model()?;
        let model = size.map_or(Ok(model), |(height, width)| with_size(model, [height, width])).map_err(raise)?;
        let labels = labels.map(Labels::of).transpose()?;
        let n = match (&labels, n) {
            (Some(Labels::Each(labels)), None) => labels.len(),
            (_, n) => n.unwrap_or(1),
        };
        let classes = model.classes();
        let labels = match labels {
            Some(Labels::Each(labels)) => {
                pixelrnn_converter::images::check_labels(&labels, n, classes).map_err(raise)?;
                Some(Labels::Each(labels))
            }
            Some(Labels::One(label)) if usize::from(label) >= classes => {
                return Err(raise(Error::Label { got: label.into(), classes }));
            }
            None if classes > 0 => return Err(raise(Error::NoLabel { classes })),
            one_or_none => one_or_none,
        };
        let set = run(py, |watch| match (&labels, argmax) {
            (_, true) => likeliest(model, labels.as_ref(), n),
            (Some(Labels::Each(labels)), false) => run::sample_labelled(model, labels, seed, temperature, watch),
            (Some(Labels::One(label)), false) => {
                run::sample(model, n, seed, temperature, Some(usize::from(*label)), watch)
            }
            (None, false) => run::sample(model, n, seed, temperature, None, watch),
        })?;
        array_of(py, set)
    }

    /// Completes images: keeps the upper rows, or the values where `mask` is true, and draws the rest, `n` times each.
    #[pyo3(signature = (images, *, rows = None, mask = None, n = 1, seed = 0, temperature = 1.0, labels = None,
                        levels_in = None))]
    #[allow(clippy::too_many_arguments)]
    fn complete<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        rows: Option<usize>,
        mask: Option<&Bound<'py, PyAny>>,
        n: usize,
        seed: u64,
        temperature: f64,
        labels: Option<&Bound<'py, PyAny>>,
        levels_in: Option<usize>,
    ) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        let temperature = self::temperature(temperature)?;
        let set = self.images(images, levels_in)?.warn(py)?;
        let labels = Labels::each(labels, set.count, self.model()?.classes())?;
        let model = with_size(self.model()?, [set.height, set.width]).map_err(raise)?;
        if rows.is_some() && mask.is_some() {
            return refuse("rows and mask: expected one of them");
        }
        let rows = rows.unwrap_or(set.height / 2);
        if rows > set.height {
            return refuse(format!("rows: {rows}, expected at most the images' {}", set.height));
        }
        let known = mask.map(|mask| self::mask(mask, &set)).transpose()?;
        let how = Completion { rows, each: n, seed, temperature };
        let set = run(py, |watch| {
            let label = |n: usize| labels.as_ref().map(|labels| usize::from(labels[n]));
            match &known {
                Some(known) => complete_known(model, &set, known, label, &how, watch),
                None => complete(model, &set, &set.spread(set.count), label, &how, watch),
            }
        })?;
        array_of(py, set)
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
        nats(py, &scores)
    }

    /// Logits of each value, in nats: float32 `[N, C, L, H, W]`, with one logit in the place of L for two levels by a
    /// Bernoulli output.
    #[pyo3(signature = (images, labels = None, *, levels_in = None))]
    fn logits<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        labels: Option<&Bound<'py, PyAny>>,
        levels_in: Option<usize>,
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        let (set, scores) = self.scores(images, labels, levels_in, true)?;
        logits(py, &set, scores, Scorer::Engine(self.model()?).logits_per_channel())
    }

    /// Compresses images without loss: the bytes of a compressed file.
    #[pyo3(signature = (images, labels = None, *, bare = false, quantize = false, levels_in = None))]
    fn compress<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        labels: Option<&Bound<'py, PyAny>>,
        bare: bool,
        quantize: bool,
        levels_in: Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let model = self.model()?;
        if !model.weights().is_integer() {
            warn(
                py,
                "the model uses floats, which differ between machines in the last bits: another machine may not decompress \
                 the file",
            )?;
        }
        let images = self.images(images, levels_in)?;
        if let Some(Notice::Quantized { levels, changed, values }) = images.notice
            && changed > 0
            && !quantize
        {
            return Err(raise(Error::Lossy { changed, values, levels }));
        }
        let set = if quantize { images.set } else { images.warn(py)? };
        let labels = Labels::each(labels, set.count, model.classes())?;
        if bare && set.count != 1 {
            return refuse(format!("bare: {} images, expected one", set.count));
        }
        let model = with_size(model, [set.height, set.width]).map_err(raise)?;
        let compressed = run(py, |watch| {
            if bare {
                let label = labels.as_ref().and_then(|labels| labels.first()).map(|label| usize::from(*label));
                compress::compress_bare(model, set.image(0), label)
            } else {
                compress::compress(model, &set, labels.as_deref(), watch)
            }
        })?;
        Ok(PyBytes::new(py, &compressed.bytes))
    }

    /// Restores compressed images: uint8 `[N, C, H, W]`.
    #[pyo3(signature = (data, *, image = None, bare = false, label = None, size = None))]
    fn decompress<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        image: Option<u32>,
        bare: bool,
        label: Option<usize>,
        size: Option<(usize, usize)>,
    ) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        let (data, model) = (bytes(data)?, self.model()?);
        if !bare && (label.is_some() || size.is_some()) {
            return refuse("label and size are of the code that `compress(…, bare=True)` gives: give `bare=True`");
        }
        if bare && image.is_some() {
            return refuse("image and bare: expected one of them");
        }
        let set = run(py, |watch| match (bare, image) {
            (true, _) => {
                let model = size.map_or(Ok(model), |(height, width)| with_size(model, [height, width]))?;
                compress::decompress_bare(model, &data, label)
            }
            (false, Some(number)) => Ok(compress::decompress_one(model, &data, number, |_, _| ())?.set),
            (false, None) => Ok(compress::decompress(model, &data, watch)?.set),
        })?;
        array_of(py, set)
    }

    /// Labels of compressed images: uint16 `[N]`, or None for a model without classes. Decompresses them all.
    fn labels<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyArrayDyn<Label>>>> {
        let (data, model) = (bytes(data)?, self.model()?);
        let labels = run(py, |watch| Ok(compress::decompress(model, &data, watch)?.labels))?;
        labels
            .map(|labels| {
                let count = labels.len();
                array(py, labels, &[count])
            })
            .transpose()
    }

    /// Writes the blob to a file.
    fn save(&self, path: &Bound<'_, PyAny>) -> PyResult<()> {
        let path = self::path(path)?;
        files::write_atomically(&path, |out| out.write_all(self.blob.bytes())).map_err(raise)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.blob.bytes())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (Bound<'py, PyBytes>,)) {
        (slf.get_type().into_any(), (slf.get().__bytes__(slf.py()),))
    }

    fn __repr__(&self) -> PyResult<String> {
        let (model, bytes) = (self.model()?, self.blob.bytes().len());
        let pixelrnn::network::Image { height, width, channels, levels } = model.image();
        Ok(format!(
            "<pixelrnn.Model of images {channels}x{height}x{width}, {levels} levels, {} classes: {bytes} bytes, identity \
             {:016x}>",
            model.classes(),
            model.identity()
        ))
    }
}

/// The likeliest values, once for each label.
fn likeliest(model: pixelrnn::Model<'_>, labels: Option<&Labels>, n: usize) -> Result<ImageSet, Error> {
    match labels {
        None => Ok(run::argmax(model, None)?.picked(&vec![0; n])),
        Some(Labels::One(label)) => Ok(run::argmax(model, Some(usize::from(*label)))?.picked(&vec![0; n])),
        Some(Labels::Each(labels)) => {
            let mut kinds = labels.clone();
            kinds.sort_unstable();
            kinds.dedup();
            let mut sets = Vec::with_capacity(kinds.len());
            for label in &kinds {
                sets.push(run::argmax(model, Some(usize::from(*label)))?.data);
            }
            let image = model.image();
            let size = [image.channels, image.height, image.width];
            let set = ImageSet::new(size, sets.concat(), pixelrnn_converter::images::Range::Levels)?;
            let numbers: Vec<usize> = labels.iter().map(|label| kinds.partition_point(|kind| kind < label)).collect();
            Ok(set.picked(&numbers))
        }
    }
}
