//! Files of other kinds given as trained models: detection by content or name, and instructions for conversion to
//! `.safetensors`.

use crate::error::Error;
use pixelrnn::{blob, coder::container};
use std::path::Path;

/// Bytes searched for names at either end of an archive.
const ENDS: usize = 1 << 16;

/// End of the Python commands: the metadata, and a pointer to the documentation.
const METADATA: &str = "metadata={\"pixelrnn\": json.dumps(description)})` (README, \"From PyTorch\")";

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TorchZip,
    TorchLegacy,
    TorchScript,
    Paddle,
    Pickle,
    Npy,
    Npz,
    Keras,
    Hdf5,
    SavedModel,
    Checkpoint,
    Tflite,
    Onnx,
    Gguf,
    Flax,
    Blob,
    Compressed,
    Picture,
    Idx,
    Gzip,
    Zip,
    Text,
    LfsPointer,
    WebPage,
}

/// Error for a file of a recognized kind other than `.safetensors`. `path` is its name, if known.
pub(crate) fn recognize(bytes: &[u8], path: Option<&Path>) -> Option<Error> {
    // Start of a safetensors header: a damaged file, which the reader explains.
    if bytes.get(8) == Some(&b'{') {
        return None;
    }
    let name = path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let kind = by_bytes(bytes, &name).or_else(|| by_name(&name))?;
    let (is, fix) = kind.describe(if name.is_empty() { "FILE" } else { &name });
    Some(Error::NotSafetensors { is, fix })
}

/// True for a `PyTorch` checkpoint or another pickle with tensors, false for an archive of `NumPy` arrays.
pub(crate) fn archive_of_tensors(bytes: &[u8]) -> Option<bool> {
    /// Place of the magic in the header of a tar file, the container of the oldest checkpoints.
    const TAR: std::ops::Range<usize> = 257..262;
    match by_bytes(bytes, "") {
        Some(Kind::TorchZip | Kind::TorchLegacy | Kind::Pickle) => Some(true),
        Some(Kind::Npz) => Some(false),
        _ if bytes.get(TAR) == Some(b"ustar") => Some(true),
        _ => None,
    }
}

fn by_bytes(bytes: &[u8], name: &str) -> Option<Kind> {
    /// Magic of `torch.save` before its zip format.
    const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let kind = match bytes {
        _ if starts(&blob::MAGIC) => Kind::Blob,
        _ if starts(&container::MAGIC) => Kind::Compressed,
        _ if starts(b"PK\x03\x04") => archive(bytes),
        _ if starts(LEGACY) => Kind::TorchLegacy,
        [0x80, 2..=5, ..] if ends(bytes).any(|end| has(end, b"StructuredToParameterName@@")) => Kind::Paddle,
        [0x80, 2..=5, ..] => by_name(name).filter(|kind| *kind == Kind::Paddle).unwrap_or(Kind::Pickle),
        _ if starts(b"\x93NUMPY") => Kind::Npy,
        _ if starts(b"\x89HDF\r\n\x1a\n") => Kind::Hdf5,
        _ if starts(b"GGUF") => Kind::Gguf,
        [_, _, _, _, b'T', b'F', b'L', _, ..] => Kind::Tflite,
        _ if starts(b"\x89PNG") || starts(b"\xff\xd8\xff") => Kind::Picture,
        [0, 0, 8, 1 | 3 | 4, ..] => Kind::Idx,
        [0x1f, 0x8b, ..] => Kind::Gzip,
        // Protocol buffers: the format version, then the producer or the graphs.
        [8, 1, 0x12, ..] => Kind::SavedModel,
        [8, 3..=20, 0x12 | 0x3a, ..] => Kind::Onnx,
        _ if bytes.ends_with(&0xdb47_7524_8b80_fb57_u64.to_le_bytes()) => Kind::Checkpoint,
        _ if starts(b"model_checkpoint_path") => Kind::Checkpoint,
        _ if starts(b"version https://git-lfs") => Kind::LfsPointer,
        _ if starts(b"<!DOCTYPE") || starts(b"<!doctype") || starts(b"<html") => Kind::WebPage,
        _ => {
            let first = bytes.trim_ascii_start().first();
            return (first == Some(&b'{') && str::from_utf8(bytes).is_ok()).then_some(Kind::Text);
        }
    };
    Some(kind)
}

/// Kinds without a distinctive magic.
fn by_name(name: &str) -> Option<Kind> {
    let name = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".pdparams", ".pdopt", ".pdmodel", ".pdiparams"]) {
        Some(Kind::Paddle)
    } else if ends(&[".index", ".ckpt"]) || name.contains(".data-0") || name == "checkpoint" {
        Some(Kind::Checkpoint)
    } else if ends(&[".pth", ".pt"]) {
        Some(Kind::TorchZip)
    } else if ends(&[".onnx"]) {
        Some(Kind::Onnx)
    } else if ends(&[".pb"]) {
        Some(Kind::SavedModel)
    } else if ends(&[".msgpack", ".flax"]) {
        Some(Kind::Flax)
    } else {
        None
    }
}

/// Kind of a zip archive, by the names of its files: local headers at the start, the central directory at the end.
fn archive(bytes: &[u8]) -> Kind {
    let any = |name: &[u8]| ends(bytes).any(|end| has(end, name));
    if any(b"constants.pkl") {
        Kind::TorchScript
    } else if any(b"data.pkl") {
        Kind::TorchZip
    } else if any(b"model.weights.h5") {
        Kind::Keras
    } else if any(b".npy") {
        Kind::Npz
    } else {
        Kind::Zip
    }
}

