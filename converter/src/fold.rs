//! Folds batch normalization into convolutions: the engine has no such op.
//!
//! A normalization of what a convolution makes becomes part of its weights and bias, if nothing else reads that value. Any other
//! becomes a diagonal 1x1 convolution. Folding it forward into the next convolution would be wrong at the image's edges, where
//! zero padding comes after the normalization.

use crate::description::{Description, NetworkSpec, OpKind, OpSpec};
use crate::error::Error;
use crate::trained::{Tensor, TrainedModel};
use pixelrnn::network::{ColourGroups, Features, Mask, Node, Op};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Returns the model without batch normalization, but for one of features that no convolution can deal to colours as they are.
///
/// # Errors
/// When a folded weight overflows `f32`.
pub fn fold_batch_norms(model: &TrainedModel) -> Result<Cow<'_, TrainedModel>, Error> {
    let description = model.description();
    let NetworkSpec::Ops(ops) = &description.network else { return Ok(Cow::Borrowed(model)) };
    let norms = Norms::of(ops, model.nodes(), description.colour_groups);
    if norms.0.is_empty() {
        return Ok(Cow::Borrowed(model));
    }
    let mut tensors = model.tensors().clone();
    let ops = fold_list(&norms.gathered(ops), &mut tensors, &norms);
    let description = Description { network: NetworkSpec::Ops(ops), ..description.clone() };
    TrainedModel::new(description, tensors).map(Cow::Owned)
}

/// Place of a normalization.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// Part of the convolution `conv`, by way of `after`: the convolution or another normalization.
    Into { conv: String, after: String },
    /// A 1x1 convolution, whose features are dealt to colours in so many parts.
    Diagonal { parts: usize },
    /// It stays: the groups of its features are not those of any convolution.
    Stays,
}

/// Normalizations by name.
struct Norms(BTreeMap<String, Fate>);

impl Norms {
    fn of(ops: &[OpSpec], nodes: &[Node], order: ColourGroups) -> Self {
        let convolutions: BTreeSet<&str> = each(ops).filter_map(|op| op.kind.conv_name()).collect();
        let mut reads = vec![0; nodes.len() + 1];
        for node in nodes {
            for &input in &node.inputs[..node.op.arity()] {
                reads[input] += 1;
            }
        }
        let mut norms = BTreeMap::<String, Fate>::new();
        for node in nodes.iter().filter(|node| matches!(node.op, Op::BatchNorm { .. })) {
            let input = node.inputs[0];
            let made_by = input.checked_sub(1).map(|n| &nodes[n]).filter(|_| reads[input] == 1);
            let conv = made_by.and_then(|made_by| match (&made_by.op, norms.get(made_by.name.as_str())) {
                (Op::Conv(_), _) => convolutions.get(made_by.name.as_str()).map(ToString::to_string),
                (_, Some(Fate::Into { conv, .. })) => Some(conv.clone()),
                _ => None,
            });
            let fate = match (conv, made_by) {
                (Some(conv), Some(made_by)) => Fate::Into { conv, after: made_by.name.to_string() },
                _ => parts_of(&node.features, order).map_or(Fate::Stays, |parts| Fate::Diagonal { parts }),
            };
            norms.insert(node.name.to_string(), fate);
        }
        Self(norms)
    }

    fn fate(&self, name: &str) -> &Fate {
        self.0.get(name).unwrap_or(&Fate::Stays)
    }

    /// The list with each convolution right before the normalization that goes into it.
    fn gathered<'o>(&self, ops: &'o [OpSpec]) -> Cow<'o, [OpSpec]> {
        if self.are_gathered(ops) {
            return Cow::Borrowed(ops);
        }
        let mut names = each(ops).filter_map(|op| op.value.clone()).collect();
        let explicit = explicit(ops, "image", &mut names);
        let mut waiting = BTreeMap::new();
        Cow::Owned(self.moved(explicit, &mut waiting))
    }

    fn are_gathered(&self, ops: &[OpSpec]) -> bool {
        let mut before = None;
        ops.iter().all(|op| {
            let right = match &op.kind {
                OpKind::Residual { ops, .. } => self.are_gathered(ops),
                kind => self.after(kind).is_none_or(|after| before == Some(after)),
            };
            before = op.kind.name();
            right
        })
    }

    /// The op that a normalization that goes into a convolution follows.
    fn after(&self, kind: &OpKind) -> Option<&str> {
        match (kind, self.fate(kind.name()?)) {
            (OpKind::BatchNorm { .. }, Fate::Into { after, .. }) => Some(after),
            _ => None,
        }
    }

    /// Takes out what a normalization waits for, by name, and puts it before the normalization.
    fn moved(&self, ops: Vec<OpSpec>, waiting: &mut BTreeMap<String, Vec<OpSpec>>) -> Vec<OpSpec> {
        let followed =
            |name: &str| self.0.values().any(|fate| matches!(fate, Fate::Into { after, .. } if after == name));
        let mut moved = Vec::with_capacity(ops.len());
        for mut op in ops {
            if let OpKind::Residual { ops, .. } = &mut op.kind {
                *ops = self.moved(std::mem::take(ops), waiting);
            }
            let mut chain = self.after(&op.kind).and_then(|after| waiting.remove(after)).unwrap_or_default();
            let name = op.kind.name().filter(|name| followed(name)).map(str::to_string);
            chain.push(op);
            match name {
                Some(name) => drop(waiting.insert(name, chain)),
                None => moved.extend(chain),
            }
        }
        moved
    }
}

