//! `.npz` archives with one array for each tensor.

use super::error::ImportError;
use super::stored::{Contents, Data, Stored};
use crate::error::Error;
use crate::images::{npy, npz};
use crate::memory;
use safetensors::tensor::Dtype;

/// Name of the format in messages.
pub(super) const FORMAT: &str = "an .npz archive";

/// Reads all arrays. A `/` in a name stands for a dot.
///
/// # Errors
/// When the archive or an array is damaged or too large, two arrays share a name, or an array has no numbers.
pub(super) fn read(bytes: &[u8]) -> Result<Contents, Error> {
    let mut tensors: Vec<(String, Stored)> = Vec::new();
    for (name, array) in npz::arrays(bytes)? {
        let name = name.replace('/', ".");
        if tensors.iter().any(|(other, _)| *other == name) {
            return Err(bad(format!("two arrays are named `{name}`")));
        }
        let stored = tensor(&array).map_err(|e| bad(format!("array `{name}`: {e}")))?;
        tensors.push((name, stored));
    }
    if tensors.is_empty() {
        return Err(ImportError::Empty { format: FORMAT, hint: "" }.into());
    }
    Ok(Contents { is: FORMAT, tensors })
}

fn tensor(array: &[u8]) -> Result<Stored, Error> {
    let npy::Raw { descr, fortran, shape, data } = npy::raw(array)?;
    let (big_endian, code) = match descr.as_bytes() {
        [b'>', ..] => (true, &descr[1..]),
        [b'<' | b'|' | b'=', ..] => (false, &descr[1..]),
        _ => (false, descr),
    };
    let dtype = match code {
        "b1" => Dtype::BOOL,
        "u1" => Dtype::U8,
        "i1" => Dtype::I8,
        "u2" => Dtype::U16,
        "i2" => Dtype::I16,
        "u4" => Dtype::U32,
        "i4" => Dtype::I32,
        "u8" => Dtype::U64,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        // NumPy has no bfloat16 of its own, and writes the one of JAX as two bytes of no type.
        "V2" => return Err(bad(format!("numbers of type `{descr}`; save a bfloat16 array as `x.astype(np.float32)`"))),
        _ => return Err(bad(format!("numbers of type `{descr}`, expected floats, integers or bool"))),
    };
    let size = dtype.bitsize() / 8;
    let expected = shape.iter().try_fold(size, |n, &side| n.checked_mul(side));
    if expected != Some(data.len()) {
        return Err(bad(format!("{} bytes of data, expected those of its shape {shape:?}", data.len())));
    }
    let mut bytes = if fortran { to_row_major(&shape, size, data)? } else { memory::copy(data, "the tensors")? };
    if big_endian {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    Ok(Stored { dtype, shape, data: Data::Bytes(bytes) })
}

/// Converts column-major elements of `size` bytes to row-major. The length of `data` matches `shape`.
fn to_row_major(shape: &[usize], size: usize, data: &[u8]) -> Result<Vec<u8>, Error> {
    let count = data.len() / size;
    let mut out = memory::room_for(data.len(), "the tensors")?;
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = index.iter().zip(shape).rev().fold(0, |at, (&i, &side)| at * side + i);
        out.extend_from_slice(&data[at * size..(at + 1) * size]);
        for (i, &side) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < side {
                break;
            }
            *i = 0;
        }
    }
    Ok(out)
}

fn bad(what: String) -> Error {
    ImportError::Damaged { format: FORMAT, what }.into()
}
