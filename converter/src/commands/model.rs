//! Which model a command works with.

use super::Failure;
use pixelrnn::blob::MAGIC;
use pixelrnn_converter::{Blob, Error, TrainedModel, files, images};
use std::path::{Path, PathBuf};

pixelrnn::include_model!(
    /// The model that is used where none is named.
    mod digits = "../../../models/mnist-pixelcnn/model.prnn"
);

/// A model of either kind.
pub enum AnyModel {
    Blob(Blob),
    Trained(Box<TrainedModel>),
}

impl AnyModel {
    /// Reads the file at `path`, whatever its name; the built-in model where there is none.
    pub fn read(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else { return Ok(Self::Blob(Blob::new(digits::BLOB))) };
        let bytes = files::read(path)?;
        let named = |e: Error| e.in_file(files::display_name(path));
        if bytes.starts_with(&MAGIC) {
            let blob = Blob::new(&bytes);
            blob.model().map_err(named)?;
            Ok(Self::Blob(blob))
        } else {
            Ok(Self::Trained(Box::new(TrainedModel::from_bytes(&bytes).map_err(named)?)))
        }
    }
}

/// Reads a blob, or takes the built-in one; a trained model is refused with a hint.
pub fn read_blob(path: Option<&Path>) -> Result<Blob, Failure> {
    match (AnyModel::read(path)?, path) {
        (AnyModel::Blob(blob), _) => Ok(blob),
        (AnyModel::Trained(_), path) => {
            let path = path.map(files::display_name).unwrap_or_default();
            Err(Error::NotABlob.in_file(path).into())
        }
    }
}

/// Reads labels where a file is named, and checks them against the images and the model.
pub fn read_labels(path: Option<&PathBuf>, count: usize, classes: usize) -> Result<Option<Vec<u8>>, Error> {
    let Some(path) = path else {
        return if classes > 0 { Err(Error::NoLabel { classes }) } else { Ok(None) };
    };
    let mut labels = images::read_labels(path)?;
    images::check_labels(&labels, count, classes).map_err(|e| e.in_file(files::display_name(path)))?;
    labels.truncate(count);
    Ok(Some(labels))
}
