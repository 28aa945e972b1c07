//! Weights that are stored in parts: weight normalization, in both spellings, and pruning.

use super::error::{ImportError, Named};
use super::stored::{Contents, Stored};
use crate::error::Error;
use crate::trained::Tensor;
use std::collections::BTreeMap;

/// A tensor of the file, or one that is made of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The tensor with this index.
    Plain(usize),
    /// `g · v / |v|`, the norm taken over the dimensions in which g has size 1.
    WeightNorm {
        /// Magnitude.
        g: usize,
        /// Direction.
        v: usize,
    },
    /// `weight · mask`, as `torch.nn.utils.prune` stores it.
    Pruned {
        /// All weights.
        weight: usize,
        /// Zeros and ones.
        mask: usize,
    },
}

impl Source {
    /// Indices of the tensors that it consumes.
    pub fn indices(self) -> Vec<usize> {
        match self {
            Self::Plain(index) => vec![index],
            Self::WeightNorm { g: first, v: second } | Self::Pruned { weight: first, mask: second } => {
                vec![first, second]
            }
        }
    }

    /// Index of the tensor that has the shape of the whole.
    pub fn shaped(self) -> usize {
        match self {
            Self::Plain(index) | Self::WeightNorm { v: index, .. } | Self::Pruned { weight: index, .. } => index,
        }
    }

    /// The whole tensor.
    ///
    /// # Errors
    /// When a part cannot be read, and when the parts have shapes that do not belong together.
    pub fn read(self, contents: &Contents) -> Result<Tensor, Error> {
        let part = |index: usize| {
            let (name, stored) = &contents.tensors[index];
            stored.read(name)
        };
        match self {
            Self::Plain(index) => part(index),
            Self::WeightNorm { g, v } => normalized(&part(g)?, part(v)?).ok_or_else(|| apart(contents, [g, v])),
            Self::Pruned { weight, mask } => {
                let (mut whole, mask) = (part(weight)?, part(mask)?);
                whole.data.iter_mut().zip(&mask.data).for_each(|(weight, open)| *weight *= open);
                Ok(whole)
            }
        }
    }
}

/// Endings of the two parts, and of the whole.
const SPELLINGS: [[&str; 3]; 4] = [
    [".parametrizations.weight.original0", ".parametrizations.weight.original1", ".weight"],
    [".parametrizations.bias.original0", ".parametrizations.bias.original1", ".bias"],
    ["_g", "_v", ""],
    ["_orig", "_mask", ""],
];

/// All tensors by name, with those that are made of parts. Parts remain beside the whole.
pub(super) fn join(contents: &Contents) -> BTreeMap<String, Source> {
    let places = contents.tensors.iter().enumerate().map(|(n, (name, _))| (name.as_str(), n));
    let by_name: BTreeMap<&str, usize> = places.collect();
    let mut all: BTreeMap<String, Source> =
        by_name.iter().map(|(name, index)| ((*name).to_string(), Source::Plain(*index))).collect();
    for (name, &first) in &by_name {
        for [one, other, whole] in SPELLINGS {
            let Some(stem) = name.strip_suffix(one) else { continue };
            let Some(&second) = by_name.get(format!("{stem}{other}").as_str()) else { continue };
            let source = if one == "_orig" {
                Source::Pruned { weight: first, mask: second }
            } else {
                Source::WeightNorm { g: first, v: second }
            };
            // A tensor that is stored whole has precedence; its parts are left over then, which is an error.
            if fits(contents, source) {
                all.entry(format!("{stem}{whole}")).or_insert(source);
            }
        }
    }
    all
}

/// True if the shapes of the parts belong together.
fn fits(contents: &Contents, source: Source) -> bool {
    let shape = |index: usize| &contents.tensors[index].1.shape;
    match source {
        Source::Plain(_) => true,
        Source::WeightNorm { g, v } => broadcasts(shape(g), shape(v)),
        Source::Pruned { weight, mask } => shape(weight) == shape(mask),
    }
}

/// True if a magnitude of shape `g` belongs to a direction of shape `v`: one for each of some dimensions, or one for all.
fn broadcasts(g: &[usize], v: &[usize]) -> bool {
    g.is_empty() || (g.len() == v.len() && g.iter().zip(v).all(|(&g, &v)| g == v || g == 1))
}

/// `g · v / |v|`, in double precision.
fn normalized(g: &Tensor, mut v: Tensor) -> Option<Tensor> {
    if !broadcasts(&g.shape, &v.shape) {
        return None;
    }
    // Index of the magnitude of each weight.
    let mut steps = vec![0; v.shape.len()];
    let mut step = 1;
    for (n, &side) in g.shape.iter().enumerate().rev() {
        steps[n] = if side == 1 { 0 } else { step };
        step *= side;
    }
    let group = |index: usize| {
        let mut rest = index;
        let mut at = 0;
        for (n, &side) in v.shape.iter().enumerate().rev() {
            at += steps[n] * (rest % side);
            rest /= side;
        }
        at
    };
    let groups: Vec<usize> = (0..v.data.len()).map(group).collect();
    let mut squares = vec![0.0_f64; g.data.len()];
    for (weight, &group) in v.data.iter().zip(&groups) {
        *squares.get_mut(group)? += f64::from(*weight) * f64::from(*weight);
    }
    for (weight, &group) in v.data.iter_mut().zip(&groups) {
        *weight = (f64::from(g.data[group]) * f64::from(*weight) / squares[group].sqrt()) as f32;
    }
    Some(v)
}

fn apart(contents: &Contents, parts: [usize; 2]) -> Error {
    ImportError::Parts { parts: Box::new(parts.map(|index| named(contents, index))) }.into()
}

/// Name and shape of a tensor of the file.
pub(super) fn named(contents: &Contents, index: usize) -> Named {
    let (name, Stored { shape, .. }) = &contents.tensors[index];
    Named { name: name.clone(), shape: shape.clone() }
}
