//! Models and files as Python gives them: a path or bytes.

use crate::error::raise;
use crate::model::Model;
use crate::reference::Reference;
use pixelrnn::blob::MAGIC;
use pixelrnn_converter::import::{self, Imported, Options};
use pixelrnn_converter::{AnyModel, Description, Error, files};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};
use std::path::{Path, PathBuf};

/// A path, where `-` is a file like any other.
pub(crate) fn path(of: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    let path: PathBuf = of.extract()?;
    Ok(if path == Path::new("-") { Path::new(".").join(path) } else { path })
}

/// True for a path: text, or an object with `__fspath__`.
pub(crate) fn is_path(of: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(of.is_instance_of::<pyo3::types::PyString>() || of.hasattr("__fspath__")?)
}

/// A copy of `bytes`, `bytearray` or `memoryview`; `None` for anything else.
fn copied(of: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(bytes) = of.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    if let Ok(bytes) = of.cast::<PyByteArray>() {
        return Ok(Some(bytes.to_vec()));
    }
    if of.is_instance_of::<PyMemoryView>() {
        return of.call_method0("tobytes")?.extract().map(Some);
    }
    Ok(None)
}

/// Bytes of a bytes-like object.
pub(crate) fn bytes(of: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let other = || PyTypeError::new_err(format!("expected bytes, got {}", type_name(of)));
    copied(of)?.ok_or_else(other)
}

/// A model of either kind: a path, bytes, a `Model` or a `Reference`.
pub(crate) fn any_model(of: &Bound<'_, PyAny>) -> PyResult<AnyModel> {
    if let Ok(model) = of.cast::<Model>() {
        return Ok(AnyModel::Blob(model.get().blob().clone()));
    }
    if let Ok(reference) = of.cast::<Reference>() {
        return Ok(AnyModel::Trained(Box::new(reference.get().trained().clone())));
    }
    if let Some(bytes) = copied(of)? {
        return AnyModel::from_bytes(&bytes).map_err(raise);
    }
    if is_path(of)? {
        return AnyModel::read(&path(of)?).map_err(raise);
    }
    Err(PyTypeError::new_err(format!("expected a path, bytes, Model or Reference, got {}", type_name(of))))
}

/// A trained model of any file that the command line imports.
pub(crate) fn trained(of: &Bound<'_, PyAny>, options: Options) -> PyResult<Imported> {
    if let Ok(reference) = of.cast::<Reference>() {
        let model = reference.get().trained().clone();
        return Ok(Imported { model, notes: Vec::new() });
    }
    let (model, notes) = if let Some(bytes) = copied(of)? {
        if bytes.starts_with(&MAGIC) {
            return Err(raise(Error::NoTrained));
        }
        return import::from_bytes(bytes, None, options).map_err(raise);
    } else if is_path(of)? {
        AnyModel::read_with(&path(of)?, options).map_err(raise)?
    } else {
        (any_model(of)?, Vec::new())
    };
    Ok(Imported { model: model.into_trained().map_err(raise)?, notes })
}

/// A description: a dict, JSON, or the path of a file of it.
pub(crate) fn description(of: &Bound<'_, PyAny>) -> PyResult<Description> {
    let json: String = if is_path(of)? {
        match of.extract::<String>() {
            Ok(text) if text.trim_start().starts_with('{') => text,
            _ => {
                let path = path(of)?;
                let named = |e: Error| raise(e.in_file(files::display_name(&path)));
                let bytes = files::read(&path).map_err(named)?;
                let json = String::from_utf8(bytes).map_err(|e| named(Error::Json(e.to_string())))?;
                return Description::from_json(&json).map_err(named);
            }
        }
    } else {
        of.py().import("json")?.call_method1("dumps", (of,))?.extract()?
    };
    Description::from_json(&json).map_err(raise)
}

/// Name of an object's type, for messages.
pub(crate) fn type_name(of: &Bound<'_, PyAny>) -> String {
    of.get_type().name().map_or_else(|_| "another object".into(), |name| name.to_string())
}
