//! ONNX graphs as trained models.

use crate::error::Error;
use crate::files;
use crate::trained::{TrainedModel, foreign};
use std::path::Path;

/// Reads the graph in the file at `path`: its nodes are the description, its initializers the weights. Errors name the file.
///
/// # Errors
/// Always: this version has no reader for ONNX. The message has the line of Python that saves the initializers.
pub fn read(path: &Path) -> Result<TrainedModel, Error> {
    let named = |e: Error| e.in_file(files::display_name(path));
    // A name that ends in .onnx is recognized whatever the bytes are.
    let error = foreign::recognize(&[], Some(path)).unwrap_or(Error::UnknownFormat);
    Err(named(error))
}
