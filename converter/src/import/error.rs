//! Errors of imports.

use std::fmt::Write as _;

/// A tensor of a file, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Name in the file.
    pub name: String,
    /// Shape in the file.
    pub shape: Vec<usize>,
}

/// A tensor that the description asks for and the file lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Name and shape by the description.
    pub wanted: Named,
    /// Tensors of the file that resemble it, the nearest first.
    pub nearest: Vec<Named>,
}

/// Failure to take a model from a file of another program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Damaged, unsupported or hostile checkpoint.
    #[error("{format}: {what}")]
    Damaged {
        /// Name of the format.
        format: &'static str,
        /// The problem.
        what: String,
    },
    /// File without tensors.
    #[error("{format}: it holds no tensors{hint}")]
    Empty {
        /// Name of the format.
        format: &'static str,
        /// Clause about the likely cause, or empty.
        hint: &'static str,
    },
    /// File that is none of those with tensors.
    #[error("expected a PyTorch checkpoint, an .npz archive, an ONNX graph or .safetensors")]
    UnknownKind,
    /// Checkpoint without a description.
    #[error(
        "{is} holds tensors but no network: give its description with `--describe network.json`; `pixelrnn import FILE` lists \
         the tensors and suggests one (docs/import.md)"
    )]
    NoDescription {
        /// Kind of file.
        is: &'static str,
    },
    /// Description for a file that is its own.
    #[error("{is} is its own description: leave out `--describe`, `--key` and `--drop`")]
    OwnDescription {
        /// Kind of file.
        is: &'static str,
    },
    /// Choices for an ONNX graph, for another file.
    #[error("{is} is no ONNX graph: leave out `--image`, `--levels`, `--reads` and `--logit-order`")]
    NoGraph {
        /// Kind of file.
        is: &'static str,
    },
    /// No tensor has a name that begins with the key.
    #[error("no tensor is below the key `{key}`, expected one of {}", list(keys))]
    NoSuchKey {
        /// The key.
        key: String,
        /// Keys of the file.
        keys: Vec<String>,
    },
    /// Nothing has a name that begins with a prefix to be left out.
    #[error("`--drop {0}`: no tensor has this name or one that begins with it")]
    NothingDropped(String),
    /// Several places of the file fit the description.
    #[error("several parts of the file fit the description, {}: choose one with `--key`", list(keys))]
    Ambiguous {
        /// Keys of the parts.
        keys: Vec<String>,
    },
    /// Required tensors missing in the file.
    #[error("{}", lacking_text(lacking, *more))]
    Missing {
        /// The first of them.
        lacking: Vec<Lacking>,
        /// Number of others.
        more: usize,
    },
    /// Tensors beside those of the network.
    #[error(
        "no op reads the tensor {}{}: add the op to the description, or leave it out with `--drop`",
        shapes(tensors),
        and_more(*more)
    )]
    LeftOver {
        /// The first of them.
        tensors: Vec<Named>,
        /// Number of others.
        more: usize,
    },
    /// Wrong shape.
    #[error("tensor `{}` has shape {:?}, expected {expected:?}{hint}", tensor.name, tensor.shape)]
    Shape {
        /// The tensor in the file.
        tensor: Named,
        /// Shape by the description.
        expected: Vec<usize>,
        /// Clause from a colon on about the likely cause, or empty.
        hint: &'static str,
    },
    /// Weights that are no floats.
    #[error("tensor `{name}` has type {got}, expected F64, F32, F16 or BF16")]
    NotFloat {
        /// Tensor name.
        name: String,
        /// Type.
        got: String,
    },
    /// Parts of a weight that do not belong together.
    #[error("tensors `{}` {:?} and `{}` {:?} are no parts of one weight", parts[0].name, parts[0].shape, parts[1].name, parts[1].shape)]
    Parts {
        /// The parts.
        parts: Box<[Named; 2]>,
    },
    /// Taps outside a smaller kernel that are open and not zero.
    #[error(
        "tensor `{}` has shape {:?}, expected {expected:?}, or the same kernel with zeros about it; row {}, column {} of its kernel \
         holds {value}",
        tensor.name, tensor.shape, tap[0], tap[1]
    )]
    Cropped {
        /// The tensor in the file.
        tensor: Named,
        /// Shape by the description.
        expected: Vec<usize>,
        /// Row and column of the kernel.
        tap: [usize; 2],
        /// The weight there.
        value: f32,
    },
}

/// Maximum number of names in a message.
pub(super) const SHOWN: usize = 6;

fn list(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(2 * SHOWN).map(|name| format!("`{name}`")).collect();
    shown.join(", ") + &and_more(names.len().saturating_sub(2 * SHOWN))
}

fn shapes(tensors: &[Named]) -> String {
    tensors.iter().map(|t| format!("`{}` {:?}", t.name, t.shape)).collect::<Vec<_>>().join(", ")
}

fn and_more(more: usize) -> String {
    if more > 0 { format!(" (and {more} more)") } else { String::new() }
}

fn lacking_text(lacking: &[Lacking], more: usize) -> String {
    let mut text = String::new();
    for (n, Lacking { wanted, nearest }) in lacking.iter().enumerate() {
        // A `String` takes every write.
        let _ = write!(text, "{}`{}` {:?}", if n == 0 { "no tensor " } else { "; nor " }, wanted.name, wanted.shape);
        if !nearest.is_empty() {
            let _ = write!(text, ", nearest {}", shapes(nearest));
        }
    }
    text + &and_more(more)
}
