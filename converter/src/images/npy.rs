//! Subset of `NumPy`'s `.npy` format. Input: arrays of whole numbers 0 to 255, and labels. Output: arrays of uint8,
//! uint16, float32 and float64.
//!
//! The header is a Python dictionary of a fixed form. A minimal scanner reads exactly this form, to keep the attack
//! surface small.

use super::numbers::{KNOWN, Kind, NumberType};
use super::{ImageSet, Label, Origin, Range, channels_first, class};
use crate::error::Error;
use crate::files;
use crate::memory;
use std::io::{self, Write};
use std::path::Path;

const MAGIC: [u8; 6] = *b"\x93NUMPY";

pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

pub(super) fn images(bytes: &[u8]) -> Result<ImageSet, Error> {
    let (shape, data, kind) = read(bytes)?;
    images_of(&shape, data, kind, bad)
}

/// Images in an array in memory: `data` of `NumPy`'s type `descr`, such as `<i8`, row-major. See [`ImageSet::from_bytes`] for
/// the shapes and types of a file.
///
/// # Errors
/// When the shape or the type is none of images, and when a value is no whole number from 0 to 255.
pub fn images_in_memory(descr: &str, shape: &[usize], data: &[u8]) -> Result<ImageSet, Error> {
    let bad = |what: String| Error::Format { format: "images", what };
    let (data, kind) = convert(descr, shape, data, bad)?;
    images_of(shape, data, kind, bad)
}

/// Labels in an array in memory, as [`images_in_memory`].
///
/// # Errors
/// When the shape is not `[N]`, the type no integer, or a value out of range.
pub fn labels_in_memory(descr: &str, shape: &[usize], data: &[u8]) -> Result<Vec<Label>, Error> {
    let bad = |what: String| Error::Format { format: "labels", what };
    let [_] = shape else { return Err(bad(format!("an array of shape {shape:?}, expected [N]"))) };
    class::from_numbers(descr, data).map_err(bad)
}

fn images_of(shape: &[usize], data: Vec<u8>, kind: Kind, bad: impl Fn(String) -> Error) -> Result<ImageSet, Error> {
    let size = match *shape {
        [_, n] => [1, 1, n],
        [_, h, w] => [1, h, w],
        [_, _, _, _] => channels_first(shape).map_err(bad)?,
        _ => return Err(bad(format!("an array of shape {shape:?}, expected [N, C, H, W], [N, H, W] or [N, H·W]"))),
    };
    // Booleans, and floats of only 0 and 1, are ambiguous: two levels, or black and white.
    let unit = kind == Kind::Bool || (kind == Kind::Float && data.iter().all(|value| *value < 2));
    let set = ImageSet::new(size, data, Range::Unstated)?;
    let origin = if unit { Origin::Unit } else { Origin::Array };
    Ok(ImageSet { flat: shape.len() == 2, planes: shape.len() == 3, origin, ..set })
}

pub(super) fn labels(bytes: &[u8]) -> Result<Vec<Label>, Error> {
    let (header, data) = split(bytes)?;
    let Header { descr, shape, .. } = Header::parse(header)?;
    let [count] = shape[..] else { return Err(bad(format!("an array of shape {shape:?}, expected [N]"))) };
    let labels = class::from_numbers(descr, data).map_err(bad)?;
    if labels.len() == count {
        Ok(labels)
    } else {
        Err(bad(format!("{} bytes of data, expected those of its shape {shape:?}", data.len())))
    }
}

/// Parses an array of whole numbers 0 to 255 of any type. Returns its shape and its values in row-major order;
/// column-major files are converted.
///
/// # Errors
/// When the bytes are not a complete `.npy` file, or contain other values.
pub fn read_u8(bytes: &[u8]) -> Result<(Vec<usize>, Vec<u8>), Error> {
    read(bytes).map(|(shape, data, _)| (shape, data))
}

