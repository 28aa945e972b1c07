//! Trained models: network description and float weights in `.safetensors` files.

pub(crate) mod buffers;
mod closed;
pub(crate) mod foreign;
mod similar;

pub use closed::ClosedWeights;

use crate::description::{Description, ScaleNodes};
use crate::error::Error;
use crate::files;
use crate::memory;
use half::{bf16, f16};
use pixelrnn::network::{Conv, Node, Op};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Metadata key of the description.
pub const METADATA_KEY: &str = "pixelrnn";

/// Approximate working memory per weight, in bytes.
const WORKING_BYTES: usize = 32;

/// Tensor of `f32`, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// Elements, row-major: the product of `shape`.
    pub data: Vec<f32>,
}

/// A validated network with its weights.
///
/// All required tensors are present with the right shapes, none is left over, and all values are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    description: Description,
    nodes: Vec<Node>,
    /// Nodes that make the conditioning map from the smaller image.
    upsample: Vec<Node>,
    /// Those of this scale, without its prefix.
    tensors: BTreeMap<String, Tensor>,
    /// Model of the smaller image.
    small: Option<Box<TrainedModel>>,
}

impl TrainedModel {
    /// Combines a description with its tensors. In a model of several scales those of entry n begin with `scales.n.`.
    ///
    /// # Errors
    /// When the description is invalid (see [`Description::nodes`]), when tensors are missing, left over or of the
    /// wrong shape, and when a value is not finite or a `running_var` is negative.
    pub fn new(description: Description, mut tensors: BTreeMap<String, Tensor>) -> Result<Self, Error> {
        let all = description.nodes_of_scales()?;
        check_shapes(&all, |name| tensors.get(name).map(|t| t.shape.as_slice()), tensors.keys())?;
        for (name, tensor) in &tensors {
            check_numbers(name, tensor)?;
        }
        for ScaleNodes { prefix, nodes, .. } in &all {
            for node in nodes.iter().filter(|node| matches!(node.op, Op::BatchNorm { .. })) {
                check_variance(&tensors, &format!("{prefix}{}", node.tensor_name("running_var")))?;
            }
        }
        let count = all.len();
        if count == 1 {
            return Self::of_scale(description, tensors, None);
        }
        let mut model = None;
        for (scale, description) in description.scales().into_iter().enumerate() {
            let prefix = &all[scale].prefix;
            let mut own = BTreeMap::new();
            let mut others = BTreeMap::new();
            for (name, tensor) in std::mem::take(&mut tensors) {
                match name.strip_prefix(prefix) {
                    Some(short) => own.insert(short.to_string(), tensor),
                    None => others.insert(name, tensor),
                };
            }
            tensors = others;
            model = Some(Self::of_scale(description.clone(), own, model.map(Box::new))?);
        }
        model.ok_or(Error::NoNetwork)
    }

    /// Model whose tensors are checked.
    fn of_scale(
        description: Description,
        tensors: BTreeMap<String, Tensor>,
        small: Option<Box<TrainedModel>>,
    ) -> Result<Self, Error> {
        let (nodes, upsample) = (description.nodes()?, description.upsample_nodes()?);
        Ok(Self { description, nodes, upsample, tensors, small })
    }

