//! Trained models: a network's description and its float weights, read from and written to `.safetensors` files.

mod buffers;
mod closed;
mod foreign;
mod similar;

pub use closed::ClosedWeights;

use crate::description::Description;
use crate::error::Error;
use crate::files;
use crate::memory;
use half::{bf16, f16};
use pixelrnn::network::{MaskedConv, Node, Op};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// The key of the file's metadata that holds the description.
pub const METADATA_KEY: &str = "pixelrnn";

/// Bytes that who works with a weight takes for it, at most about.
const WORKING_BYTES: usize = 32;

/// Numbers in row-major order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// As many numbers as the product of `shape`.
    pub data: Vec<f32>,
}

/// A network with its weights, checked as a whole.
///
/// Every tensor that the description asks for is there with its shape, none is left over, and all numbers are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    description: Description,
    nodes: Vec<Node>,
    tensors: BTreeMap<String, Tensor>,
}

impl TrainedModel {
    /// Puts a description and its tensors together.
    ///
    /// # Errors
    /// When the description is not sound (see [`Description::nodes`]), when tensors are missing, left over or of another
    /// shape, and when one holds a number that is not finite or a `running_var` below zero.
    pub fn new(description: Description, tensors: BTreeMap<String, Tensor>) -> Result<Self, Error> {
        let nodes = description.nodes()?;
        check_shapes(&description, &nodes, |name| tensors.get(name).map(|t| t.shape.as_slice()), tensors.keys())?;
        for (name, tensor) in &tensors {
            check_numbers(name, tensor)?;
        }
        for node in nodes.iter().filter(|node| matches!(node.op, Op::BatchNorm { .. })) {
            check_variance(&tensors, &node.tensor_name("running_var"))?;
        }
        Ok(Self { description, nodes, tensors })
    }

    /// Reads the `.safetensors` file at `path`; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read, and as [`TrainedModel::from_bytes`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        Self::from_file(&bytes, path)
    }

    /// As [`TrainedModel::from_bytes`], of the bytes of the file at `path`, which errors name.
    ///
    /// # Errors
    /// As [`TrainedModel::from_bytes`]; a file of another kind is recognized by its bytes and its name.
    pub fn from_file(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        Self::parse(bytes, Some(path)).map_err(|e| e.in_file(files::display_name(path)))
    }

    /// Reads the bytes of a `.safetensors` file. Nothing in them is trusted.
    ///
    /// # Errors
    /// When they are not a whole such file or its metadata has no description, when a tensor is not of type f32, f16 or
    /// bf16, and as [`Description::from_json`] and [`TrainedModel::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::parse(bytes, None)
    }

    fn parse(bytes: &[u8], path: Option<&Path>) -> Result<Self, Error> {
        let damaged = |e: safetensors::SafeTensorError| Error::Safetensors(e.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes)
            .map_err(|e| foreign::recognize(bytes, path).unwrap_or_else(|| damaged(e)))?;
        let json = metadata.metadata().as_ref().and_then(|m| m.get(METADATA_KEY)).ok_or(Error::NoMetadata)?;
        let description = Description::from_json(json)?;
        let nodes = description.nodes()?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;

        // Shapes come first: a tensor of the wrong size is not worth its conversion.
        let mut views: BTreeMap<String, TensorView> =
            file.iter().map(|(name, view)| (name.to_string(), view)).collect();
        let masks = buffers::take(&nodes, &mut views);
        check_shapes(&description, &nodes, |name| views.get(name).map(TensorView::shape), views.keys())?;
        masks.iter().try_for_each(buffers::StoredMask::check)?;
        // Better to know now that the memory is not to be had than in the midst of the work.
        let numbers = views.values().map(|view| view.shape().iter().product::<usize>());
        let bytes = numbers.fold(0, usize::saturating_add).saturating_mul(WORKING_BYTES);
        drop(memory::room_for::<u8>(bytes, "the weights")?);
        let tensors = views
            .into_iter()
            .map(|(name, view)| convert(&name, &view).map(|tensor| (name, tensor)))
            .collect::<Result<_, _>>()?;
        Self::new(description, tensors)
    }

    /// The bytes of a `.safetensors` file of f32 tensors; equal models give equal bytes.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let unsound = |e: safetensors::SafeTensorError| Error::Safetensors(e.to_string());
        let raw: Vec<(&str, &Tensor, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor, tensor.data.iter().flat_map(|x| x.to_le_bytes()).collect()))
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

    /// Writes the model to `path`, whole or not at all; `-` is standard output.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let bytes = self.to_bytes()?;
        files::write_output(path, |out| out.write_all(&bytes))
    }

    /// What the model reads and gives.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The network, every value made before it is read; the last node gives the logits.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All tensors by their full names.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Tensor `suffix` of `node`, such as `"weight"` or `"left.initial.h"`; `None` when it is optional and not there.
    pub fn tensor(&self, node: &Node, suffix: &str) -> Option<&Tensor> {
        self.tensors.get(node.tensor_name(suffix).as_str())
    }

    /// The weights that are not zero under taps that the masks close; `None` where there are none.
    pub fn closed_weights(&self) -> Option<ClosedWeights> {
        closed::find(self)
    }

    /// Gives the parts back.
    pub fn into_parts(self) -> (Description, Vec<Node>, BTreeMap<String, Tensor>) {
        (self.description, self.nodes, self.tensors)
    }
}

/// The `weight` of `conv`, `[out, in, kh, kw]`, with the closed taps set to 0: what the weight means, whether the file
/// stored it masked or not.
///
/// # Panics
/// When `weight` has fewer numbers than that shape.
pub fn masked_weight(conv: &MaskedConv, weight: &Tensor) -> Vec<f32> {
    let mut masked = weight.data.clone();
    closed::each_tap(conv, |index, [u, v, from, to]| {
        if !conv.open(u, v, from, to) {
            masked[index] = 0.0;
        }
    });
    masked
}

/// Compares names and shapes of the tensors that there are with those that there should be.
fn check_shapes<'a>(
    description: &Description,
    nodes: &[Node],
    shape_of: impl Fn(&str) -> Option<&'a [usize]>,
    there: impl Iterator<Item = &'a String>,
) -> Result<(), Error> {
    let mut missing: Vec<(String, Vec<usize>)> = Vec::new();
    let mut wrong = None;
    let mut known = BTreeSet::new();
    for node in nodes {
        node.tensors(description.classes, |spec| {
            match shape_of(&spec.name) {
                Some(got) if got == spec.shape.as_slice() => {}
                Some(got) => {
                    wrong.get_or_insert_with(|| Error::Shape {
                        name: spec.name.to_string(),
                        got: got.to_vec(),
                        expected: spec.shape.to_vec(),
                    });
                }
                None if spec.required => missing.push((spec.name.to_string(), spec.shape.to_vec())),
                None => {}
            }
            known.insert(spec.name.to_string());
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
