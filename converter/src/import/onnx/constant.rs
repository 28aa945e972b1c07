//! Tensors that are known when the graph is read.

use super::error::OnnxError;
use super::proto;
use half::{bf16, f16};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Most elements of one constant.
pub(super) const MAX_ELEMENTS: usize = 1 << 26;

/// Most dimensions of a tensor.
const MAX_RANK: usize = 12;

/// Elements of a constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    /// All float types.
    Float(Vec<f32>),
    /// All integer types; booleans are 0 and 1.
    Int(Vec<i64>),
}

/// A constant tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constant {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
}

/// Number of elements of a shape; `None` above [`MAX_ELEMENTS`].
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side).filter(|n| *n <= MAX_ELEMENTS))
}

impl Constant {
    pub(super) fn ints(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], data: Data::Int(values) }
    }

    pub(super) fn floats(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { shape, data: Data::Float(values) }
    }

    pub(super) fn len(&self) -> usize {
        match &self.data {
            Data::Float(data) => data.len(),
            Data::Int(data) => data.len(),
        }
    }

    /// The elements as floats.
    pub(super) fn to_floats(&self) -> Vec<f32> {
        match &self.data {
            Data::Float(data) => data.clone(),
            Data::Int(data) => data.iter().map(|x| *x as f32).collect(),
        }
    }

    /// The elements, if they are integers.
    pub(super) fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Int(data) => Some(data),
            Data::Float(_) => None,
        }
    }

    /// The only element.
    pub(super) fn scalar(&self) -> Option<f32> {
        match &self.data {
            Data::Float(data) if data.len() == 1 => data.first().copied(),
            Data::Int(data) if data.len() == 1 => data.first().map(|x| *x as f32),
            _ => None,
        }
    }

    /// The element that all are equal to.
    pub(super) fn uniform(&self) -> Option<f32> {
        let all = self.to_floats();
        let first = *all.first()?;
        all.iter().all(|x| x.to_bits() == first.to_bits()).then_some(first)
    }
}

/// Reads a stored tensor; `folder` is the one that files with external data lie in.
pub(super) fn read(tensor: &proto::Tensor, folder: Option<&Path>) -> Result<Constant, OnnxError> {
    let refused = |what: String| OnnxError::Tensor { name: tensor.name.clone(), what };
    let sides: Option<Vec<usize>> = tensor.dims.iter().map(|side| usize::try_from(*side).ok()).collect();
    let shape = sides.filter(|sides| sides.len() <= MAX_RANK);
    let sized = shape.and_then(|shape| count(&shape).map(|count| (shape, count)));
    let Some((shape, count)) = sized else {
        return Err(refused(format!("shape {:?}, expected at most {MAX_ELEMENTS} elements", tensor.dims)));
    };
    let external;
    let raw = if tensor.location == 1 {
        external = external_bytes(tensor, folder).map_err(&refused)?;
        Some(external.as_slice())
    } else {
        tensor.raw.as_deref()
    };
    let data = decode(tensor, raw).ok_or_else(|| {
        refused(format!("data type {}, expected floats, integers or booleans", type_name(tensor.data_type)))
    })?;
    let constant = Constant { shape, data };
    if constant.len() != count {
        return Err(refused(format!("{} elements, expected {count} from its shape", constant.len())));
    }
    Ok(constant)
}

fn decode(tensor: &proto::Tensor, raw: Option<&[u8]>) -> Option<Data> {
    let half = |bits: i32| f16::from_bits(bits as u16).to_f32();
    let brain = |bits: i32| bf16::from_bits(bits as u16).to_f32();
    let from_32 = |f: fn(i32) -> i64| Data::Int(tensor.int32s.iter().map(|x| f(*x)).collect());
    Some(match (tensor.data_type, raw) {
        (1, Some(raw)) => Data::Float(each(raw, f32::from_le_bytes)),
        (1, None) => Data::Float(tensor.floats.clone()),
        (11, Some(raw)) => Data::Float(each(raw, |b| f64::from_le_bytes(b) as f32)),
        (11, None) => Data::Float(tensor.doubles.iter().map(|x| *x as f32).collect()),
        (10, Some(raw)) => Data::Float(each(raw, |b| f16::from_le_bytes(b).to_f32())),
        (10, None) => Data::Float(tensor.int32s.iter().map(|x| half(*x)).collect()),
        (16, Some(raw)) => Data::Float(each(raw, |b| bf16::from_le_bytes(b).to_f32())),
        (16, None) => Data::Float(tensor.int32s.iter().map(|x| brain(*x)).collect()),
        (7, Some(raw)) => Data::Int(each(raw, i64::from_le_bytes)),
        (7, None) => Data::Int(tensor.int64s.clone()),
        (6, Some(raw)) => Data::Int(each(raw, |b| i32::from_le_bytes(b).into())),
        (5, Some(raw)) => Data::Int(each(raw, |b| i16::from_le_bytes(b).into())),
        (4, Some(raw)) => Data::Int(each(raw, |b| u16::from_le_bytes(b).into())),
        (3, Some(raw)) => Data::Int(each(raw, |b| i8::from_le_bytes(b).into())),
        (2, Some(raw)) => Data::Int(each(raw, |b: [u8; 1]| b[0].into())),
        (9, Some(raw)) => Data::Int(each(raw, |b: [u8; 1]| i64::from(b[0] != 0))),
        (2..=6, None) => from_32(i64::from),
        (9, None) => from_32(|x| i64::from(x != 0)),
        _ => return None,
    })
}

/// Elements of `N` bytes each; none if bytes are left over, so that the number of elements is found wrong.
fn each<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, rest) = raw.as_chunks::<N>();
    if rest.is_empty() { chunks.iter().map(|chunk| read(*chunk)).collect() } else { Vec::new() }
}

/// Bytes of a tensor in a file beside the graph's.
fn external_bytes(tensor: &proto::Tensor, folder: Option<&Path>) -> Result<Vec<u8>, String> {
    let entry = |key: &str| tensor.external.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let location = entry("location").unwrap_or_default();
    let mut parts = Path::new(location).components();
    // A file elsewhere is none of this model's.
    let plain = matches!(parts.next(), Some(std::path::Component::Normal(_))) && parts.next().is_none();
    if !plain {
        return Err(format!("its data are in `{location}`, expected a file in the folder of the graph"));
    }
    let Some(folder) = folder else {
        return Err(format!(
            "its data are in a file `{location}` beside the graph, which is not at hand: read the graph from its folder"
        ));
    };
    let number = |key| match entry(key) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("its `{key}` is `{text}`, expected a number")),
    };
    let (from, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let most = length.unwrap_or(crate::files::MAX_BYTES).min(crate::files::MAX_BYTES);
    let mut bytes = Vec::new();
    let mut read = || -> std::io::Result<()> {
        let mut file = File::open(folder.join(location))?;
        file.seek(SeekFrom::Start(from))?;
        file.take(most).read_to_end(&mut bytes).map(|_| ())
    };
    read().map_err(|e| format!("cannot read its data from `{location}`: {e}"))?;
    match length {
        Some(length) if bytes.len() as u64 != length => {
            Err(format!("its data lie outside `{location}`, which ends before byte {}", from.saturating_add(length)))
        }
        _ => Ok(bytes),
    }
}

fn type_name(data_type: i32) -> String {
    match data_type {
        8 => "STRING".into(),
        12 => "UINT32".into(),
        13 => "UINT64".into(),
        14 | 15 => "COMPLEX".into(),
        17..=20 => "FLOAT8".into(),
        21 | 22 => "INT4".into(),
        other => other.to_string(),
    }
}
