//! Malformed input files.

use crate::integer_model::bytes::{blob_checksum, crc32};

/// Expected file type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `.safetensors`.
    Trained,
    /// `.prnn`.
    Blob,
    /// Images, as `.npy`.
    Images,
    /// Labels, as `.npy`.
    Labels,
    /// Compressed images, `.prnz`.
    Compressed,
}

/// Returns malformed variants of a file of type `kind`, each with a description. `good` is a valid file.
pub fn of(kind: Kind, good: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("empty".into(), Vec::new()),
        ("one byte".into(), good[..1].to_vec()),
        ("half of it".into(), good[..good.len() / 2].to_vec()),
        ("all but the last byte".into(), good[..good.len() - 1].to_vec()),
        ("text".into(), b"This is not the file that you are looking for.\n".to_vec()),
        ("zeros".into(), vec![0; 4096]),
        ("not gzip in spite of its first bytes".into(), b"\x1f\x8b\x08 and so on".to_vec()),
    ];
    let huge = match kind {
        Kind::Trained => vec![
            ("a header of 2^63 bytes", [&(1_u64 << 63).to_le_bytes()[..], b"{}"].concat()),
            ("a header of 2^64 - 1 bytes", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
            ("a tensor of 2^60 numbers", huge_tensor()),
            ("a model of 16384 x 16384 features", huge_model()),
        ],
        Kind::Blob => vec![
            ("a length of 4 GiB", patched(good, &[(8, u32::MAX)])),
            ("a state of 4 GiB", patched(good, &[(16, !3)])),
            ("registers of 4 GiB", patched(good, &[(20, !3)])),
            ("ops beyond its end", patched(good, &[(44, !3)])),
            ("notes beyond its end", patched(good, &[(52, u32::MAX)])),
            ("a flipped bit", flipped(good)),
        ],
        Kind::Images => vec![
            ("2^40 images", npy("(1099511627776, 1, 28, 28)", 4)),
            ("a size that overflows", npy("(4294967296, 4294967296, 4294967296)", 4)),
            ("images without rows", npy("(4, 1, 0, 28)", 0)),
            ("no images", npy("(0, 1, 28, 28)", 0)),
            ("a single image's shape", npy("(28, 28)", 784)),
            ("an IDX file of 2^32 - 1 images", [&[0, 0, 8, 3][..], &[255; 12]].concat()),
            ("a PNG file of 2^31 - 1 squared", huge_png()),
        ],
        Kind::Labels => vec![
            ("2^40 labels", npy("(1099511627776,)", 4)),
            ("one label", npy("(1,)", 1)),
            ("labels in two dimensions", npy("(3, 1)", 3)),
            ("an IDX file of 2^32 - 1 labels", [&[0, 0, 8, 1][..], &[255; 4]].concat()),
        ],
        Kind::Compressed => vec![
            ("another model's identity", header_patched(good, 8, &[1, 2, 3, 4, 5, 6, 7, 8])),
            ("another version", header_patched(good, 4, &[2, 0])),
            ("two channels", header_patched(good, 6, &[2])),
            ("no rows", header_patched(good, 16, &[0, 0])),
            ("65535 rows", header_patched(good, 16, &[255, 255])),
            ("65535 columns", header_patched(good, 18, &[255, 255])),
            ("4096 x 4096 pixels", header_patched(good, 16, &[0, 16, 0, 16])),
            ("65535 levels", header_patched(good, 20, &[255, 255])),
            ("65535 classes", header_patched(good, 22, &[255, 255])),
            ("no images", header_patched(good, 24, &[0; 4])),
            ("one image more", header_patched(good, 24, &(u32::from_le_bytes([good[24], 0, 0, 0]) + 1).to_le_bytes())),
            ("2^32 - 1 images", header_patched(good, 24, &[255; 4])),
            ("a block of 2^32 - 1 images", [&good[..32], &[255; 4], &good[36..]].concat()),
            ("a block without images", [&good[..32], &[0; 4], &good[36..]].concat()),
            ("a segment of 65535 bytes", [&good[..36], &[255, 255], &good[38..]].concat()),
            ("a stream without bytes", [&good[..36], &[0; 6]].concat()),
            ("a stream of zeros", [&good[..36], &[0, 1], &[0; 256], &[0; 6]].concat()),
            ("a stream of ones", [&good[..36], &[0, 1], &[255; 256], &[0; 6]].concat()),
            ("itself twice", [good, good].concat()),
            (
                "2^20 empty blocks",
                [&header_patched(good, 24, &[255; 4])[..32], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0].repeat(1 << 20)].concat(),
            ),
        ],
    };
    if kind == Kind::Compressed {
        files.extend((0..good.len()).map(|length| (format!("its first {length} bytes"), good[..length].to_vec())));
        // One flipped bit per byte, a different bit each time. More would cost a program run each.
        files.extend((0..good.len()).map(|at| (format!("a flipped bit of byte {at}"), flipped_at(good, at, at % 8))));
    }
    files.extend(huge.into_iter().map(|(what, bytes)| (what.to_string(), bytes)));
    files
}

/// A uint8 `.npy` file that declares `shape` and holds `count` bytes.
fn npy(shape: &str, count: usize) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; count]].concat()
}

/// Replaces header words of `blob` and updates the checksum.
fn patched(blob: &[u8], words: &[(usize, u32)]) -> Vec<u8> {
    let mut blob = blob.to_vec();
    for (at, word) in words {
        blob[*at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    let checksum = blob_checksum(&blob);
    blob[12..16].copy_from_slice(&checksum.to_le_bytes());
    blob
}

fn flipped(file: &[u8]) -> Vec<u8> {
    flipped_at(file, file.len() / 2, 0)
}

fn flipped_at(file: &[u8], at: usize, bit: usize) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at] ^= 1 << bit;
    file
}

/// Replaces header bytes of `compressed` and updates the checksum.
fn header_patched(compressed: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = compressed.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let checksum = crc32(file[..28].iter().copied());
    file[28..32].copy_from_slice(&checksum.to_le_bytes());
    file
}

fn safetensors(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
}

fn huge_tensor() -> Vec<u8> {
    safetensors(
        r#"{"__metadata__":{"pixelrnn":"{}"},"x":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4]}}"#,
    )
}

/// A valid description of an excessively large model, without tensors.
fn huge_model() -> Vec<u8> {
    let description = r#"{\"image\":{\"height\":4096,\"width\":4096,\"channels\":1,\"levels\":2},\"output\":\"bernoulli\",
        \"ops\":[{\"op\":\"masked_conv\",\"name\":\"a\",\"mask\":\"A\",\"kernel\":[127,127],\"out\":16384},
        {\"op\":\"masked_conv\",\"name\":\"b\",\"mask\":\"B\",\"kernel\":[127,127],\"out\":1}]}"#;
    let description = description.replace('\n', " ");
    safetensors(&format!(r#"{{"__metadata__":{{"pixelrnn":"{description}"}}}}"#))
}

/// A PNG signature and header chunk with nothing after them.
fn huge_png() -> Vec<u8> {
    let mut chunk = b"IHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00".to_vec();
    let crc = crc32(chunk.iter().copied());
    chunk.extend(crc.to_be_bytes());
    [b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", &chunk[..]].concat()
}
