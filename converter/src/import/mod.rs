//! Models in files of other programs: `PyTorch` checkpoints, archives of `NumPy` arrays, ONNX graphs.
//!
//! A checkpoint has tensors alone. [`from_bytes`] combines it with a [`Description`], whose names are those of the tensors below some
//! prefix. [`Listing`] shows what a file holds, and suggests a description. An ONNX graph is its own description.

mod error;
mod fit;
mod listing;
mod npz;
pub mod onnx;
mod parts;
mod place;
mod stored;
mod suggest;
mod torch;

pub use error::{ImportError, Lacking, Named};
pub use listing::{Listed, Listing};
pub use suggest::Suggestion;

use crate::description::Description;
use crate::error::Error;
use crate::files;
use crate::trained::{TrainedModel, has_description};
use safetensors::SafeTensors;
use std::path::Path;
use stored::{Contents, Data, Stored};

/// Choices for the import of a file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The network, for a file of tensors alone.
    pub description: Option<Description>,
    /// The part of the file that holds the network, such as `state_dict` or `ema.model`.
    pub key: Option<String>,
    /// Beginnings of the names of tensors to leave out.
    pub drop: Vec<String>,
    /// What an ONNX graph may leave open.
    pub onnx: onnx::Options,
}

impl Options {
    /// True if no choice was made.
    pub fn is_empty(&self) -> bool {
        self.is_for_graphs() && self.onnx == onnx::Options::default()
    }

    /// True if no choice was made that is for files of tensors.
    fn is_for_graphs(&self) -> bool {
        self.description.is_none() && self.key.is_none() && self.drop.is_empty()
    }
}

/// An imported model.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The model.
    pub model: TrainedModel,
    /// Sentences about the choices made in reading it.
    pub notes: Vec<String>,
}

/// Kind of a file, by its first bytes; ONNX by its name as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SafeTensors,
    Torch,
    Npz,
    Onnx,
}

/// True if the file is an ONNX graph, by its name or by its first bytes.
pub fn is_onnx(bytes: &[u8], path: &Path) -> bool {
    let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"));
    // Protocol buffer: the format version (field 1), then the producer (2), the graph (7) or the operator sets (8).
    named || matches!(bytes, [8, 3..=20, 0x12 | 0x3a | 0x42, ..])
}

impl Kind {
    fn of(bytes: &[u8], path: Option<&Path>) -> Option<Self> {
        if bytes.get(8) == Some(&b'{') {
            return Some(Self::SafeTensors);
        }
        if is_onnx(bytes, path.unwrap_or(Path::new(""))) {
            return Some(Self::Onnx);
        }
        match crate::trained::foreign::archive_of_tensors(bytes) {
            Some(true) => Some(Self::Torch),
            Some(false) => Some(Self::Npz),
            None => None,
        }
    }
}

/// True if a file holds tensors without a network, so that a model needs a description. `path` is its name.
pub fn is_tensors_alone(bytes: &[u8], path: &Path) -> bool {
    match Kind::of(bytes, Some(path)) {
        Some(Kind::Torch | Kind::Npz) => true,
        // A damaged file is none: its reader says what is wrong.
        Some(Kind::SafeTensors) => has_description(bytes) == Some(false),
        Some(Kind::Onnx) | None => false,
    }
}

/// Reads a model of any kind from the file at `path`. Errors name the file.
///
/// # Errors
/// See [`from_bytes`].
pub fn read(path: &Path, options: Options) -> Result<Imported, Error> {
    let bytes = files::read(path)?;
    from_bytes(bytes, Some(path), options).map_err(|e| e.in_file(files::display_name(path)))
}

/// Reads a model of any kind from untrusted bytes. `path` is the name of the file, if it has one; files with the data of an ONNX graph
/// lie beside it.
///
/// # Errors
/// When the file is damaged or of an unknown kind, when a checkpoint comes without a description, and when its tensors are not those
/// of the network; see [`ImportError`], [`onnx::OnnxError`] and [`TrainedModel::new`].
pub fn from_bytes(bytes: Vec<u8>, path: Option<&Path>, options: Options) -> Result<Imported, Error> {
    let kind = Kind::of(&bytes, path);
    if kind == Some(Kind::Onnx) {
        if !options.is_for_graphs() {
            return Err(ImportError::OwnDescription { is: "an ONNX graph" }.into());
        }
        let onnx::Imported { model, notes } = onnx::from_bytes(&bytes, path.map(onnx::folder_of), &options.onnx)?;
        return Ok(Imported { model, notes });
    }
    if options.onnx != onnx::Options::default() {
        return Err(ImportError::NoGraph { is: kind.map_or("the file", Kind::name) }.into());
    }
    let Some(description) = options.description else {
        if options.key.is_some() || !options.drop.is_empty() {
            return Err(ImportError::NoDescription { is: kind.map_or("the file", Kind::name) }.into());
        }
        let model =
            path.map_or_else(|| TrainedModel::from_bytes(&bytes), |path| TrainedModel::from_file(&bytes, path))?;
        return Ok(Imported { model, notes: Vec::new() });
    };
    if kind == Some(Kind::SafeTensors) && has_description(&bytes) == Some(true) {
        return Err(ImportError::OwnDescription { is: "a trained model with metadata" }.into());
    }
    let mut contents = contents(bytes, kind, path)?;
    contents.leave_out(&options.drop)?;
    let mut notes = Vec::new();
    let model = fit::fit(description, &contents, options.key.as_deref(), &mut notes)?;
    Ok(Imported { model, notes })
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::SafeTensors => "a .safetensors file",
            Self::Torch => torch::FORMAT,
            Self::Npz => npz::FORMAT,
            Self::Onnx => "an ONNX graph",
        }
    }
}

/// Tensors of a file that has no network.
fn contents(bytes: Vec<u8>, kind: Option<Kind>, path: Option<&Path>) -> Result<Contents, Error> {
    match kind {
        Some(Kind::Torch) => torch::read(bytes),
        Some(Kind::Npz) => npz::read(&bytes),
        Some(Kind::SafeTensors) => safetensors(&bytes),
        Some(Kind::Onnx) | None => {
            Err(crate::trained::foreign::recognize(&bytes, path).unwrap_or_else(|| ImportError::UnknownKind.into()))
        }
    }
}

fn safetensors(bytes: &[u8]) -> Result<Contents, Error> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Safetensors(e.to_string()))?;
    let tensor = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let stored =
            Stored { dtype: view.dtype(), shape: view.shape().to_vec(), data: Data::Bytes(view.data().to_vec()) };
        (name.to_string(), stored)
    };
    Ok(Contents { is: Kind::SafeTensors.name(), tensors: file.iter().map(tensor).collect() })
}

impl Contents {
    /// Leaves out the tensors whose names begin with one of `drop`.
    fn leave_out(&mut self, drop: &[String]) -> Result<(), Error> {
        for start in drop {
            let before = self.tensors.len();
            self.tensors.retain(|(name, _)| !name.starts_with(start.as_str()));
            if self.tensors.len() == before {
                return Err(ImportError::NothingDropped(start.clone()).into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
