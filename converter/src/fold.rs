//! Folds batch normalization into convolutions: the engine has no such op.
//!
//! After a convolution, the normalization becomes part of its weights and bias. Anywhere else it becomes a diagonal 1x1
//! convolution. Folding it forward into the next convolution would be wrong at the image's edges, where zero padding
//! comes after the normalization.

use crate::description::{Description, NetworkSpec, OpKind, OpSpec};
use crate::error::Error;
use crate::trained::{Tensor, TrainedModel};
use pixelrnn::network::Mask;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Returns the model without batch normalization.
///
/// # Errors
/// When a folded weight overflows `f32`.
pub fn fold_batch_norms(model: &TrainedModel) -> Result<Cow<'_, TrainedModel>, Error> {
    let NetworkSpec::Ops(ops) = &model.description().network else { return Ok(Cow::Borrowed(model)) };
    if !contains_batch_norm(ops) {
        return Ok(Cow::Borrowed(model));
    }
    let mut tensors = model.tensors().clone();
    let ops = fold_list(ops, &mut tensors, &names_read(ops));
    let description = Description { network: NetworkSpec::Ops(ops), ..model.description().clone() };
    TrainedModel::new(description, tensors).map(Cow::Owned)
}

fn contains_batch_norm(ops: &[OpSpec]) -> bool {
    ops.iter().any(|op| match &op.kind {
        OpKind::BatchNorm { .. } => true,
        OpKind::Residual { ops, .. } => contains_batch_norm(ops),
        _ => false,
    })
}

/// Names of values that ops of the list read.
fn names_read(ops: &[OpSpec]) -> BTreeSet<&str> {
    ops.iter()
        .flat_map(|op| {
            let inner = if let OpKind::Residual { ops, .. } = &op.kind { names_read(ops) } else { BTreeSet::new() };
            op.inputs.iter().map(String::as_str).chain(inner).collect::<Vec<_>>()
        })
        .collect()
}

fn fold_list(ops: &[OpSpec], tensors: &mut BTreeMap<String, Tensor>, read: &BTreeSet<&str>) -> Vec<OpSpec> {
    let mut folded: Vec<OpSpec> = Vec::with_capacity(ops.len());
    for op in ops {
        match &op.kind {
            OpKind::BatchNorm { name, eps } => {
                let norm = Affine::take(name, *eps, tensors);
                let conv = folded.last_mut().filter(|last| reads_only(op, last, read));
                if let Some((last, conv)) = conv.and_then(|last| Some((last.kind.conv_name()?.to_string(), last))) {
                    norm.fold_into(&last, tensors);
                    conv.value.clone_from(&op.value);
                } else {
                    folded.push(OpSpec { kind: norm.into_conv(name, tensors), ..op.clone() });
                }
            }
            OpKind::Residual { ops, scale } => {
                let kind = OpKind::Residual { ops: fold_list(ops, tensors, read), scale: *scale };
                folded.push(OpSpec { kind, ..op.clone() });
            }
            _ => folded.push(op.clone()),
        }
    }
    folded
}

/// True if `op`, the next in the list, reads what `last` makes, and no other op does.
fn reads_only(op: &OpSpec, last: &OpSpec, read: &BTreeSet<&str>) -> bool {
    match (&last.value, op.inputs.as_slice()) {
        (None, []) => true,
        (Some(value), []) => !read.contains(value.as_str()),
        // Another op may read it by the same name.
        (_, _) => false,
    }
}

/// Elementwise affine map `y = factor · x + offset`, one factor and offset per feature.
struct Affine {
    factor: Vec<f64>,
    offset: Vec<f64>,
}

impl Affine {
    /// Removes the tensors of the normalization `name` and computes its map.
    fn take(name: &str, eps: f32, tensors: &mut BTreeMap<String, Tensor>) -> Self {
        let mut numbers = |suffix: &str| -> Vec<f64> {
            let tensor = tensors.remove(&format!("{name}.{suffix}")).unwrap_or_default();
            tensor.data.into_iter().map(f64::from).collect()
        };
        let (weight, bias) = (numbers("weight"), numbers("bias"));
        let (mean, variance) = (numbers("running_mean"), numbers("running_var"));
        let factor: Vec<f64> =
            weight.iter().zip(variance).map(|(weight, variance)| weight / (variance + f64::from(eps)).sqrt()).collect();
        let offset = bias.iter().zip(mean).zip(&factor).map(|((bias, mean), factor)| bias - mean * factor).collect();
        Self { factor, offset }
    }

    /// Applies the map to the output of the convolution `name`.
    fn fold_into(&self, name: &str, tensors: &mut BTreeMap<String, Tensor>) {
        for suffix in ["weight", "class.weight"] {
            let Some(tensor) = tensors.get_mut(&format!("{name}.{suffix}")) else { continue };
            let row = (tensor.data.len() / self.factor.len().max(1)).max(1);
            for (row, factor) in tensor.data.chunks_exact_mut(row).zip(&self.factor) {
                for weight in row {
                    *weight = (f64::from(*weight) * factor) as f32;
                }
            }
        }
        let count = self.factor.len();
        let bias = tensors
            .entry(format!("{name}.bias"))
            .or_insert_with(|| Tensor { shape: vec![count], data: vec![0.0; count] });
        for ((bias, factor), offset) in bias.data.iter_mut().zip(&self.factor).zip(&self.offset) {
            *bias = (f64::from(*bias) * factor + offset) as f32;
        }
    }

    /// Turns the map into a diagonal 1x1 convolution named `name`.
    fn into_conv(self, name: &str, tensors: &mut BTreeMap<String, Tensor>) -> OpKind {
        let count = self.factor.len();
        let mut weight = vec![0.0; count * count];
        for (feature, factor) in self.factor.iter().enumerate() {
            weight[feature * count + feature] = *factor as f32;
        }
        let offset = self.offset.iter().map(|x| *x as f32).collect();
        tensors.insert(format!("{name}.weight"), Tensor { shape: vec![count, count, 1, 1], data: weight });
        tensors.insert(format!("{name}.bias"), Tensor { shape: vec![count], data: offset });
        OpKind::MaskedConv { name: name.into(), mask: Mask::B, kernel: [1, 1], out: count, dilation: 1, parts: 1 }
    }
}
