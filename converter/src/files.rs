//! Whole files in and out: bounded reading, gzip by content, and writing that is all or nothing.

use crate::error::Error;
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The most bytes that are read of one file, before and after unpacking: 1 GiB.
pub const MAX_BYTES: u64 = 1 << 30;

/// The path that stands for standard input or output.
pub const STANDARD: &str = "-";

/// What messages call the file at `path`.
pub fn display_name(path: &Path) -> String {
    if is_standard(path) { "standard input".to_string() } else { path.display().to_string() }
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

/// All bytes of the file at `path`, or of standard input where it is `-`.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::TooLarge`] above [`MAX_BYTES`].
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let cannot = |source| Error::Io { doing: "read", file: display_name(path), source };
    let mut bytes = Vec::new();
    let mut limited: Box<dyn Read> = if is_standard(path) {
        Box::new(io::stdin().lock().take(MAX_BYTES + 1))
    } else {
        Box::new(File::open(path).map_err(cannot)?.take(MAX_BYTES + 1))
    };
    limited.read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge { limit: MAX_BYTES, unpacked: "" }.in_file(display_name(path)));
    }
    Ok(bytes)
}

/// As [`read`], unpacked where the content is gzip.
///
/// # Errors
/// As [`read`], and [`Error::Gzip`] when the gzip stream is damaged or cut short.
pub fn read_unpacked(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = read(path)?;
    unpack(bytes, MAX_BYTES).map_err(|e| e.in_file(display_name(path)))
}

/// Unpacks `bytes` where they begin as gzip does, to at most `limit` bytes; gives back anything else as it is.
///
/// # Errors
/// [`Error::Gzip`] when the stream is damaged or cut short, [`Error::TooLarge`] above `limit`.
pub fn unpack(bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, Error> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).take(limit + 1).read_to_end(&mut unpacked).map_err(gzip_error)?;
    if unpacked.len() as u64 > limit {
        return Err(Error::TooLarge { limit, unpacked: " when unpacked" });
    }
    Ok(unpacked)
}

fn gzip_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Error::Memory { what: "the unpacked file" },
        _ => Error::Gzip(error),
    }
}

/// Writes the file at `path`, all of it or nothing.
///
/// What `content` writes goes to a temporary file in the same folder, which takes the place of `path` once it is whole
/// and on disk. On any error the old file, if there was one, stays as it was and the temporary file is gone. A new file
/// gets the permissions that the umask leaves, an old one keeps its own; a symbolic link stays one. What is not a
/// regular file, such as `/dev/null` or a pipe, is written to as it stands.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written, or with what `content` gave back.
pub fn write_atomically<F>(path: &Path, content: F) -> Result<(), Error>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()>,
{
    let cannot = |source| Error::Io { doing: "write", file: path.display().to_string(), source };
    // The link itself must not be replaced by a file.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file() && !old.is_dir()) {
        let mut device = BufWriter::new(fs::OpenOptions::new().write(true).open(&target).map_err(cannot)?);
        return content(&mut device).and_then(|()| device.flush()).map_err(cannot);
    }
    if old.as_ref().is_some_and(fs::Metadata::is_dir) || target.file_name().is_none() {
        return Err(cannot(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    replace(&target, old.map(|old| old.permissions()), content).map_err(cannot)
}

fn replace<F>(target: &Path, permissions: Option<fs::Permissions>, content: F) -> io::Result<()>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()>,
{
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pixelrnn-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    let mut file = builder.tempfile_in(&folder)?;
    let mut buffered = BufWriter::new(file.as_file_mut());
    content(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(target).map_err(|e| e.error)?;
    // The rename is on disk once its folder is; not every system can do this, and the file is whole without it.
    #[cfg(unix)]
    let _ = File::open(&folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// As [`write_atomically`], or to standard output where `path` is `-`.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_output<F>(path: &Path, content: F) -> Result<(), Error>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()>,
{
    if !is_standard(path) {
        return write_atomically(path, content);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    content(&mut out).and_then(|()| out.flush()).map_err(|source| Error::Io {
        doing: "write",
        file: "standard output".to_string(),
        source,
    })
}

#[cfg(test)]
mod tests;