fn read(bytes: &[u8]) -> Result<(Vec<usize>, Vec<u8>, Kind), Error> {
    let (header, data) = split(bytes)?;
    let Header { descr, fortran, shape } = Header::parse(header)?;
    let (bytes, kind) = convert(descr, &shape, data, bad)?;
    let bytes = if fortran { to_row_major(&shape, &bytes)? } else { bytes };
    Ok((shape, bytes, kind))
}

/// Converts numbers of type `descr`, as many as `shape` says, to one byte each.
fn convert(descr: &str, shape: &[usize], data: &[u8], bad: impl Fn(String) -> Error) -> Result<(Vec<u8>, Kind), Error> {
    let Some(number) = NumberType::from_descr(descr) else {
        return Err(bad(format!("numbers of type `{descr}`, expected {KNOWN}")));
    };
    let expected = shape.iter().try_fold(number.size, |n, &d| n.checked_mul(d));
    if expected != Some(data.len()) {
        return Err(bad(format!("{} bytes of data, expected those of its shape {shape:?}", data.len())));
    }
    Ok((number.to_bytes(data, bad)?, number.kind))
}

/// An array of any type, as the file has it.
pub(crate) struct Raw<'a> {
    /// Type code of `NumPy`, such as `<f4`.
    pub descr: &'a str,
    /// True if the elements are column-major.
    pub fortran: bool,
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// The elements, unchecked.
    pub data: &'a [u8],
}

/// Splits a file into its header and its elements.
///
/// # Errors
/// When the bytes are no `.npy` file, and when the header is damaged.
pub(crate) fn raw(bytes: &[u8]) -> Result<Raw<'_>, Error> {
    let (header, data) = split(bytes)?;
    let Header { descr, fortran, shape } = Header::parse(header)?;
    Ok(Raw { descr, fortran, shape, data })
}

/// Splits a file of version 1, 2 or 3 into header text and data.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), Error> {
    let short = || bad("the header is cut short".to_string());
    let rest = bytes.strip_prefix(&MAGIC).ok_or(Error::UnknownFormat)?;
    let (&[major, _], rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (length, rest) = match major {
        1 => rest.split_first_chunk::<2>().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest)),
        2 | 3 => rest.split_first_chunk::<4>().map(|(n, rest)| (u32::from_le_bytes(*n) as usize, rest)),
        _ => return Err(bad(format!("version {major}, expected 1, 2 or 3"))),
    }
    .ok_or_else(short)?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
    let header = str::from_utf8(header).map_err(|_| bad("the header is not text".to_string()))?;
    Ok((header, data))
}

struct Header<'a> {
    descr: &'a str,
    fortran: bool,
    shape: Vec<usize>,
}

impl<'a> Header<'a> {
    /// Parses `{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }` with keys in any order.
    fn parse(text: &'a str) -> Result<Self, Error> {
        let unclear = || bad(format!("unsupported header: {:?}", text.chars().take(200).collect::<String>()));
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut rest = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(unclear)?.trim();
        while !rest.is_empty() {
            let (key, after) = quoted(rest).ok_or_else(unclear)?;
            let value = after.trim_start().strip_prefix(':').ok_or_else(unclear)?.trim_start();
            rest = match key {
                "descr" => {
                    let (text, rest) =
                        quoted(value).ok_or_else(|| bad(format!("numbers of a structured type, expected {KNOWN}")))?;
                    descr = Some(text);
                    rest
                }
                "fortran_order" => {
                    let (word, rest) = value.split_at(value.find([',', '}']).unwrap_or(value.len()));
                    fortran = Some(match word.trim() {
                        "True" => true,
                        "False" => false,
                        _ => return Err(unclear()),
                    });
                    rest
                }
                "shape" => {
                    let (tuple, rest) = value.strip_prefix('(').and_then(|v| v.split_once(')')).ok_or_else(unclear)?;
                    shape = Some(dimensions(tuple).ok_or_else(unclear)?);
                    rest
                }
                _ => return Err(unclear()),
            }
            .trim_start();
            rest = match rest.strip_prefix(',') {
                Some(rest) => rest.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err(unclear()),
            };
        }
        match (descr, fortran, shape) {
            (Some(descr), Some(fortran), Some(shape)) => Ok(Self { descr, fortran, shape }),
            _ => Err(unclear()),
        }
    }
}