/// All ops, those of branches too.
fn each(ops: &[OpSpec]) -> Box<dyn Iterator<Item = &OpSpec> + '_> {
    Box::new(ops.iter().flat_map(|op| {
        let branch: &[OpSpec] = if let OpKind::Residual { ops, .. } = &op.kind { ops } else { &[] };
        std::iter::once(op).chain(each(branch))
    }))
}

/// The list with a name for every value, `names` being those taken, and every op reading by name. `latest` is what the first reads.
fn explicit(ops: &[OpSpec], latest: &str, names: &mut BTreeSet<String>) -> Vec<OpSpec> {
    let mut latest = latest.to_string();
    let mut named = Vec::with_capacity(ops.len());
    for op in ops {
        let mut op = op.clone();
        if op.inputs.is_empty() && !matches!(op.kind, OpKind::Ones {} | OpKind::SkipSum {}) {
            op.inputs.push(latest.clone());
        }
        if let OpKind::Residual { ops, .. } = &mut op.kind {
            *ops = explicit(ops, &op.inputs[0], names);
        }
        if !matches!(op.kind, OpKind::Skip { .. }) {
            latest.clone_from(op.value.get_or_insert_with(|| fresh(names)));
        }
        named.push(op);
    }
    named
}

/// A name of a value that is not taken yet.
fn fresh(names: &mut BTreeSet<String>) -> String {
    let mut numbers = names.len()..;
    loop {
        let name = format!("value {}", numbers.next().unwrap_or_default());
        if names.insert(name.clone()) {
            return name;
        }
    }
}

/// Number of parts in which a convolution deals features as `features` are. `None` if it cannot.
fn parts_of(features: &Features, order: ColourGroups) -> Option<usize> {
    let parts = features.rule().map_or(1, |(part, _)| features.count / part.max(1));
    [1, parts]
        .into_iter()
        .find(|parts| Features::dealt(features.count, features.groups, *parts, order) == Some(*features))
}

fn fold_list(ops: &[OpSpec], tensors: &mut BTreeMap<String, Tensor>, norms: &Norms) -> Vec<OpSpec> {
    let mut folded: Vec<OpSpec> = Vec::with_capacity(ops.len());
    for op in ops {
        match &op.kind {
            OpKind::BatchNorm { name, eps } => match norms.fate(name) {
                Fate::Into { conv, .. } => {
                    Affine::take(name, *eps, tensors).fold_into(conv, tensors);
                    if let Some(conv) = folded.last_mut() {
                        conv.value.clone_from(&op.value);
                    }
                }
                Fate::Diagonal { parts } => {
                    let kind = Affine::take(name, *eps, tensors).into_conv(name, *parts, tensors);
                    folded.push(OpSpec { kind, ..op.clone() });
                }
                Fate::Stays => folded.push(op.clone()),
            },
            OpKind::Residual { ops, scale } => {
                let kind = OpKind::Residual { ops: fold_list(ops, tensors, norms), scale: *scale };
                folded.push(OpSpec { kind, ..op.clone() });
            }
            _ => folded.push(op.clone()),
        }
    }
    folded
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
    fn into_conv(self, name: &str, parts: usize, tensors: &mut BTreeMap<String, Tensor>) -> OpKind {
        let count = self.factor.len();
        let mut weight = vec![0.0; count * count];
        for (feature, factor) in self.factor.iter().enumerate() {
            weight[feature * count + feature] = *factor as f32;
        }
        let offset = self.offset.iter().map(|x| *x as f32).collect();
        tensors.insert(format!("{name}.weight"), Tensor { shape: vec![count, count, 1, 1], data: weight });
        tensors.insert(format!("{name}.bias"), Tensor { shape: vec![count], data: offset });
        OpKind::MaskedConv { name: name.into(), mask: Mask::B, kernel: [1, 1], out: count, dilation: 1, parts }
    }
}

#[cfg(test)]
mod tests;
