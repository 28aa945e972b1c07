//! File I/O: bounded reads, gzip detected by content, atomic writes.

use crate::error::Error;
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Maximum size of a file, before and after decompression: 1 GiB.
pub const MAX_BYTES: u64 = 1 << 30;

/// Path that stands for standard input or output.
pub const STANDARD: &str = "-";

/// File name for messages.
pub fn display_name(path: &Path) -> String {
    if is_standard(path) { "standard input".to_string() } else { path.display().to_string() }
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

/// Reads the file at `path`, or standard input for `-`.
///
/// # Errors
/// [`Error::Io`] when the read fails, [`Error::TooLarge`] above [`MAX_BYTES`].
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

/// Reads a file and decompresses it if it is gzip.
///
/// # Errors
/// See [`read`]; [`Error::Gzip`] when the gzip stream is damaged or truncated.
pub fn read_unpacked(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = read(path)?;
    unpack(bytes, MAX_BYTES).map_err(|e| e.in_file(display_name(path)))
}

/// Decompresses `bytes` to at most `limit` bytes if they start with the gzip magic; returns any others unchanged.
///
/// # Errors
/// [`Error::Gzip`] when the stream is damaged or truncated, [`Error::TooLarge`] above `limit`.
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

/// Writes the file at `path` atomically.
///
/// `content` writes to a temporary file in the same folder, which replaces `path` once it is complete and synced. On
/// any error the old file is unchanged and the temporary file is deleted. A new file gets the permissions of the umask,
/// an existing one keeps its own, and symbolic links are followed. Anything but a regular file, such as `/dev/null` or
/// a pipe, is written in place.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written or `content` fails.
pub fn write_atomically<F>(path: &Path, content: F) -> Result<(), Error>
where
    F: FnOnce(&mut dyn Write) -> io::Result<()>,
{
    let cannot = |source| Error::Io { doing: "write", file: path.display().to_string(), source };
    // Resolve symbolic links: replace the target, not the link.
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
    // Sync the folder to make the rename durable. Best effort: not every system supports it.
    #[cfg(unix)]
    let _ = File::open(&folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Writes the file at `path` like [`write_atomically`], or to standard output for `-`.
///
/// # Errors
/// See [`write_atomically`].
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
