//! Models given to commands.

use super::Failure;
pub use pixelrnn_converter::any::{AnyModel, BuiltIn};
use pixelrnn_converter::{Blob, Error, TrainedModel, files};
use std::path::Path;

/// Reads a blob. The error for a trained model suggests `convert`.
pub fn read_blob(path: &Path) -> Result<Blob, Failure> {
    AnyModel::read(path)?.into_blob().map_err(|e| e.in_file(files::display_name(path)).into())
}

/// Reads a trained model and its blob, in this order.
pub fn read_pair(trained: &Path, blob: &Path) -> Result<(TrainedModel, Blob), Failure> {
    match AnyModel::read(trained)? {
        AnyModel::Trained(model) => Ok((*model, read_blob(blob)?)),
        AnyModel::Blob(_) => Err(match AnyModel::read(blob)? {
            AnyModel::Trained(_) => {
                Error::Swapped { trained: files::display_name(blob), blob: files::display_name(trained) }
            }
            AnyModel::Blob(_) => Error::NoTrained.in_file(files::display_name(trained)),
        }
        .into()),
    }
}

/// Reports nonzero weights under closed taps on standard error. `path` is the model's file.
pub fn report_closed_weights(trained: &TrainedModel, path: Option<&Path>) {
    if let (Some(closed), Some(path)) = (trained.closed_weights(), path) {
        eprintln!("pixelrnn: {}: {closed}", files::display_name(path));
    }
}

/// Reads a blob from `path`, or returns the built-in one.
pub fn read_blob_or(path: Option<&Path>, built_in: BuiltIn) -> Result<Blob, Failure> {
    path.map_or_else(|| Ok(built_in.blob()), read_blob)
}

/// Requires a label in range for a model with classes, and none for others.
pub fn check_label(label: Option<usize>, classes: usize) -> Result<(), Failure> {
    let what = match (classes, label) {
        (0, None) => return Ok(()),
        (_, Some(got)) if got < classes => return Ok(()),
        (0, Some(_)) => "the model has no classes".to_string(),
        (_, None) => format!("the model needs a class from 0 to {}", classes - 1),
        (_, Some(got)) => format!("{got}, expected 0 to {}", classes - 1),
    };
    Err(Failure::Usage(format!("--label: {what}")))
}

/// Requires `option` for a model with classes.
pub fn require_labels(option: &str, given: bool, classes: usize) -> Result<(), Failure> {
    if classes == 0 || given {
        return Ok(());
    }
    Err(Failure::Usage(format!("{option}: {}: give a file of labels", Error::NoLabel { classes })))
}
