//! Models of either kind: a blob or a trained model; and the built-in ones.

use crate::blob::Blob;
use crate::error::Error;
use crate::files;
use crate::import::{self, Options};
use crate::trained::TrainedModel;
use pixelrnn::blob::MAGIC;
use std::path::Path;

pixelrnn::include_model!(
    /// Built-in model without classes.
    mod digits = "../models/mnist-pixelcnn.prnn"
);

pixelrnn::include_model!(
    /// Built-in model with classes.
    mod labelled_digits = "../models/mnist-class-pixelcnn.prnn"
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

    /// Its blob.
    pub fn blob(self) -> Blob {
        Blob::new(match self {
            Self::Digits => digits::BLOB,
            Self::LabelledDigits => labelled_digits::BLOB,
        })
    }
}

/// A blob or a trained model.
#[derive(Clone, Debug)]
pub enum AnyModel {
    /// A valid blob.
    Blob(Blob),
    /// A trained model.
    Trained(Box<TrainedModel>),
}

impl AnyModel {
    /// [`AnyModel::read_with`] without choices or notes.
    ///
    /// # Errors
    /// When the file cannot be read or holds no valid model. Errors name the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::read_with(path, Options::default()).map(|(model, _)| model)
    }

    /// Reads a model from the file at `path`, with its kind detected by content: a blob, a trained-model file, or what
    /// [`crate::import`] reads. Returns as well sentences about the choices made in reading it.
    ///
    /// # Errors
    /// When the file cannot be read or holds no valid model, and for a blob with a description. Errors name the file.
    pub fn read_with(path: &Path, options: Options) -> Result<(Self, Vec<String>), Error> {
        let bytes = files::read(path)?;
        let read = || {
            if bytes.starts_with(&MAGIC) && options.is_empty() {
                return Ok((Self::from_bytes(&bytes)?, Vec::new()));
            }
            let imported = import::from_bytes(bytes, Some(path), options)?;
            Ok((Self::Trained(Box::new(imported.model)), imported.notes))
        };
        read().map_err(|e: Error| e.in_file(files::display_name(path)))
    }

    /// Parses a model from untrusted bytes, with its kind detected by content.
    ///
    /// # Errors
    /// When the bytes are no valid model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.starts_with(&MAGIC) {
            let blob = Blob::copy(bytes)?;
            blob.model()?;
            Ok(Self::Blob(blob))
        } else {
            Ok(Self::Trained(Box::new(TrainedModel::from_bytes(bytes)?)))
        }
    }

    /// The blob.
    ///
    /// # Errors
    /// [`Error::NotABlob`] for a trained model.
    pub fn into_blob(self) -> Result<Blob, Error> {
        match self {
            Self::Blob(blob) => Ok(blob),
            Self::Trained(_) => Err(Error::NotABlob),
        }
    }

    /// The trained model.
    ///
    /// # Errors
    /// [`Error::NoTrained`] for a blob.
    pub fn into_trained(self) -> Result<TrainedModel, Error> {
        match self {
            Self::Trained(trained) => Ok(*trained),
            Self::Blob(_) => Err(Error::NoTrained),
        }
    }

    /// Reads a model from `path`, or returns the built-in one.
    ///
    /// # Errors
    /// See [`AnyModel::read`].
    pub fn read_or(path: Option<&Path>, built_in: BuiltIn) -> Result<Self, Error> {
        path.map_or_else(|| Ok(Self::Blob(built_in.blob())), Self::read)
    }
}
