//! A network's tensors from those of a file: shapes, masks, and kernels with closed rows about them.

use super::error::{ImportError, SHOWN};
use super::parts::{self, Source, named};
use super::place::{self, Place, Wanted};
use super::stored::Contents;
use crate::description::{Description, ScaleNodes};
use crate::error::Error;
use crate::memory;
use crate::trained::buffers::StoredMask;
use crate::trained::{Tensor, TrainedModel};
use pixelrnn::network::Conv;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, BTreeSet};

/// Approximate working memory for each weight, in bytes.
const WORKING_BYTES: usize = 32;

/// Combines a description with the tensors of a file. `notes` takes a sentence for each thing that a reader should know.
///
/// # Errors
/// When tensors are missing, left over or of the wrong shape, when a mask differs, and when several parts of the file fit.
pub(super) fn fit(
    description: Description,
    contents: &Contents,
    key: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<TrainedModel, Error> {
    let scales = description.nodes_of_scales()?;
    let wanted = wanted(&scales);
    let place = place::find(contents, parts::join(contents), &wanted, key)?;
    report(&place, notes);
    let convolutions = convolutions(&scales);
    let mut used = BTreeSet::new();
    let mut weights = 0_usize;
    let mut chosen = Vec::new();
    // All shapes are checked before any tensor is read.
    for wanted in &wanted {
        let Some(source) = place.tensors.get(&wanted.name).copied() else { continue };
        let conv = convolutions.get(&wanted.name).map(|found| found.conv);
        let how = shape_of(contents, source, wanted, conv.as_ref())?;
        used.extend(source.indices());
        weights = weights.saturating_add(contents.tensors[source.shaped()].1.count());
        chosen.push((wanted, source, how));
    }
    let masks = masks(&place, &convolutions, &used);
    used.extend(masks.values().copied());
    check_left_over(contents, &place, &used)?;
    drop(memory::room_for::<u8>(weights.saturating_mul(WORKING_BYTES), "the weights")?);

    let mut tensors = BTreeMap::new();
    let mut joined = 0;
    for (wanted, source, how) in chosen {
        let mut tensor = source.read(contents)?;
        joined += usize::from(!matches!(source, Source::Plain(_)));
        let mask = masks.get(&wanted.name).copied();
        if let (Some(Convolution { conv, op }), Some(mask)) = (convolutions.get(&wanted.name), mask) {
            check_mask(contents, mask, op, conv, how.crop())?;
        }
        match how {
            How::AsIs => {}
            How::Reshaped => tensor.shape.clone_from(&wanted.shape),
            How::Cropped(first) => {
                tensor = cropped(contents, source, mask, &tensor, wanted, first)?;
                let full = &contents.tensors[source.shaped()];
                notes.push(format!(
                    "`{}`: the kernel {:?} of the file is closed outside {:?}",
                    full.0, full.1.shape, wanted.shape
                ));
            }
        }
        tensors.insert(wanted.name.clone(), tensor);
    }
    if joined > 0 {
        notes.push(format!("{joined} weights were stored in parts, by weight normalization or pruning"));
    }
    if !masks.is_empty() {
        notes.push(format!("{} stored masks equal those of the ops", masks.len()));
    }
    TrainedModel::new(description, tensors)
}

/// A convolution with the name of its op.
struct Convolution {
    conv: Conv,
    op: String,
}

/// Reading of a tensor whose shape is not as wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    AsIs,
    /// Other dimensions of size 1, as a linear layer has for a 1x1 convolution.
    Reshaped,
    /// A part of the kernel from this row and column on.
    Cropped([usize; 2]),
}

impl How {
    fn crop(self) -> Option<[usize; 2]> {
        if let Self::Cropped(first) = self { Some(first) } else { None }
    }
}

fn wanted(scales: &[ScaleNodes]) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for scale in scales {
        for node in &scale.nodes {
            node.tensors(scale.classes, |spec| {
                wanted.push(Wanted {
                    name: format!("{}{}", scale.prefix, spec.name),
                    shape: spec.shape.to_vec(),
                    required: spec.required,
                });
            });
        }
    }
    wanted
}

/// Convolutions by the names of their weights.
fn convolutions(scales: &[ScaleNodes]) -> BTreeMap<String, Convolution> {
    let mut all = BTreeMap::new();
    for scale in scales {
        for node in &scale.nodes {
            for (part, conv) in node.op.convolutions() {
                let name = format!("{}{}", scale.prefix, node.tensor_name(&format!("{part}weight")));
                all.insert(name, Convolution { conv, op: node.name.to_string() });
            }
        }
    }
    all
}