fn ends(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    [&bytes[..bytes.len().min(ENDS)], &bytes[bytes.len().saturating_sub(ENDS)..]].into_iter()
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

impl Kind {
    /// Description of the kind, and how to convert the file `name`.
    fn describe(self, name: &str) -> (&'static str, String) {
        let torch = |state: &str| {
            format!(
                "in Python, `import json, torch; from safetensors.torch import save_file; state = {state}; save_file(state, \
                 \"model.safetensors\", {METADATA}; if the weights are one entry of several, take that one, such as \
                 `state[\"state_dict\"]`"
            )
        };
        let import = format!(
            "`pixelrnn import {name} --describe network.json -o model.safetensors` converts it, and without `--describe` lists \
             the tensors and suggests a description (docs/import.md)"
        );
        let loaded = || {
            let load = torch(&format!("torch.load({name:?}, map_location=\"cpu\", weights_only=True)"));
            format!("{import}; or {load}")
        };
        match self {
            Self::TorchZip => ("a PyTorch file (zip)", loaded()),
            Self::TorchLegacy => ("a PyTorch file (legacy pickle)", loaded()),
            Self::TorchScript => {
                ("a TorchScript file", torch(&format!("torch.jit.load({name:?}, map_location=\"cpu\").state_dict()")))
            }
            Self::Paddle => (
                "a PaddlePaddle file",
                arrays("paddle", &format!("{{k: v.numpy() for k, v in paddle.load({name:?}).items()}}")),
            ),
            Self::Pickle => (
                "a Python pickle",
                format!(
                    "a pickle can run arbitrary code: load it only if you trust it; {}",
                    arrays("pickle", SPELLED_OUT)
                ),
            ),
            Self::Npy => {
                ("a NumPy array (.npy)", arrays("numpy as np", &format!("{{\"first.weight\": np.load({name:?}), …}}")))
            }
            Self::Npz => {
                let convert = arrays("numpy as np", &format!("dict(np.load({name:?}))"));
                ("an archive of NumPy arrays (.npz)", format!("{import}; or {convert}"))
            }
            Self::Onnx => (
                "an ONNX graph",
                arrays(
                    "onnx",
                    &format!(
                        "{{t.name: onnx.numpy_helper.to_array(t) for t in onnx.load({name:?}).graph.initializer}}"
                    ),
                ),
            ),
            Self::Keras | Self::Hdf5 | Self::SavedModel | Self::Checkpoint | Self::Flax => self.channels_last(name),
            _ => self.without_weights(name),
        }
    }

    /// [`Kind::describe`] for kinds with kernels `[rows, columns, in, out]`.
    fn channels_last(self, name: &str) -> (&'static str, String) {
        let (is, line) = match self {
            Self::Keras => (
                "a Keras model",
                arrays("keras", &format!("{{v.path: v.numpy() for v in keras.saving.load_model({name:?}).variables}}")),
            ),
            Self::Hdf5 => ("an HDF5 file, as Keras writes them", arrays("h5py", SPELLED_OUT)),
            Self::SavedModel => (
                "a TensorFlow SavedModel",
                arrays("tensorflow as tf", "{v.name: v.numpy() for v in tf.saved_model.load(FOLDER).variables}"),
            ),
            Self::Flax => (
                "a Flax file (msgpack)",
                arrays(
                    "flax",
                    &format!(
                        "flax.traverse_util.flatten_dict(flax.serialization.msgpack_restore(open({name:?}, \
                         \"rb\").read()), sep=\".\")"
                    ),
                ),
            ),
            _ => (
                "part of a TensorFlow checkpoint",
                arrays(
                    "tensorflow as tf",
                    "{k: tf.train.load_variable(PREFIX, k) for k, _ in tf.train.list_variables(PREFIX)}",
                ),
            ),
        };
        (is, line + "; convert kernels `[rows, columns, in, out]` with `np.ascontiguousarray(k.transpose(3, 2, 0, 1))`")
    }

    /// [`Kind::describe`] for kinds without usable weights.
    fn without_weights(self, name: &str) -> (&'static str, String) {
        let (is, fix) = match self {
            Self::Tflite => ("a TensorFlow Lite model", "take the float model that it was made from"),
            Self::Gguf => ("a GGUF file", "it holds a language model, expected an image model"),
            Self::Blob => ("a blob (.prnn)", "name the trained model that it was made from"),
            Self::Compressed => ("a file of compressed images", "restore it with `pixelrnn decompress`"),
            Self::Picture => ("a picture", "images go where the command takes IMAGES"),
            Self::Idx => ("a set of images or labels (IDX)", "images go where the command takes IMAGES"),
            Self::LfsPointer => ("a Git LFS pointer instead of the file", "fetch the file itself, `git lfs pull`"),
            Self::WebPage => ("a web page", "download the file itself"),
            Self::Gzip => return ("a gzip file", format!("unpack it first, `gunzip -k {name:?}`")),
            Self::Text => {
                let line = format!("in Python, `save_file(weights, \"model.safetensors\", {METADATA}");
                return (
                    "JSON without weights",
                    format!("the description belongs in the metadata of the weights, {line}"),
                );
            }
            _ => ("a zip archive", "unpack it first"),
        };
        (is, fix.to_string())
    }
}

/// Placeholder for weights that only the user can name.
const SPELLED_OUT: &str = "{\"first.weight\": …}";

/// Python command that saves arrays with the names in `docs/trained-model.md`.
fn arrays(import: &str, read: &str) -> String {
    format!(
        "in Python, `import json, {import}; from safetensors.numpy import save_file; save_file({read}, \
         \"model.safetensors\", {METADATA}; names and shapes are those of docs/trained-model.md"
    )
}
