//! Models given to commands.

use super::Failure;
use super::describe::Describe;
pub use pixelrnn_converter::any::{AnyModel, BuiltIn};
use pixelrnn_converter::import::Options;
use pixelrnn_converter::{Blob, Error, TrainedModel, files};
use std::path::Path;

fn read_with(path: &Path, options: Options) -> Result<AnyModel, Error> {
    let (model, notes) = AnyModel::read_with(path, options)?;
    report_notes(&notes, path);
    Ok(model)
}

/// Reads a model, with the description of a checkpoint; its kind is detected by content.
pub fn read_described(path: &Path, describe: &Describe) -> Result<AnyModel, Error> {
    read_with(path, describe.options()?)
}

/// [`read_described`], or the built-in model.
pub fn read_described_or(path: Option<&Path>, describe: &Describe, built_in: BuiltIn) -> Result<AnyModel, Failure> {
    match path {
        Some(path) => Ok(read_described(path, describe)?),
        None if describe.is_empty() => Ok(AnyModel::Blob(built_in.blob())),
        None => Err(Failure::Usage("--describe: name the model that it describes".into())),
    }
}

/// Reads a model, or returns the built-in one.
pub fn read_or(path: Option<&Path>, built_in: BuiltIn) -> Result<AnyModel, Error> {
    path.map_or_else(|| Ok(AnyModel::Blob(built_in.blob())), |path| read_with(path, Options::default()))
}

/// Reads a blob. The error for a trained model suggests `convert`.
pub fn read_blob(path: &Path) -> Result<Blob, Failure> {
    read_with(path, Options::default())?.into_blob().map_err(|e| e.in_file(files::display_name(path)).into())
}

/// Reads a trained model and its blob, in this order.
pub fn read_pair(trained: &Path, describe: &Describe, blob: &Path) -> Result<(TrainedModel, Blob), Failure> {
    match read_described(trained, describe)? {
        AnyModel::Trained(model) => Ok((*model, read_blob(blob)?)),
        AnyModel::Blob(_) => Err(match read_with(blob, Options::default())? {
            AnyModel::Trained(_) => {
                Error::Swapped { trained: files::display_name(blob), blob: files::display_name(trained) }
            }
            AnyModel::Blob(_) => Error::NoTrained.in_file(files::display_name(trained)),
        }
        .into()),
    }
}

/// Reports the choices made in reading a checkpoint on standard error.
pub fn report_notes(notes: &[String], path: &Path) {
    for note in notes {
        eprintln!("pixelrnn: {}: {note}", files::display_name(path));
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
