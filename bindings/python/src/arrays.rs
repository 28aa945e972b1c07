//! Arrays of `NumPy`: images and labels in, images and numbers out.

use crate::error::{in_python, raise, refuse};
use crate::source::{is_path, path};
use numpy::{Element, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArray1};
use pixelrnn::network;
use pixelrnn_converter::images::{
    Fitted, Label, LoadedSets, Notice, Range, Resize, check_labels, fit_sets, npy, range_of, read_labels,
};
use pixelrnn_converter::{Error, ImageSet};
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::CString;

/// Images that fit a model, of one size.
pub(crate) struct Images {
    pub(crate) set: ImageSet,
    pub(crate) notice: Option<Notice>,
    /// The caller said how to read the values.
    stated: bool,
}

/// An array of any type and layout: its type as in a `.npy` header, its shape and its bytes, row-major.
struct Raw {
    descr: String,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Raw {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let numpy = object.py().import("numpy")?;
        let array = numpy.call_method1("asarray", (object,))?;
        let dtype = array.getattr("dtype")?;
        let (descr, kind): (String, String) = (dtype.getattr("str")?.extract()?, dtype.getattr("kind")?.extract()?);
        let shape = array.getattr("shape")?.extract()?;
        // Other types have no bytes to look at, and are refused by their name.
        let data = if matches!(kind.as_str(), "b" | "u" | "i" | "f") {
            let flat = numpy.call_method1("ascontiguousarray", (array,))?.call_method1("reshape", (-1,))?;
            let bytes: PyReadonlyArray1<'_, u8> = flat.call_method1("view", ("uint8",))?.extract()?;
            bytes.as_slice()?.to_vec()
        } else {
            Vec::new()
        };
        Ok(Self { descr, shape, data })
    }

    /// Adds the axes that are left out, where the rest has one reading only.
    fn complete(&mut self, image: &network::Image) -> PyResult<()> {
        let network::Image { height, width, channels, .. } = *image;
        let shown = format!("{:?}", self.shape);
        let shape = match *self.shape {
            [_, _, _, _] => return Ok(()),
            [_, h, w] if w != width && (w == 1 || w == 3) && (h, channels) != (1, 1) => {
                return refuse(format!("an array {shown} looks like [H, W, C]: give `x.transpose(2, 0, 1)[None]`"));
            }
            [3, h, w] if channels == 3 => vec![1, 3, h, w],
            [_, _, _] if channels == 1 => return Ok(()),
            // One image; of a model whose images have one row the two readings are the same.
            [h, w] if channels == 1 && (h, w) == (height, width) => vec![1, h, w],
            [_, values] if channels == 1 && values == height * width => return Ok(()),
            [h, w] if channels == 1 => {
                return refuse(format!(
                    "an array {shown}, expected [{height}, {width}] or [N, {}]: for one image of another size give `x[None]`, \
                     which is [1, {h}, {w}]",
                    height * width
                ));
            }
            _ => {
                return refuse(format!(
                    "an array {shown}, expected [N, {channels}, {height}, {width}]: for whole images in a row give \
                     `x.reshape(-1, {channels}, {height}, {width})`"
                ));
            }
        };
        self.shape = shape;
        Ok(())
    }
}

/// Reads images: an array, or a file or folder as the command line reads them. They have one size.
///
/// # Errors
/// `ValueError` when they do not fit a model of `image`, or can be read in two ways; `TypeError`.
pub(crate) fn images(
    object: &Bound<'_, PyAny>,
    image: &network::Image,
    levels_in: Option<usize>,
    resize: Option<Resize<'_>>,
) -> PyResult<Images> {
    let range: Option<Range> = levels_in.map(|levels| range_of(levels, image)).transpose().map_err(|error| {
        let Error::LevelsIn { .. } = error else { return raise(error) };
        pyo3::exceptions::PyValueError::new_err(format!("levels_in: {error}"))
    })?;
    let sets = if is_path(object)? {
        LoadedSets::read(&path(object)?).map_err(raise)?.sets
    } else {
        let mut raw = Raw::of(object)?;
        raw.complete(image)?;
        vec![npy::images_in_memory(&raw.descr, &raw.shape, &raw.data).map_err(raise)?]
    };
    let Fitted { mut sets, notice, sizes } = fit_sets(sets, range, image, resize).map_err(raise)?;
    let Some(set) = sets.pop().filter(|_| sets.is_empty()) else {
        return refuse("images of several sizes, expected one: give those of each size alone");
    };
    if !sizes.is_empty() {
        let (h, w) = (set.height, set.width);
        warn(
            object.py(),
            &format!("images of {h}x{w} pixels; the model was made for {}x{}", image.height, image.width),
        )?;
    }
    Ok(Images { set, notice, stated: levels_in.is_some() })
}

impl Images {
    /// Warns if values changed when they were read.
    pub(crate) fn warn(self, py: Python<'_>) -> PyResult<ImageSet> {
        if let Some(notice @ Notice::Quantized { changed: 1.., .. }) = &self.notice
            && !self.stated
        {
            warn(py, &format!("{notice}; `levels_in=256` says that this is meant"))?;
        }
        Ok(self.set)
    }
}

