//! Tensors of a file, whose bytes are read when they are needed.

use super::error::ImportError;
use crate::error::Error;
use crate::trained::Tensor;
use half::{bf16, f16};
use safetensors::tensor::Dtype;
use std::borrow::Cow;

/// A tensor of a file.
pub(super) struct Stored {
    /// Type of the elements.
    pub dtype: Dtype,
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// Source of the elements.
    pub data: Data,
}

/// Source of a tensor's elements.
pub(super) enum Data {
    /// Little-endian elements, row-major.
    Bytes(Vec<u8>),
    /// A checkpoint, read on demand.
    Torch(pytorch_reader::Tensor),
}

/// All tensors of a file.
pub(super) struct Contents {
    /// Kind of file, for messages.
    pub is: &'static str,
    /// Tensors with their full names, in the order of the file as far as it is known.
    pub tensors: Vec<(String, Stored)>,
}

impl Stored {
    /// Number of elements; saturates.
    pub fn count(&self) -> usize {
        self.shape.iter().fold(1, |n: usize, &side| n.saturating_mul(side))
    }

    /// Elements, little-endian and row-major.
    ///
    /// # Errors
    /// When the checkpoint cannot be read, `name` being the tensor's.
    pub fn bytes(&self, name: &str) -> Result<Cow<'_, [u8]>, Error> {
        match &self.data {
            Data::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Data::Torch(tensor) => {
                let mut bytes = tensor.read().map_err(|e| super::torch::damaged(format!("tensor `{name}`: {e}")))?;
                if cfg!(target_endian = "big") {
                    bytes.chunks_exact_mut(tensor.dtype().size()).for_each(<[u8]>::reverse);
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// The tensor in single precision; doubles are rounded.
    ///
    /// # Errors
    /// When the elements are no floats, and when they cannot be read. `name` is the tensor's.
    pub fn read(&self, name: &str) -> Result<Tensor, Error> {
        if !matches!(self.dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(ImportError::NotFloat { name: name.to_string(), got: format!("{:?}", self.dtype) }.into());
        }
        let bytes = self.bytes(name)?;
        let data: Vec<f32> = match self.dtype {
            Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            _ => bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        };
        if data.len() != self.count() {
            return Err(Error::Length { name: name.to_string(), got: data.len(), expected: self.count() });
        }
        Ok(Tensor { shape: self.shape.clone(), data })
    }
}