fn report(place: &Place, notes: &mut Vec<String>) {
    let Place { prefix, elsewhere: (count, keys), .. } = place;
    if !prefix.is_empty() {
        notes.push(format!("the tensors are those below `{}`", prefix.trim_end_matches('.')));
    }
    if *count > 0 {
        let shown: Vec<_> = keys.iter().take(SHOWN).map(|key| format!("`{key}`")).collect();
        let more = if keys.len() > SHOWN { ", …" } else { "" };
        let (tensors, are) = if *count == 1 { ("tensor", "is") } else { ("tensors", "are") };
        notes.push(format!("{count} {tensors} elsewhere {are} not read, below {}{more}", shown.join(", ")));
    }
}

/// Compares the shape of a tensor with the wanted one.
fn shape_of(contents: &Contents, source: Source, wanted: &Wanted, conv: Option<&Conv>) -> Result<How, Error> {
    let got = &contents.tensors[source.shaped()].1.shape;
    let expected = &wanted.shape;
    let long = |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|side| *side != 1).collect() };
    if got == expected {
        return Ok(How::AsIs);
    }
    if long(got) == long(expected) && got.iter().all(|side| *side > 0) {
        return Ok(How::Reshaped);
    }
    if let (Some(conv), &[out, inputs, rows, columns], [wanted_out, wanted_in, ..]) =
        (conv, got.as_slice(), &expected[..])
        && (out, inputs) == (*wanted_out, *wanted_in)
        && let (Some(row), Some(column)) =
            (crop(rows, conv.kernel[0], conv.anchor[0]), crop(columns, conv.kernel[1], conv.anchor[1]))
    {
        return Ok(How::Cropped([row, column]));
    }
    let hint = match (got.as_slice(), expected.as_slice()) {
        (&[rows, columns, inputs, out], wanted) if *wanted == [out, inputs, rows, columns] => {
            ": kernels `[rows, columns, in, out]` are converted by `np.ascontiguousarray(k.transpose(3, 2, 0, 1))`"
        }
        (&[a, b], &[c, d]) if [a, b] == [d, c] => ": transpose it, `x.T`",
        _ => "",
    };
    let tensor = named(contents, source.shaped());
    Err(ImportError::Shape { tensor, expected: expected.clone(), hint }.into())
}

/// First row of a kernel of `size` rows with this anchor in a centred kernel of `stored` rows.
fn crop(stored: usize, size: usize, anchor: usize) -> Option<usize> {
    // An even kernel has no agreed centre.
    let first = (stored / 2).checked_sub(anchor).filter(|_| stored % 2 == 1)?;
    (first + size <= stored).then_some(first)
}

/// Index of the stored mask of each convolution that has one, by the name of the weight. It is called `mask`, or is the only tensor
/// beside the weight with `mask` in its name.
fn masks(
    place: &Place,
    convolutions: &BTreeMap<String, Convolution>,
    used: &BTreeSet<usize>,
) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for weight in convolutions.keys() {
        let Some(stem) = weight.strip_suffix("weight") else { continue };
        let beside = place.tensors.range(stem.to_string()..).take_while(|(name, _)| name.starts_with(stem));
        let candidates: Vec<(&str, usize)> = beside
            .filter_map(|(name, source)| {
                let Source::Plain(index) = *source else { return None };
                let last = &name[stem.len()..];
                (!last.contains('.') && last.contains("mask") && !used.contains(&index)).then_some((last, index))
            })
            .collect();
        let exact = candidates.iter().find(|(last, _)| *last == "mask");
        let only = candidates.first().filter(|_| candidates.len() == 1);
        if let Some((_, index)) = exact.or(only) {
            found.insert(weight.clone(), *index);
        }
    }
    found
}

fn check_mask(contents: &Contents, mask: usize, op: &str, conv: &Conv, crop: Option<[usize; 2]>) -> Result<(), Error> {
    let (name, stored) = &contents.tensors[mask];
    let mut bytes = stored.bytes(name)?.into_owned();
    let mut shape = stored.shape.clone();
    if let Some(first) = crop
        && let [before @ .., rows, columns] = &stored.shape[..]
        && *rows > 1
        && *columns > 1
    {
        let size = element_size(stored.dtype);
        let maps: usize = before.iter().product();
        bytes = window(&bytes, maps, [*rows, *columns, size], first, conv.kernel);
        shape.truncate(before.len());
        shape.extend(conv.kernel);
    }
    let view = TensorView::new(stored.dtype, shape, &bytes)
        .map_err(|e| ImportError::Damaged { format: contents.is, what: format!("tensor `{name}`: {e}") })?;
    StoredMask::new(name.clone(), op.to_string(), conv, view).check()
}