/// Warns the caller of the function of Python.
pub(crate) fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    let message = CString::new(in_python(message)).unwrap_or_default();
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &message, 1)
}

/// Labels as a caller gives them: one for all images, one for each, or a file of them.
pub(crate) enum Labels {
    One(Label),
    Each(Vec<Label>),
}

impl Labels {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if is_path(object)? {
            return read_labels(&path(object)?).map(Self::Each).map_err(raise);
        }
        let mut raw = Raw::of(object)?;
        let single = raw.shape.is_empty();
        if single {
            raw.shape.push(1);
        }
        let each = npy::labels_in_memory(&raw.descr, &raw.shape, &raw.data).map_err(raise)?;
        Ok(match (single, each.first()) {
            (true, Some(label)) => Self::One(*label),
            _ => Self::Each(each),
        })
    }

    /// A label for each of `count` images of a model with `classes` classes; `None` where the model has none.
    ///
    /// # Errors
    /// `ValueError` when labels are missing, superfluous, out of range or of another number.
    pub(crate) fn each(
        object: Option<&Bound<'_, PyAny>>,
        count: usize,
        classes: usize,
    ) -> PyResult<Option<Vec<Label>>> {
        let labels = match (object.map(Self::of).transpose()?, classes) {
            (None, 0) => return Ok(None),
            (None, _) => return Err(raise(Error::NoLabel { classes })),
            (Some(Self::One(label)), _) => vec![label; count],
            (Some(Self::Each(labels)), _) => labels,
        };
        check_labels(&labels, count, classes).map_err(raise)?;
        Ok(Some(labels))
    }
}

/// An array of this shape.
pub(crate) fn array<'py, T: Element>(
    py: Python<'py>,
    data: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    PyArray1::from_vec(py, data).reshape(shape)
}

/// Images as an array `[N, C, H, W]`.
pub(crate) fn array_of(py: Python<'_>, set: ImageSet) -> PyResult<Bound<'_, PyArrayDyn<u8>>> {
    let shape = [set.count, set.channels, set.height, set.width];
    array(py, set.data, &shape)
}

/// A mask: booleans of one image or of each.
pub(crate) fn mask(object: &Bound<'_, PyAny>, set: &ImageSet) -> PyResult<Vec<bool>> {
    let (count, channels, height, width) = (set.count, set.channels, set.height, set.width);
    let raw = Raw::of(object)?;
    if raw.descr != "|b1" {
        return refuse(format!(
            "a mask of type `{}`, expected bool, True where a value is given: `mask > 0`",
            raw.descr
        ));
    }
    let numpy = object.py().import("numpy")?;
    let one = |shape: &[usize]| match *shape {
        [h, w] => (h, w) == (height, width),
        [c, h, w] => (h, w) == (height, width) && (c == 1 || c == channels),
        [n, c, h, w] => (h, w) == (height, width) && (c == 1 || c == channels) && (n == 1 || n == count),
        _ => false,
    };
    if !one(&raw.shape) {
        return refuse(format!(
            "a mask {:?}, expected [{height}, {width}], [{channels}, {height}, {width}] or [{count}, {channels}, {height}, {width}]",
            raw.shape
        ));
    }
    let full = numpy.call_method1("broadcast_to", (object, (count, channels, height, width)))?;
    Ok(Raw::of(&full)?.data.into_iter().map(|byte| byte != 0).collect())
}

/// Tensors by name, as [`safetensors`] has them: type, shape and bytes.
pub(crate) type Tensors = Vec<(String, (safetensors::Dtype, Vec<usize>, Vec<u8>))>;

/// Reads a mapping of names to arrays or to tensors of `PyTorch`, such as a state dict.
pub(crate) fn tensors(object: &Bound<'_, PyAny>) -> PyResult<Tensors> {
    use safetensors::Dtype;
    let dict = PyDict::new(object.py());
    dict.call_method1("update", (object,))?;
    let mut all = Vec::with_capacity(dict.len());
    for (name, value) in dict.iter() {
        let name: String = name.extract()?;
        // A tensor of PyTorch may be on a device, have a gradient, and be of a type that NumPy lacks.
        let value = if value.hasattr("detach")? {
            let value = value.call_method0("detach")?.call_method0("cpu")?;
            if value.call_method0("is_floating_point")?.is_truthy()? { value.call_method0("float")? } else { value }
        } else {
            value
        };
        let raw = Raw::of(&value)?;
        let dtype = match raw.descr.as_str() {
            "<f4" => Dtype::F32,
            "<f2" => Dtype::F16,
            "<f8" => Dtype::F64,
            "<i8" => Dtype::I64,
            "<i4" => Dtype::I32,
            "|u1" => Dtype::U8,
            "|b1" => Dtype::BOOL,
            other => {
                return refuse(format!("tensor `{name}` has type {other}, expected float32: `x.astype(\"float32\")`"));
            }
        };
        let raw = if dtype == Dtype::F64 { Raw::of(&value.call_method1("astype", ("<f4",))?)? } else { raw };
        let dtype = if dtype == Dtype::F64 { Dtype::F32 } else { dtype };
        all.push((name, (dtype, raw.shape, raw.data)));
    }
    Ok(all)
}
