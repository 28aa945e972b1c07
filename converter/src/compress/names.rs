//! File names of compressed images: an optional part after the last block, specified in `docs/compressed-format.md`.

use crate::error::Error;
use pixelrnn::blob::CRC32;
use pixelrnn::coder::container::ContainerError;
use std::collections::BTreeSet;

/// Start of the part.
const MAGIC: [u8; 4] = *b"NAME";

/// Maximum length of a name in bytes, as in common file systems.
const MAX_LENGTH: usize = 255;

/// Appends the file names of a set of at least two images to its compressed file. Leaves the file unchanged if there
/// are no names, or if they cannot be stored; then the reason is returned.
pub fn add(names: &[String], file: &mut Vec<u8>) -> Option<String> {
    if names.len() == 1 {
        return Some("a file of one image has no names, so that devices can read it".to_string());
    }
    let length = names.iter().map(|name| name.len() + 1).sum::<usize>();
    let length = match (check(names), u32::try_from(length)) {
        (Err(why), _) => return Some(why),
        (_, Err(_)) => return Some("they are longer than 4 GiB".to_string()),
        (Ok(()), Ok(0)) => return None,
        (Ok(()), Ok(length)) => length,
    };
    let start = file.len();
    file.extend(MAGIC);
    file.extend(length.to_le_bytes());
    for name in names {
        file.extend(name.as_bytes());
        file.push(0);
    }
    let checksum = CRC32.checksum(&file[start..]);
    file.extend(checksum.to_le_bytes());
    None
}

/// Parses `part`, the rest of a file of `images` images after its last block. `None` if it is empty.
///
/// # Errors
/// When the part is not a valid list of names, or when the file has one image.
pub fn read(part: &[u8], images: usize) -> Result<Option<Vec<String>>, Error> {
    if part.is_empty() {
        return Ok(None);
    }
    let expected = images > 1 && part.starts_with(&MAGIC);
    let Some((text, checksum)) = part.split_last_chunk::<4>().filter(|_| expected) else {
        return Err(Error::Compressed(ContainerError::Trailing));
    };
    if u32::from_le_bytes(*checksum) != CRC32.checksum(text) {
        return Err(bad("the checksum does not match".to_string()));
    }
    let names = text.get(8..).filter(|names| text[4..8] == (names.len() as u32).to_le_bytes());
    let names = names.and_then(|names| str::from_utf8(names).ok()?.strip_suffix('\0'));
    let names = names.ok_or_else(|| bad("invalid length or encoding".to_string()))?;
    let names: Vec<String> = names.split('\0').map(String::from).collect();
    if names.len() != images {
        return Err(bad(format!("{} names for {images} images, expected one each", names.len())));
    }
    check(&names).map_err(bad)?;
    Ok(Some(names))
}

/// Rejects names that are unsafe as PNG files in one folder on any system. An untrusted file must not write elsewhere
/// or overwrite its own images.
fn check(names: &[String]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        let unfit =
            |c: char| c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\u{fffd}');
        let lower = name.to_lowercase();
        if name.len() > MAX_LENGTH
            || name.starts_with('.')
            || lower.strip_suffix(".png").is_none()
            || name.contains(unfit)
        {
            let shown: String = name.chars().take(40).collect();
            return Err(format!("{shown:?} is not a valid name of a PNG file on every system"));
        }
        if !seen.insert(lower) {
            return Err(format!("two names equal {name:?} apart from case"));
        }
    }
    Ok(())
}

fn bad(what: String) -> Error {
    Error::Format { format: "names of images", what }
}

#[cfg(test)]
mod tests;