fn element_size(dtype: Dtype) -> usize {
    (dtype.bitsize() / 8).max(1)
}

/// The part `kernel` from row and column `first` on of each of `maps` maps of `[rows, columns, size]` bytes. Empty rows where the
/// part does not lie in the map.
fn window<T: Copy>(
    data: &[T],
    maps: usize,
    [rows, columns, size]: [usize; 3],
    first: [usize; 2],
    kernel: [usize; 2],
) -> Vec<T> {
    let mut part = Vec::new();
    for row in (0..maps).flat_map(|map| (0..kernel[0]).map(move |u| map * rows + first[0] + u)) {
        let at = (row * columns + first[1]) * size;
        part.extend_from_slice(data.get(at..at + kernel[1] * size).unwrap_or_default());
    }
    part
}

/// The part of a kernel that the op has. Everything about it has to be zero, or closed by the stored mask.
fn cropped(
    contents: &Contents,
    source: Source,
    mask: Option<usize>,
    tensor: &Tensor,
    wanted: &Wanted,
    first: [usize; 2],
) -> Result<Tensor, Error> {
    let (&[out, inputs, rows, columns], &[_, _, height, width]) = (&tensor.shape[..], &wanted.shape[..]) else {
        let (tensor, expected) = (named(contents, source.shaped()), wanted.shape.clone());
        return Err(ImportError::Shape { tensor, expected, hint: "" }.into());
    };
    let open = mask.map(|mask| OpenTaps::read(contents, mask)).transpose()?;
    let full = [out, inputs, rows, columns];
    for (index, &value) in tensor.data.iter().enumerate().filter(|(_, value)| **value != 0.0) {
        let (u, v) = (index / columns % rows, index % columns);
        let inside = (first[0]..first[0] + height).contains(&u) && (first[1]..first[1] + width).contains(&v);
        if !inside && open.as_ref().is_none_or(|open| open.at(index, full)) {
            let (tensor, expected) = (named(contents, source.shaped()), wanted.shape.clone());
            return Err(ImportError::Cropped { tensor, expected, tap: [u, v], value }.into());
        }
    }
    let data = window(&tensor.data, out * inputs, [rows, columns, 1], first, [height, width]);
    Ok(Tensor { shape: wanted.shape.clone(), data })
}

/// A stored mask of any shape that broadcasts to the weight's.
struct OpenTaps {
    open: Vec<bool>,
    shape: Vec<usize>,
}

impl OpenTaps {
    fn read(contents: &Contents, mask: usize) -> Result<Self, Error> {
        let (name, stored) = &contents.tensors[mask];
        let bytes = stored.bytes(name)?;
        let open = bytes.chunks_exact(element_size(stored.dtype)).map(|number| number.iter().any(|byte| *byte != 0));
        Ok(Self { open: open.collect(), shape: stored.shape.clone() })
    }

    /// True if the mask opens the weight at `index` of a tensor of shape `full`. A mask that does not broadcast is open.
    fn at(&self, index: usize, full: [usize; 4]) -> bool {
        let (mut rest, mut at, mut step) = (index, 0, 1);
        for (n, side) in full.into_iter().enumerate().rev() {
            let own = (n + self.shape.len()).checked_sub(full.len()).map_or(1, |n| self.shape[n]);
            if own != 1 {
                at += rest % side * step;
                step *= own;
            }
            rest /= side;
        }
        self.open.get(at).copied().unwrap_or(true)
    }
}

/// Refuses tensors below the prefix that nothing reads, but for counters of batch normalization.
fn check_left_over(contents: &Contents, place: &Place, used: &BTreeSet<usize>) -> Result<(), Error> {
    let inside: BTreeSet<usize> = place.tensors.values().flat_map(|source| source.indices()).collect();
    let left: Vec<usize> = inside
        .into_iter()
        .filter(|index| !used.contains(index))
        .filter(|index| !contents.tensors[*index].0.ends_with("num_batches_tracked"))
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let tensors = left.iter().take(SHOWN).map(|index| named(contents, *index)).collect();
    Err(ImportError::LeftOver { tensors, more: left.len().saturating_sub(SHOWN) }.into())
}
