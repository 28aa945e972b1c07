//! Folders of PNG files.

use super::{ImageSet, Loaded, LoadedSets, Origin, Range, png};
use crate::error::Error;
use crate::files::{self, MAX_BYTES};
use crate::memory;
use std::cmp::Ordering;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder entries that were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Files of other formats.
    pub files: usize,
    /// Subfolders.
    pub folders: usize,
    /// Entries with a leading dot in their name.
    pub hidden: usize,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = [(self.files, "other file"), (self.folders, "folder"), (self.hidden, "hidden entry")];
        let parts: Vec<String> = counted.into_iter().filter(|(count, _)| *count > 0).map(plural).collect();
        write!(f, "skipped {}: only PNG files directly in the folder are read", parts.join(", "))
    }
}

fn plural((count, what): (usize, &str)) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

/// Reads all `.png` files of a folder, in natural order of their names. All have one size.
pub(super) fn read(folder: &Path) -> Result<Loaded, Error> {
    let LoadedSets { mut sets, names, skipped } = read_as(folder, false)?;
    let set = sets.pop().ok_or_else(|| Error::EmptyFolder.in_file(files::display_name(folder)))?;
    Ok(Loaded { set, names, skipped })
}

/// Reads all `.png` files of a folder, in natural order of their names, into a set for each run of one size.
pub(super) fn read_sizes(folder: &Path) -> Result<LoadedSets, Error> {
    read_as(folder, true)
}

fn read_as(folder: &Path, any_size: bool) -> Result<LoadedSets, Error> {
    let (paths, skipped) = pictures(folder)?;
    let mut sets: Vec<ImageSet> = Vec::new();
    let mut names = Vec::with_capacity(paths.len());
    let mut bytes_in_all = 0;
    for path in paths {
        let bytes = files::read(&path)?;
        let named = |e: Error| e.in_file(files::display_name(&path));
        let next = png::image(&bytes).map_err(named)?;
        bytes_in_all += next.data.len() as u64;
        if bytes_in_all > MAX_BYTES {
            return Err(named(Error::TooLarge { limit: MAX_BYTES, unpacked: " when unpacked" }));
        }
        match sets.last_mut() {
            Some(last) if !any_size || (last.height, last.width) == (next.height, next.width) => {
                append(last, next).map_err(named)?;
            }
            _ => sets.push(next),
        }
        names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    if sets.is_empty() {
        return Err(Error::EmptyFolder.in_file(files::display_name(folder)));
    }
    Ok(LoadedSets { sets, names, skipped: (skipped != Skipped::default()).then_some(skipped) })
}

fn append(all: &mut ImageSet, mut next: ImageSet) -> Result<(), Error> {
    // Image programs store gray pictures as gray, as RGB or with a palette, whichever is smallest.
    if all.channels != next.channels {
        all.drop_equal_channels();
        next.drop_equal_channels();
    }
    let got = [next.channels, next.height, next.width];
    let expected = [all.channels, all.height, all.width];
    if got != expected {
        return Err(Error::ImageSize { got, expected });
    }
    all.data.try_reserve(next.data.len()).map_err(|_| Error::Memory { what: memory::IMAGES })?;
    all.data.extend_from_slice(&next.data);
    all.count += 1;
    if next.range == Range::Bytes {
        all.range = Range::Bytes;
    }
    Ok(())
}

fn pictures(folder: &Path) -> Result<(Vec<PathBuf>, Skipped), Error> {
    let cannot = |source| Error::Io { doing: "read", file: files::display_name(folder), source };
    let (mut paths, mut skipped) = (Vec::new(), Skipped::default());
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            skipped.hidden += 1;
        } else if path.is_dir() {
            skipped.folders += 1;
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
            paths.push(path);
        } else {
            skipped.files += 1;
        }
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
    paths.sort_by(|a, b| natural(&name(a), &name(b)));
    Ok((paths, skipped))
}

/// Natural order: runs of digits compare as numbers, all else bytewise. Ties, such as `1` and `01`, are broken
/// bytewise.
pub(super) fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (left.first(), right.first()) {
            (None, None) => return a.cmp(b),
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (x, y) = (number(&mut left), number(&mut right));
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            }
            (x, y) => {
                let order = x.cmp(&y);
                (left, right) = (left.get(1..).unwrap_or_default(), right.get(1..).unwrap_or_default());
                order
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes the leading digits off `text` and returns them without leading zeros.
fn number<'t>(text: &mut &'t [u8]) -> &'t [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    &digits[digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len())..]
}

impl ImageSet {
    /// Converts pictures to gray if R, G and B are equal throughout. Leaves other sets unchanged.
    pub(super) fn drop_equal_channels(&mut self) {
        let pixels = self.height * self.width;
        let gray =
            |image: &[u8]| image[..pixels] == image[pixels..2 * pixels] && image[..pixels] == image[2 * pixels..];
        if self.origin != Origin::Picture || self.channels != 3 || !self.iter().all(gray) {
            return;
        }
        for n in 0..self.count {
            self.data.copy_within(3 * n * pixels..(3 * n + 1) * pixels, n * pixels);
        }
        self.data.truncate(self.count * pixels);
        self.channels = 1;
    }
}
