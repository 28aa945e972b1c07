//! Reader for the fixtures' `.npy` files: little-endian, row-major.

use std::path::Path;

/// Reads shape and float32 values.
///
/// # Panics
/// Panics if the file is not a complete float32 `.npy` file.
pub fn read_f32(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let (shape, data) = read(path, "<f4");
    (shape, data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// Reads shape and float64 values.
///
/// # Panics
/// Panics if the file is not a complete float64 `.npy` file.
pub fn read_f64(path: &Path) -> (Vec<usize>, Vec<f64>) {
    let (shape, data) = read(path, "<f8");
    let number = |b: &[u8]| f64::from_le_bytes(b.try_into().expect("eight bytes"));
    (shape, data.chunks_exact(8).map(number).collect())
}

/// Reads shape and uint8 values.
///
/// # Panics
/// Panics if the file is not a complete uint8 `.npy` file.
pub fn read_u8(path: &Path) -> (Vec<usize>, Vec<u8>) {
    read(path, "|u1")
}

/// Reads shape and raw data of element type `descr`.
fn read(path: &Path, descr: &str) -> (Vec<usize>, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"), "{}: no .npy file of version 1", path.display());
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).expect("a header of text");
    assert!(header.contains(&format!("'descr': '{descr}'")), "{}: {header}", path.display());
    assert!(header.contains("'fortran_order': False"), "{}: {header}", path.display());
    let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).expect("a shape").0;
    let shape: Vec<usize> =
        shape.split(',').map(str::trim).filter(|n| !n.is_empty()).map(|n| n.parse().expect("a number")).collect();
    let data = bytes[10 + length..].to_vec();
    let size: usize = descr[2..].parse().expect("a size");
    assert_eq!(data.len(), size * shape.iter().product::<usize>(), "{}: bytes of its shape", path.display());
    (shape, data)
}
