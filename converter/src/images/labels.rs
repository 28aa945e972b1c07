//! Labels of images: in order, or by file name.

use super::{Label, idx, npy, read_array_file};
use crate::error::Error;
use crate::files;
use std::collections::BTreeMap;
use std::path::Path;

/// Labels of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// In the order of the images.
    Ordered(Vec<Label>),
    /// By file name, with or without its ending.
    Named(BTreeMap<String, Label>),
}

impl Labels {
    /// Reads the file at `path`: an array or IDX file in the order of the images, or lines `name,label`.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or has an unknown format.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = read_array_file(path)?;
        Self::from_bytes(&bytes).map_err(|e| e.in_file(files::display_name(path)))
    }

    /// Parses the decompressed bytes of a file.
    ///
    /// # Errors
    /// When the bytes are damaged or have an unknown format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if npy::is_npy(bytes) {
            return npy::labels(bytes).map(Self::Ordered);
        }
        if idx::is_idx(bytes) {
            return idx::labels(bytes).map(Self::Ordered);
        }
        let text = str::from_utf8(bytes).map_err(|_| Error::UnknownLabels)?;
        named(text.trim_start_matches('\u{feff}')).map(Self::Named)
    }

    /// Labels in the order of a folder's images, given their file `names`. Images from other files have no names.
    ///
    /// # Errors
    /// When labels by name do not match the names one to one.
    pub fn in_order_of(self, names: &[String]) -> Result<Vec<Label>, Error> {
        let mut by_name = match self {
            Self::Ordered(labels) => return Ok(labels),
            Self::Named(_) if names.is_empty() => {
                return Err(bad("the images have no names: use a folder of PNG files".to_string()));
            }
            Self::Named(by_name) => by_name,
        };
        let mut labels = Vec::with_capacity(names.len());
        for name in names {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            match by_name.remove(name).or_else(|| by_name.remove(stem)) {
                Some(label) => labels.push(label),
                None => return Err(bad(format!("no label for `{name}`, expected one for each image"))),
            }
        }
        match by_name.first_key_value() {
            Some((name, _)) => Err(bad(format!("no image `{name}` in the folder, expected labels of its images only"))),
            None => Ok(labels),
        }
    }
}

/// Parses lines `name,label`. The first line may be a heading whose second column is `label`.
fn named(text: &str) -> Result<BTreeMap<String, Label>, Error> {
    let mut labels = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields = line.rsplit_once(',').map(|(name, label)| (unquoted(name), unquoted(label)));
        let Some((name, label)) = fields else {
            // A file without a comma has another format.
            return Err(if labels.is_empty() { Error::UnknownLabels } else { wrong(number, line) });
        };
        match label.parse() {
            Ok(label) => {
                if labels.insert(name.to_string(), label).is_some() {
                    return Err(bad(format!("line {}: a second label for `{name}`", number + 1)));
                }
            }
            Err(_) if number == 0 && label.eq_ignore_ascii_case("label") => {}
            Err(_) => return Err(wrong(number, line)),
        }
    }
    if labels.is_empty() { Err(Error::UnknownLabels) } else { Ok(labels) }
}

fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

fn wrong(number: usize, line: &str) -> Error {
    let line: String = line.chars().take(80).collect();
    bad(format!("line {}: {line:?}, expected `name,label` with a label from 0 to {}", number + 1, Label::MAX))
}

fn bad(what: String) -> Error {
    Error::Format { format: "labels by name", what }
}