    /// Reads the `.safetensors` file at `path`. `-` is standard input.
    ///
    /// # Errors
    /// When the file cannot be read; see also [`TrainedModel::from_bytes`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        Self::from_file(&bytes, path)
    }

    /// Parses the bytes of the file at `path`. Errors name the file.
    ///
    /// # Errors
    /// See [`TrainedModel::from_bytes`]. Files of other kinds are recognized by content and name.
    pub fn from_file(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        Self::parse(bytes, Some(path)).map_err(|e| e.in_file(files::display_name(path)))
    }

    /// Parses a `.safetensors` file from untrusted bytes.
    ///
    /// # Errors
    /// When the file is damaged or truncated, when its metadata has no description, and when a tensor is not f32, f16
    /// or bf16. See also [`Description::from_json`] and [`TrainedModel::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse(bytes, None)
    }

    fn parse(bytes: &[u8], path: Option<&Path>) -> Result<Self, Error> {
        let damaged = |e: safetensors::SafeTensorError| Error::Safetensors(e.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|e| foreign::recognize(bytes, path).unwrap_or_else(|| damaged(e)))?;
        let json = metadata.metadata().as_ref().and_then(|m| m.get(METADATA_KEY)).ok_or(Error::NoMetadata)?;
        let description = Description::from_json(json)?;
        let all = description.nodes_of_scales()?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;

        // Shapes are checked before any conversion.
        let mut views: BTreeMap<String, TensorView> =
            file.iter().map(|(name, view)| (name.to_string(), view)).collect();
        let masks: Vec<_> = all.iter().flat_map(|scale| buffers::take(scale, &mut views)).collect();
        check_shapes(&all, |name| views.get(name).map(TensorView::shape), views.keys())?;
        masks.iter().try_for_each(buffers::StoredMask::check)?;
        // Fails early if the memory for the conversion is not available.
        let numbers = views.values().map(|view| view.shape().iter().product::<usize>());
        let bytes = numbers.fold(0, usize::saturating_add).saturating_mul(WORKING_BYTES);
        drop(memory::room_for::<u8>(bytes, "the weights")?);
        let tensors = views
            .into_iter()
            .map(|(name, view)| convert(&name, &view).map(|tensor| (name, tensor)))
            .collect::<Result<_, _>>()?;
        Self::new(description, tensors)
    }

    /// Serializes to `.safetensors` with f32 tensors. Deterministic.
    ///
    /// # Errors
    /// When the format cannot represent the model.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let unsound = |e: safetensors::SafeTensorError| Error::Safetensors(e.to_string());
        let all = self.all_tensors();
        let raw: Vec<(&str, &Tensor, Vec<u8>)> = all
            .iter()
            .map(|(name, tensor)| (name.as_str(), *tensor, tensor.data.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let views = raw
            .iter()
            .map(|(name, tensor, bytes)| {
                TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map(|view| (*name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(unsound)?;
        let metadata = HashMap::from([(METADATA_KEY.to_string(), self.description.to_json())]);
        safetensors::serialize(views, Some(metadata)).map_err(unsound)
    }

    /// Writes the model to `path` atomically. `-` is standard output.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let bytes = self.to_bytes()?;
        files::write_output(path, |out| out.write_all(&bytes))
    }

    /// Description of the network.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Nodes in topological order. The last one computes the logits.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Nodes that make the conditioning map from the smaller image, in topological order. Empty without one.
    pub fn upsample_nodes(&self) -> &[Node] {
        &self.upsample
    }

    /// Model of the next smaller image, in a model of several scales.
    pub fn small(&self) -> Option<&TrainedModel> {
        self.small.as_deref()
    }

    /// The scales, from the smallest image to the largest; a model of one scale is its only one.
    pub fn scales(&self) -> Vec<&TrainedModel> {
        let mut scales = vec![self];
        while let Some(small) = scales.last().and_then(|scale| scale.small()) {
            scales.push(small);
        }
        scales.reverse();
        scales
    }

    /// Tensors of this scale by name, without the prefix that a file of several scales has.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Tensors of all scales by their names in a file.
    pub fn all_tensors(&self) -> Vec<(String, &Tensor)> {
        let scales = self.scales();
        let named = scales.iter().enumerate().flat_map(|(scale, model)| {
            let prefix = if scales.len() > 1 { format!("scales.{scale}.") } else { String::new() };
            model.tensors.iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
        });
        named.collect()
    }

    /// Tensor `suffix` of `node`, such as `"weight"` or `"left.initial.h"`. `None` if it is optional and absent.
    pub fn tensor(&self, node: &Node, suffix: &str) -> Option<&Tensor> {
        self.tensors.get(node.tensor_name(suffix).as_str())
    }

    /// Nonzero weights under closed taps, if any.
    pub fn closed_weights(&self) -> Option<ClosedWeights> {
        closed::find(self)
    }

    /// Description, nodes and tensors.
    pub fn into_parts(self) -> (Description, Vec<Node>, BTreeMap<String, Tensor>) {
        (self.description, self.nodes, self.tensors)
    }
}

/// Weight of `conv`, `[out, in, kh, kw]`, with closed taps set to 0, whether or not the file stores it masked.
///
/// # Panics
/// When `weight` is shorter than its shape.
pub fn masked_weight(conv: &Conv, weight: &Tensor) -> Vec<f32> {
    let mut masked = weight.data.clone();
    closed::each_tap(conv, |index, [u, v, from, to]| {
        if !conv.open(u, v, from, to) {
            masked[index] = 0.0;
        }
    });
    masked
}

/// True if the metadata of a `.safetensors` file have a description; `None` if its header is damaged.
pub(crate) fn has_description(bytes: &[u8]) -> Option<bool> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    Some(header.metadata().as_ref().is_some_and(|metadata| metadata.contains_key(METADATA_KEY)))
}

/// Compares the names and shapes of the tensors in a file with the description's.
fn check_shapes<'a>(
    scales: &[ScaleNodes],
    shape_of: impl Fn(&str) -> Option<&'a [usize]>,
    there: impl Iterator<Item = &'a String>,
) -> Result<(), Error> {
    let mut missing: Vec<(String, Vec<usize>)> = Vec::new();
    let mut wrong = None;
    let mut known = BTreeSet::new();
    for (scale, node) in scales.iter().flat_map(|scale| scale.nodes.iter().map(move |node| (scale, node))) {
        node.tensors(scale.classes, |spec| {
            let name = format!("{}{}", scale.prefix, spec.name);
            match shape_of(&name) {
                Some(got) if *got == *spec.shape => {}
                Some(got) => {
                    let (name, got, expected) = (name.clone(), got.to_vec(), spec.shape.to_vec());
                    wrong.get_or_insert(Error::Shape { name, got, expected });
                }
                None if spec.required => missing.push((name.clone(), spec.shape.to_vec())),
                None => {}
            }
            known.insert(name);
        });
    }
    let left_over: Vec<String> = there.filter(|name| !known.contains(*name)).cloned().collect();
    if let Some((_, shape)) = missing.first() {
        let shape = shape.clone();
        let names: Vec<String> = missing.into_iter().map(|(name, _)| name).collect();
        let hint = similar::hint(&names, &left_over);
        return Err(Error::MissingTensors { names, shape, hint });
    }
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    if left_over.is_empty() { Ok(()) } else { Err(Error::LeftOverTensors { names: left_over }) }
}

fn check_numbers(name: &str, tensor: &Tensor) -> Result<(), Error> {
    let expected = tensor.shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX);
    if tensor.data.len() != expected {
        return Err(Error::Length { name: name.to_string(), got: tensor.data.len(), expected });
    }
    match tensor.data.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(Error::Weight { name: name.to_string(), got: tensor.data[index], index, expected: "a finite number" })
        }
    }
}

fn check_variance(tensors: &BTreeMap<String, Tensor>, name: &str) -> Result<(), Error> {
    let data = tensors.get(name).map_or(&[][..], |tensor| &tensor.data);
    match data.iter().position(|&x| x < 0.0) {
        None => Ok(()),
        Some(index) => {
            Err(Error::Weight { name: name.to_string(), got: data[index], index, expected: "a variance, 0 or more" })
        }
    }
}

fn convert(name: &str, view: &TensorView) -> Result<Tensor, Error> {
    let bytes = view.data();
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    let mut data = memory::room_for(view.shape().iter().product(), "the tensors")?;
    match view.dtype() {
        Dtype::F32 => data.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
        Dtype::F16 => data.extend(pairs().map(|b| f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => data.extend(pairs().map(|b| bf16::from_le_bytes(b).to_f32())),
        other => return Err(Error::Dtype { name: name.to_string(), got: format!("{other:?}") }),
    }
    Ok(Tensor { shape: view.shape().to_vec(), data })
}

#[cfg(test)]
mod tests;
