//! Selection and reading of models.

use super::Failure;
use super::describe::Describe;
use pixelrnn::blob::MAGIC;
use pixelrnn_converter::import::{self, Options};
use pixelrnn_converter::{Blob, Error, TrainedModel, files};
use std::path::Path;

pixelrnn::include_model!(
    /// Built-in model without classes.
    mod digits = "../../models/mnist-pixelcnn.prnn"
);

pixelrnn::include_model!(
    /// Built-in model with classes.
    mod labelled_digits = "../../models/mnist-class-pixelcnn.prnn"
);

/// The built-in models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// Digits, without classes.
    Digits,
    /// Digits with their classes.
    LabelledDigits,
}

impl BuiltIn {
    /// The built-in model for a command with or without labels.
    pub fn for_labels(given: bool) -> Self {
        if given { Self::LabelledDigits } else { Self::Digits }
    }

    /// The built-in model with this `identity`, else the digits without classes.
    pub fn of_identity(identity: u64) -> Self {
        let is_it = |built_in: &Self| built_in.blob().model().is_ok_and(|model| model.identity() == identity);
        [Self::Digits, Self::LabelledDigits].into_iter().find(is_it).unwrap_or(Self::Digits)
    }

    fn blob(self) -> Blob {
        Blob::new(match self {
            Self::Digits => digits::BLOB,
            Self::LabelledDigits => labelled_digits::BLOB,
        })
    }
}

/// A blob or a trained model.
pub enum AnyModel {
    Blob(Blob),
    Trained(Box<TrainedModel>),
}

impl AnyModel {
    /// Reads a model from the file at `path`, with its kind detected by content.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        let named = |e: Error| e.in_file(files::display_name(path));
        if bytes.starts_with(&MAGIC) {
            let blob = Blob::copy(&bytes).map_err(named)?;
            blob.model().map_err(named)?;
            Ok(Self::Blob(blob))
        } else {
            let imported = import::from_bytes(bytes, Some(path), Options::default()).map_err(named)?;
            report_notes(&imported.notes, path);
            Ok(Self::Trained(Box::new(imported.model)))
        }
    }

    /// [`AnyModel::read`], with the description of a checkpoint.
    pub fn read_described(path: &Path, describe: &Describe) -> Result<Self, Error> {
        let options = describe.options()?;
        if options.is_empty() {
            return Self::read(path);
        }
        let imported = import::read(path, options)?;
        report_notes(&imported.notes, path);
        Ok(Self::Trained(Box::new(imported.model)))
    }

    /// [`AnyModel::read_or`], with the description of a checkpoint.
    pub fn read_described_or(path: Option<&Path>, describe: &Describe, built_in: BuiltIn) -> Result<Self, Failure> {
        match path {
            Some(path) => Ok(Self::read_described(path, describe)?),
            None if describe.is_empty() => Ok(Self::read_or(None, built_in)?),
            None => Err(Failure::Usage("--describe: name the model that it describes".into())),
        }
    }

    /// Reads a model from `path`, or returns the built-in one.
    pub fn read_or(path: Option<&Path>, built_in: BuiltIn) -> Result<Self, Error> {
        path.map_or_else(|| Ok(Self::Blob(built_in.blob())), Self::read)
    }
}

/// Reads a blob. The error for a trained model suggests `convert`.
pub fn read_blob(path: &Path) -> Result<Blob, Failure> {
    match AnyModel::read(path)? {
        AnyModel::Blob(blob) => Ok(blob),
        AnyModel::Trained(_) => Err(Error::NotABlob.in_file(files::display_name(path)).into()),
    }
}

/// Reads a trained model and its blob, in this order.
pub fn read_pair(trained: &Path, describe: &Describe, blob: &Path) -> Result<(TrainedModel, Blob), Failure> {
    match AnyModel::read_described(trained, describe)? {
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
