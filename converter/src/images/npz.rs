//! `.npz`, `NumPy`'s archive of arrays: a ZIP file of `.npy` files, stored or deflated.

use crate::error::Error;
use crate::files::MAX_BYTES;
use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Maximum number of array names in a message.
const SHOWN: usize = 8;

pub(super) fn is_npz(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Splits `FILE.npz:NAME` into the file and the array name.
pub(super) fn split_path(path: &Path) -> (PathBuf, Option<String>) {
    let whole = || (path.to_path_buf(), None);
    if path.exists() {
        return whole();
    }
    let Some(text) = path.to_str() else { return whole() };
    match text.rfind(".npz:") {
        Some(at) => (PathBuf::from(&text[..at + 4]), Some(text[at + 5..].to_string())),
        None => whole(),
    }
}

/// Extracts the `.npy` file of the array `name`, or of the only array, up to 1 GiB.
///
/// # Errors
/// When the archive is damaged, when it has no such array, and when it has several and `name` is `None`.
pub fn array(bytes: &[u8], name: Option<&str>) -> Result<Vec<u8>, Error> {
    let damaged = |e: rawzip::Error| bad(e.to_string());
    let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
    let mut entries = archive.entries();
    let (mut names, mut found) = (Vec::new(), None);
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        let path = entry.file_path();
        let full = String::from_utf8_lossy(path.as_ref()).into_owned();
        let short = full.strip_suffix(".npy").unwrap_or(&full).to_string();
        if name.is_none_or(|name| name == short || name == full) {
            if name.is_some() && found.is_some() {
                return Err(bad(format!("two arrays are named `{short}`")));
            }
            found = Some((entry.wayfinder(), entry.compression_method()));
        }
        names.push(short);
    }
    let listed = || {
        let more = if names.len() > SHOWN { ", …" } else { "" };
        format!("{}{more}", names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    let (wayfinder, method) = match (name, found) {
        (_, None) if names.is_empty() => return Err(bad("no arrays in it".to_string())),
        (Some(name), None) => return Err(bad(format!("no array `{name}` in it, expected one of {}", listed()))),
        (None, Some(_)) if names.len() > 1 => {
            return Err(bad(format!(
                "{} arrays, expected one: select it with FILE.npz:NAME, from {}",
                names.len(),
                listed()
            )));
        }
        (_, Some(found)) => found,
        (None, None) => return Err(bad("no arrays in it".to_string())),
    };
    unpack(&archive, wayfinder, method, MAX_BYTES)
}

/// Extracts all `.npy` files with their names, up to 1 GiB in all.
///
/// # Errors
/// When the archive or an array is damaged, and when the arrays are too large.
pub(crate) fn arrays(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let damaged = |e: rawzip::Error| bad(e.to_string());
    let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
    let mut entries = archive.entries();
    let (mut arrays, mut room) = (Vec::new(), MAX_BYTES);
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        let path = entry.file_path();
        let full = String::from_utf8_lossy(path.as_ref()).into_owned();
        let Some(name) = full.strip_suffix(".npy") else { return Err(bad(format!("`{full}` is no array"))) };
        let array = unpack(&archive, entry.wayfinder(), entry.compression_method(), room)?;
        room -= array.len() as u64;
        arrays.push((name.to_string(), array));
    }
    Ok(arrays)
}

/// Extracts one entry of at most `limit` bytes.
fn unpack(
    archive: &ZipSliceArchive<&[u8]>,
    wayfinder: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let damaged = |e: rawzip::Error| bad(e.to_string());
    let entry = archive.get_entry(wayfinder).map_err(damaged)?;
    let data: Box<dyn Read> = match method {
        CompressionMethod::STORE => Box::new(entry.data()),
        CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(entry.data())),
        other => return Err(bad(format!("an array compressed by method {other}, expected stored or deflated"))),
    };
    let mut array = Vec::new();
    let read = entry.verifying_reader(data).take(limit + 1).read_to_end(&mut array);
    read.map_err(|e| bad(format!("a damaged or truncated array ({e})")))?;
    if array.len() as u64 > limit {
        return Err(Error::TooLarge { limit: MAX_BYTES, unpacked: " when unpacked" });
    }
    Ok(array)
}

fn bad(what: String) -> Error {
    Error::Format { format: ".npz file", what }
}