/// Takes a quoted string off `text`. Returns the string and the rest.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn dimensions(tuple: &str) -> Option<Vec<usize>> {
    let tuple = tuple.trim();
    let tuple = tuple.strip_suffix(',').unwrap_or(tuple);
    if tuple.is_empty() {
        return Some(Vec::new());
    }
    tuple.split(',').map(|n| n.trim().parse().ok()).collect()
}

/// Converts column-major data to row-major. The length of `data` must match `shape`.
fn to_row_major(shape: &[usize], data: &[u8]) -> Result<Vec<u8>, Error> {
    let mut steps = Vec::with_capacity(shape.len());
    let mut step = 1;
    for &size in shape {
        steps.push(step);
        step *= size;
    }
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    let mut out = memory::room_for(data.len(), memory::IMAGES)?;
    for _ in 0..data.len() {
        out.push(data[at]);
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            at += steps[d];
            if index[d] < shape[d] {
                break;
            }
            at -= steps[d] * shape[d];
            index[d] = 0;
        }
    }
    Ok(out)
}

/// Element type of an output array.
pub trait Element: Copy {
    /// Type code for the header.
    const DESCR: &'static str;

    /// Writes the element in little-endian order.
    ///
    /// # Errors
    /// When `out` fails.
    fn write(self, out: &mut dyn Write) -> io::Result<()>;
}

impl Element for u8 {
    const DESCR: &'static str = "|u1";

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&[self])
    }
}

impl Element for u16 {
    const DESCR: &'static str = "<u2";

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.to_le_bytes())
    }
}

impl Element for f32 {
    const DESCR: &'static str = "<f4";

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.to_le_bytes())
    }
}

impl Element for f64 {
    const DESCR: &'static str = "<f8";

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.to_le_bytes())
    }
}

/// Writes an array of `shape` to `path` atomically. `-` is standard output.
///
/// # Errors
/// When the file cannot be written, or when `data` does not fill `shape`.
pub fn write<T: Element>(path: &Path, shape: &[usize], data: &[T]) -> Result<(), Error> {
    files::write_output(path, |out| write_to(out, shape, data))
}

/// Writes an array of `shape`, row-major, to `out`.
///
/// # Errors
/// When `out` fails, and with `InvalidInput` when `data` does not fill `shape`.
pub fn write_to<T: Element>(out: &mut dyn Write, shape: &[usize], data: &[T]) -> io::Result<()> {
    if shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)) != Some(data.len()) {
        let what = format!("{} numbers do not fill an array of shape {shape:?}", data.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    write_header::<T>(out, shape)?;
    data.iter().try_for_each(|x| x.write(out))
}

/// Writes the header only. The caller appends the data, row-major.
///
/// # Errors
/// When `out` fails.
pub fn write_header<T: Element>(out: &mut dyn Write, shape: &[usize]) -> io::Result<()> {
    // Padding as in NumPy: spaces and a newline, so that the data start at a multiple of 64 bytes.
    const ALIGN: usize = 64;
    let mut tuple = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if shape.len() == 1 {
        // Python tuple of one element.
        tuple.push(',');
    }
    let text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({tuple}), }}", T::DESCR);
    let before = MAGIC.len() + 4;
    let padded = (before + text.len() + 1).next_multiple_of(ALIGN) - before;
    let length =
        u16::try_from(padded).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too many dimensions"))?;
    out.write_all(&MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&length.to_le_bytes())?;
    writeln!(out, "{text:width$}", width = padded - 1)
}

fn bad(what: String) -> Error {
    Error::Format { format: ".npy file", what }
}
