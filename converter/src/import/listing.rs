//! The tensors of a file, and a description that they may belong to.

use super::error::ImportError;
use super::suggest::{self, Suggestion};
use super::{Kind, contents, parts};
use crate::error::Error;
use crate::files;
use std::collections::BTreeMap;
use std::path::Path;

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name in the file, with the keys that lead to it.
    pub name: String,
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// Type of its elements, such as `F32`.
    pub dtype: String,
}

/// The tensors of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Kind of file.
    pub is: &'static str,
    /// All tensors, in the order of the modules as far as the file has it.
    pub tensors: Vec<Listed>,
    /// A description that names and shapes suggest, if they suggest any.
    pub suggestion: Option<Suggestion>,
}

impl Listing {
    /// Lists the file at `path`, and looks for a network below `key`, or in the whole file.
    ///
    /// # Errors
    /// When the file cannot be read, holds no tensors or is damaged, and when nothing is below `key`. Errors name the file.
    pub fn read(path: &Path, key: Option<&str>, drop: &[String]) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        Self::from_bytes(bytes, Some(path), key, drop).map_err(|e| e.in_file(files::display_name(path)))
    }

    /// [`Listing::read`] of untrusted bytes. `path` is the name of the file.
    ///
    /// # Errors
    /// See [`Listing::read`].
    pub fn from_bytes(bytes: Vec<u8>, path: Option<&Path>, key: Option<&str>, drop: &[String]) -> Result<Self, Error> {
        let kind = Kind::of(&bytes, path);
        let mut contents = contents(bytes, kind, path)?;
        contents.leave_out(drop)?;
        let tensors: Vec<Listed> = contents
            .tensors
            .iter()
            .map(|(name, stored)| Listed {
                name: name.clone(),
                shape: stored.shape.clone(),
                dtype: format!("{:?}", stored.dtype),
            })
            .collect();
        let mut all = parts::join(&contents);
        if let Some(key) = key {
            let before = format!("{}.", key.trim_end_matches('.'));
            all = all.into_iter().filter(|(name, _)| name.starts_with(&before)).collect::<BTreeMap<_, _>>();
            if all.is_empty() {
                let keys = tensors.iter().map(|tensor| suggest::first_segment(&tensor.name).to_string());
                let mut keys: Vec<String> = keys.collect();
                keys.dedup();
                return Err(ImportError::NoSuchKey { key: key.to_string(), keys }.into());
            }
        }
        let suggestion = suggest::suggest(&contents, &all);
        Ok(Self { is: contents.is, tensors, suggestion })
    }
}
