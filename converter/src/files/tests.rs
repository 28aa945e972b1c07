use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn gzip_is_known_by_its_content_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.txt");
    for bytes in [gzip(b"content"), b"content".to_vec()] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(read_unpacked(&path).unwrap(), b"content");
    }
}

#[test]
fn gzip_of_several_members_is_one_file() {
    let bytes = [gzip(b"one "), gzip(b"two")].concat();
    assert_eq!(unpack(bytes, MAX_BYTES).unwrap(), b"one two");
}

#[test]
fn damaged_gzip_is_an_error() {
    let whole = gzip(&[7; 1000]);
    for cut in [2, 9, whole.len() / 2, whole.len() - 1] {
        let error = unpack(whole[..cut].to_vec(), MAX_BYTES).unwrap_err();
        assert!(matches!(error, Error::Gzip(_)), "{cut} bytes: {error}");
    }
    let mut flipped = whole;
    let last = flipped.len() - 5;
    flipped[last] ^= 1;
    assert!(matches!(unpack(flipped, MAX_BYTES), Err(Error::Gzip(_))));
}

#[test]
fn unpacking_stops_at_the_limit() {
    let bomb = gzip(&vec![0; 100_000]);
    assert!(matches!(unpack(bomb.clone(), 99_999), Err(Error::TooLarge { limit: 99_999, .. })));
    assert_eq!(unpack(bomb, 100_000).unwrap().len(), 100_000);
}

#[test]
fn a_missing_file_is_named() {
    let message = read(Path::new("no/such/file")).unwrap_err().to_string();
    assert!(message.starts_with("cannot read no/such/file: "), "{message}");
}

#[test]
fn a_file_is_written_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for content in [b"old" as &[u8], b"new and longer"] {
        write_atomically(&path, |out| out.write_all(content)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn failure_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let fail = |out: &mut dyn Write| {
        out.write_all(&vec![1; 100_000])?;
        Err(io::Error::other("no more"))
    };
    let message = write_atomically(&path, fail).unwrap_err().to_string();
    assert!(message.ends_with("file: no more"), "{message}");
    assert!(names(folder.path()).is_empty());

    fs::write(&path, "old").unwrap();
    write_atomically(&path, fail).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_folder_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let message = write_atomically(folder.path(), |_| Ok(())).unwrap_err().to_string();
    assert!(message.starts_with("cannot write "), "{message}");
    assert!(folder.path().is_dir());
    assert!(write_atomically(&folder.path().join("none/file"), |_| Ok(())).is_err());
}

#[cfg(unix)]
#[test]
fn permissions_links_and_devices_stay_as_they_are() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("file"), folder.path().join("link"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

    // Permissions of a file created directly.
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    write_atomically(&path, |out| out.write_all(b"1")).unwrap();
    assert_eq!(mode(&path), mode(&plain));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&path, &link).unwrap();
    write_atomically(&link, |out| out.write_all(b"2")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"2".to_vec(), 0o640));

    write_atomically(Path::new("/dev/null"), |out| out.write_all(b"3")).unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}
