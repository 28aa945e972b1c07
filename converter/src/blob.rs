//! Blobs in memory, aligned as the runtime wants them.

use crate::error::Error;
use crate::files;
use crate::memory;
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
    ///
    /// # Panics
    /// When there is no memory for it; see [`Blob::copy`].
    pub fn new(bytes: &[u8]) -> Self {
        Self::copy(bytes).expect("memory for a blob")
    }

    /// Copies `bytes`, which may be many, to an aligned place.
    ///
    /// # Errors
    /// [`Error::Memory`] when there is none for it.
    pub fn copy(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = memory::zeros(bytes.len().div_ceil(4), "the blob")?;
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { words, length: bytes.len() })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read or is no blob.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        let named = |e: Error| e.in_file(files::display_name(path));
        let blob = Self::copy(&bytes).map_err(named)?;
        blob.model().map_err(named)?;
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
