//! Blobs in memory, aligned for the runtime.

use crate::error::Error;
use crate::files;
use crate::memory;
use pixelrnn::Model;
use std::path::Path;

/// Bytes of a blob, aligned so that the runtime reads them in place.
#[derive(Clone, Debug)]
pub struct Blob {
    words: Vec<u32>,
    length: usize,
}

impl Blob {
    /// Copies `bytes` to aligned memory.
    ///
    /// # Panics
    /// When the allocation fails. [`Blob::copy`] returns an error instead.
    pub fn new(bytes: &[u8]) -> Self {
        Self::copy(bytes).expect("memory for a blob")
    }

    /// Copies `bytes` of any length to aligned memory.
    ///
    /// # Errors
    /// [`Error::Memory`] when the allocation fails.
    pub fn copy(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = memory::zeros(bytes.len().div_ceil(4), "the blob")?;
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { words, length: bytes.len() })
    }

    /// Reads and validates a blob file.
    ///
    /// # Errors
    /// When the file cannot be read or is not a valid blob.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        let named = |e: Error| e.in_file(files::display_name(path));
        let blob = Self::copy(&bytes).map_err(named)?;
        blob.model().map_err(named)?;
        Ok(blob)
    }

    /// Bytes of the blob.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }

    /// The validated model.
    ///
    /// # Errors
    /// When the blob is invalid.
    pub fn model(&self) -> Result<Model<'_>, Error> {
        Model::new(self.bytes()).map_err(Error::Blob)
    }
}
