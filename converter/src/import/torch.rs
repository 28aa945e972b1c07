//! `PyTorch` checkpoints. Nothing in a pickle is executed: the reader interprets the calls that `torch.save` writes and
//! keeps any other object as an inert value.

use super::error::ImportError;
use super::stored::{Contents, Data, Stored};
use crate::error::Error;
use pytorch_reader::{DType, PytorchReader};
use safetensors::tensor::Dtype;
use std::collections::HashMap;
use std::ops::Range;

/// Name of the format in messages.
pub(super) const FORMAT: &str = "a PyTorch checkpoint";

/// Longest name that is searched for in the pickle.
const LONGEST: usize = 512;

/// Bytes that are searched for names: the pickle is at the start of the file in all formats of today.
const SEARCHED: usize = 1 << 22;

/// Reads the tensors of a checkpoint with the path through its dictionaries as their names.
///
/// # Errors
/// When the file is damaged or truncated, has sizes that exceed it, is too large or nested too deep, or has no tensors.
pub(super) fn read(bytes: Vec<u8>) -> Result<Contents, Error> {
    let order = order_of_names(&bytes);
    let reader = PytorchReader::from_bytes(without_zip64(bytes), None).map_err(|e| damaged(e.to_string()))?;
    let mut tensors: Vec<(String, Stored)> = reader
        .into_tensors()
        .into_iter()
        .map(|(name, tensor)| {
            let (dtype, shape) = (dtype(tensor.dtype()), tensor.shape().to_vec());
            (name, Stored { dtype, shape, data: Data::Torch(tensor) })
        })
        .collect();
    if tensors.is_empty() {
        let hint = ": a TorchScript file, or a pickle of another library";
        return Err(ImportError::Empty { format: FORMAT, hint }.into());
    }
    // The reader has no order. That of the pickle is the order of the modules.
    let place = |name: &str| {
        let mut rest = Some(name);
        while let Some(part) = rest {
            if part.len() <= LONGEST
                && let Some(place) = order.get(part.as_bytes())
            {
                return *place;
            }
            rest = part.split_once('.').map(|(_, rest)| rest);
        }
        usize::MAX
    };
    tensors.sort_by_cached_key(|(name, _)| (place(name), natural(name)));
    Ok(Contents { is: FORMAT, tensors })
}

/// Removes the records of the ZIP64 format that `torch.save` writes into each archive, where the plain record says the same.
///
/// The reader of archives takes the directory to end where the plain record begins. With 76 bytes of ZIP64 records between them it
/// begins at the second entry if the first has 76 bytes, that is, if the archive was saved under a name of 21 characters.
fn without_zip64(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(records) = zip64_records(&bytes) {
        bytes.drain(records);
    }
    bytes
}

/// Range of the ZIP64 records, if an archive without comment has them after its directory and does not need them.
fn zip64_records(bytes: &[u8]) -> Option<Range<usize>> {
    const END: [u8; 4] = *b"PK\x05\x06";
    const LOCATOR: [u8; 4] = *b"PK\x06\x07";
    const RECORD: [u8; 4] = *b"PK\x06\x06";
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let starts = |at: usize, signature: [u8; 4]| bytes.get(at..).is_some_and(|rest| rest.starts_with(&signature));
    let end = bytes.len().checked_sub(22).filter(|end| starts(*end, END))?;
    let locator = end.checked_sub(20).filter(|locator| starts(*locator, LOCATOR))?;
    let record = locator.checked_sub(56).filter(|record| starts(*record, RECORD))?;
    // What does not fit the plain record is all ones there.
    let (size, start) = (number(end + 12)?, number(end + 16)?);
    let entries = u16::from_le_bytes(*bytes.get(end + 10..)?.first_chunk()?);
    let fits = entries != u16::MAX && size != u32::MAX && start != u32::MAX;
    let follows = (start as usize).checked_add(size as usize) == Some(record);
    (fits && follows).then_some(record..end)
}

/// Place of each short string of the pickle: an opcode, the length in one or four bytes, the string. Other bytes that look alike do no
/// harm.
fn order_of_names(bytes: &[u8]) -> HashMap<Vec<u8>, usize> {
    let mut order = HashMap::new();
    let bytes = &bytes[..bytes.len().min(SEARCHED)];
    for at in 0..bytes.len() {
        let (length, rest) = match &bytes[at..] {
            [b'X', a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
            [0x8c, length, rest @ ..] => (usize::from(*length), rest),
            _ => continue,
        };
        if (1..=LONGEST).contains(&length)
            && let Some(name) = rest.get(..length)
            && name.iter().all(u8::is_ascii_graphic)
        {
            order.entry(name.to_vec()).or_insert(at);
        }
    }
    order
}

/// Parts of a name, with numbers as numbers.
fn natural(name: &str) -> Vec<(u64, String)> {
    name.split('.')
        .map(|part| part.parse().map_or_else(|_| (u64::MAX, part.to_string()), |n| (n, String::new())))
        .collect()
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

pub(super) fn damaged(what: String) -> Error {
    ImportError::Damaged { format: FORMAT, what }.into()
}
