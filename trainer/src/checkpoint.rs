//! Checkpoints, from which a run resumes with an identical result.

use crate::error::Error;
use crate::trainer::Trainer;
use pixelrnn_converter::files::{display_name, write_atomically};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const KEY: &str = "pixelrnn-train";

/// Metadata of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Settings of model and training as JSON. A run with different settings cannot resume.
    pub settings: String,
    /// Identities of the training and validation images.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// Completed epochs.
    pub epochs: u64,
    /// Completed steps.
    pub steps: u64,
    /// Best validation likelihood so far, in nats per image.
    pub best: Option<f64>,
    /// Epochs since the best one.
    #[serde(default)]
    pub since_best: u64,
}

/// Tensor groups of a checkpoint, each in network order.
const GROUPS: [&str; 4] = ["weight", "first", "second", "average"];

fn groups(trainer: &Trainer) -> [&Vec<Vec<f32>>; 4] {
    let o = &trainer.optimizer;
    [&trainer.weights, &o.first, &o.second, &o.average]
}

/// Writes a checkpoint to `path` atomically.
pub(crate) fn save(path: &Path, trainer: &Trainer, progress: &Progress) -> Result<(), Error> {
    let mut raw = Vec::new();
    for (group, tensors) in GROUPS.iter().zip(groups(trainer)) {
        for (parameter, values) in trainer.network.parameters().zip(tensors) {
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            raw.push((format!("{group}/{}", parameter.name), parameter.shape.clone(), bytes));
        }
    }
    let fail = |e: &dyn std::fmt::Display| Error::other(format!("cannot write {}: {e}", display_name(path)));
    let views = raw
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| fail(&e))?;
    let json = serde_json::to_string(progress).map_err(|e| fail(&e))?;
    let bytes = safetensors::serialize(views, Some(HashMap::from([(KEY.to_string(), json)]))).map_err(|e| fail(&e))?;
    write_atomically(path, |out| out.write_all(&bytes)).map_err(|e| Error::other(e.to_string()))
}

pub(crate) fn damaged(path: &Path, e: &dyn std::fmt::Display) -> Error {
    Error::other(format!("{}: not a whole checkpoint: {e}", display_name(path)))
}

fn read(path: &Path) -> Result<(Vec<u8>, Progress), Error> {
    let damaged = |e: &dyn std::fmt::Display| damaged(path, e);
    let bytes = std::fs::read(path).map_err(|e| Error::other(format!("cannot read {}: {e}", display_name(path))))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(&e))?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| damaged(&"no progress in it"))?;
    let progress = serde_json::from_str(json).map_err(|e| damaged(&e))?;
    Ok((bytes, progress))
}

/// Progress stored in the checkpoint at `path`.
pub(crate) fn progress(path: &Path) -> Result<Progress, Error> {
    read(path).map(|(_, progress)| progress)
}

/// Restores `trainer` from the checkpoint at `path`.
pub(crate) fn load(path: &Path, trainer: &mut Trainer) -> Result<(), Error> {
    let damaged = |e: &dyn std::fmt::Display| damaged(path, e);
    let (bytes, progress) = self::read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&e))?;
    let mut read = Vec::new();
    for group in GROUPS {
        let mut tensors = Vec::new();
        for parameter in trainer.network.parameters() {
            let tensor = file.tensor(&format!("{group}/{}", parameter.name)).map_err(|e| damaged(&e))?;
            if tensor.shape() != parameter.shape || tensor.dtype() != Dtype::F32 {
                return Err(damaged(&format!("`{}` is of another shape than the network's", parameter.name)));
            }
            let floats = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            tensors.push(floats.collect::<Vec<f32>>());
        }
        read.push(tensors);
    }
    let mut read = read.into_iter();
    let mut next = || read.next().unwrap_or_default();
    trainer.weights = next();
    trainer.optimizer.first = next();
    trainer.optimizer.second = next();
    trainer.optimizer.average = next();
    trainer.optimizer.step = progress.steps;
    Ok(())
}
