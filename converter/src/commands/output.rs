//! Output formats, selected and checked by the ending of the file name.

use super::Failure;
use pixelrnn_converter::files;
use std::path::Path;

/// Endings of image files, our own formats and others.
const PICTURES: [&str; 14] =
    ["avif", "bmp", "gif", "heic", "jp2", "jpeg", "jpg", "jxl", "npy", "npz", "png", "tif", "tiff", "webp"];

/// Ending of `path`, in lower case.
fn ending(path: &Path) -> Option<String> {
    path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase())
}

pub fn is_npy(path: &Path) -> bool {
    ending(path).is_some_and(|ending| ending == "npy")
}

/// Rejects any ending other than `ours`. A name without an ending is accepted.
pub fn check_ending(option: &str, path: Option<&Path>, ours: &[&str]) -> Result<(), Failure> {
    match path.and_then(|path| Some((path, ending(path)?))) {
        Some((path, ending)) if !ours.contains(&ending.as_str()) => Err(Failure::Usage(format!(
            "{option}: {}: cannot write .{ending}, expected the ending .{}",
            files::display_name(path),
            ours.join(" or .")
        ))),
        _ => Ok(()),
    }
}

/// Rejects the ending of an image format for output that is none. `ours` is the suggested ending.
pub fn refuse_pictures(option: &str, path: &Path, ours: &str) -> Result<(), Failure> {
    match ending(path) {
        Some(ending) if PICTURES.contains(&ending.as_str()) => Err(Failure::Usage(format!(
            "{option}: {}: cannot write .{ending}, expected the ending {ours}",
            files::display_name(path)
        ))),
        _ => Ok(()),
    }
}

/// Output format of decompressed images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// One `.npy` array.
    Npy,
    /// One PNG file.
    Png,
    /// A folder with one PNG file per image.
    Folder,
}

impl Images {
    /// Selects the format by `path`, for `count` images.
    pub fn of(path: &Path, count: u32) -> Result<Self, Failure> {
        if path == Path::new(files::STANDARD) {
            return Ok(Self::Npy);
        }
        let name = files::display_name(path);
        if path.is_dir() || name.ends_with(std::path::is_separator) {
            return Ok(Self::Folder);
        }
        match ending(path).as_deref() {
            None => Ok(Self::Folder),
            Some("npy") => Ok(Self::Npy),
            Some("png") if count == 1 => Ok(Self::Png),
            Some("png") => Err(Failure::Usage(format!(
                "{name}: a PNG file holds one image of {count}: give a folder or an .npy file"
            ))),
            Some(ending) => Err(Failure::Usage(format!(
                "--output: {name}: cannot write .{ending}, expected the ending .npy or .png, or a folder (with a final / if its \
                 name has a dot)"
            ))),
        }
    }
}
