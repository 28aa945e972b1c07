//! Buffers in the state dict of a `PyTorch` module: masks, and counters of batch normalization.

use super::closed::each_tap;
use crate::description::ScaleNodes;
use crate::error::Error;
use half::{bf16, f16};
use pixelrnn::network::{Conv, Mask, Node, Op};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;

/// Maximum side of a mask's drawing.
const SHOWN: usize = 15;

/// A stored mask with its convolution.
pub(crate) struct StoredMask<'a> {
    name: String,
    op: String,
    conv: Conv,
    view: TensorView<'a>,
}

/// Removes the buffers of a scale from `tensors`. Returns the masks, to be compared after the shapes of the weights are
/// checked: the comparison takes time in proportion to the weights.
pub(super) fn take<'a>(scale: &ScaleNodes, tensors: &mut BTreeMap<String, TensorView<'a>>) -> Vec<StoredMask<'a>> {
    let mut masks = Vec::new();
    let full = |node: &Node, suffix: &str| format!("{}{}", scale.prefix, node.tensor_name(suffix));
    for node in &scale.nodes {
        if matches!(node.op, Op::BatchNorm { .. }) {
            // Number of batches seen in training; unused in inference.
            tensors.remove(&full(node, "num_batches_tracked"));
        }
        for (prefix, conv) in node.op.convolutions() {
            let name = full(node, &format!("{prefix}mask"));
            if let Some(view) = tensors.remove(&name) {
                masks.push(StoredMask { name, op: node.name.to_string(), conv, view });
            }
        }
    }
    masks
}

impl<'a> StoredMask<'a> {
    /// The mask in the tensor `name`, of the convolution `conv` of `op`.
    pub(crate) fn new(name: String, op: String, conv: &Conv, view: TensorView<'a>) -> Self {
        Self { name, op, conv: *conv, view }
    }

    /// Compares the mask with the op's. Any shape that broadcasts to the weight's is accepted, as in `PyTorch`.
    ///
    /// # Errors
    /// When the shape, the type or a value is invalid, and when the masks differ.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (conv, shape) = (&self.conv, self.view.shape());
        let full = [conv.outputs.count, conv.inputs.count, conv.kernel[0], conv.kernel[1]];
        let missing = full.len().checked_sub(shape.len());
        let fits = missing.is_some_and(|missing| {
            shape.iter().zip(&full[missing..]).all(|(&got, &expected)| got == expected || got == 1)
        });
        let Some(missing) = missing.filter(|_| fits) else {
            return Err(Error::Shape { name: self.name.clone(), got: shape.to_vec(), expected: full.to_vec() });
        };
        let numbers = self.numbers()?;
        // Stride of each dimension, 0 if it is broadcast.
        let mut steps = [0; 4];
        let mut step = 1;
        for (n, &size) in shape.iter().enumerate().rev() {
            steps[missing + n] = if size == 1 { 0 } else { step };
            step *= size;
        }
        let stored = |[u, v, from, to]: [usize; 4]| {
            let at = to * steps[0] + from * steps[1] + u * steps[2] + v * steps[3];
            numbers.get(at).copied().unwrap_or(false)
        };
        let open = |[u, v, from, to]: [usize; 4]| conv.open(u, v, from, to);
        let mut differs = None;
        each_tap(conv, |_, tap| {
            if stored(tap) != open(tap) {
                differs.get_or_insert(tap);
            }
        });
        let Some([u, v, from, to]) = differs else { return Ok(()) };
        let picture = |is_open: &dyn Fn([usize; 4]) -> bool| {
            let part = |middle: usize, size: usize| {
                let first = middle.saturating_sub(SHOWN / 2).min(size.saturating_sub(SHOWN));
                first..size.min(first + SHOWN)
            };
            let row = |u| -> String {
                part(v, conv.kernel[1]).map(|v| if is_open([u, v, from, to]) { '#' } else { '.' }).collect()
            };
            part(u, conv.kernel[0]).map(row).collect::<Vec<_>>().join(" / ")
        };
        Err(Error::Mask {
            name: self.name.clone(),
            op: self.op.clone(),
            mask: conv.mask.map_or("none", |mask| if mask == Mask::A { "A" } else { "B" }),
            from,
            to,
            stored: picture(&stored).into(),
            expected: picture(&open).into(),
        })
    }

    /// Values of the mask, which must be 0 or 1.
    fn numbers(&self) -> Result<Vec<bool>, Error> {
        let bytes = self.view.data();
        let read: Vec<f64> = match self.view.dtype() {
            Dtype::BOOL | Dtype::U8 => numbers(bytes, |[byte]| f64::from(byte)),
            Dtype::I8 => numbers(bytes, |b| f64::from(i8::from_le_bytes(b))),
            Dtype::U16 => numbers(bytes, |b| f64::from(u16::from_le_bytes(b))),
            Dtype::I16 => numbers(bytes, |b| f64::from(i16::from_le_bytes(b))),
            Dtype::U32 => numbers(bytes, |b| f64::from(u32::from_le_bytes(b))),
            Dtype::I32 => numbers(bytes, |b| f64::from(i32::from_le_bytes(b))),
            Dtype::U64 => numbers(bytes, |b| u64::from_le_bytes(b) as f64),
            Dtype::I64 => numbers(bytes, |b| i64::from_le_bytes(b) as f64),
            Dtype::F16 => numbers(bytes, |b| f16::from_le_bytes(b).to_f64()),
            Dtype::BF16 => numbers(bytes, |b| bf16::from_le_bytes(b).to_f64()),
            Dtype::F32 => numbers(bytes, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F64 => numbers(bytes, f64::from_le_bytes),
            other => return Err(Error::Dtype { name: self.name.clone(), got: format!("{other:?}") }),
        };
        // Exact comparison: masks store 0 and 1.
        #[allow(clippy::float_cmp)]
        match read.iter().position(|x| *x != 0.0 && *x != 1.0) {
            None => Ok(read.into_iter().map(|x| x != 0.0).collect()),
            Some(index) => {
                let got = read[index] as f32;
                Err(Error::Weight { name: self.name.clone(), got, index, expected: "0 or 1, as in a mask" })
            }
        }
    }
}

fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}
