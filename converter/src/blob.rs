//! Blobs in memory, aligned as the runtime wants them.

use crate::error::Error;
use crate::files;
use pixelrnn::Model;
use std::path::Path;

/// A blob's bytes at an address that the runtime can read them in place from.
#[derive(Clone, Debug)]
pub struct Blob {
    words: Vec<u32>,
    length: usize,
}

impl Blob {
    /// Copies `bytes` to an aligned place.
    pub fn new(bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(4)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Self { words, length: bytes.len() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read or is no blob.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let blob = Self::new(&files::read(path)?);
        blob.model().map_err(|e| e.in_file(files::display_name(path)))?;
        Ok(blob)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }

    /// The checked model.
    ///
    /// # Errors
    /// What is wrong with the blob.
    pub fn model(&self) -> Result<Model<'_>, Error> {
        Model::new(self.bytes()).map_err(Error::Blob)
    }
}
