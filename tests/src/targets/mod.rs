//! Fuzz targets as functions: each takes arbitrary bytes and panics on a violated property.
//!
//! `fuzz/` has a program for each target. The tests also run each target on `fuzz/seeds` and on reproducible mutations
//! of these seeds. An input that once failed becomes a seed. Checksums would stop a fuzzer, so readers get the bytes
//! both as they are and with repaired checksums.

mod blob;
mod container;
mod images;
mod import;
mod onnx;
pub mod protocol;
mod trained_model;

use crate::random::Random;
use std::path::{Path, PathBuf};

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the target, its program and its seed folder.
    pub name: &'static str,
    /// Runs the target on an input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 7] = [
    Target { name: "blob", run: blob::run },
    Target { name: "container", run: container::run },
    Target { name: "images", run: images::run },
    Target { name: "import", run: import::run },
    Target { name: "onnx", run: onnx::run },
    Target { name: "protocol", run: protocol::run },
    Target { name: "trained_model", run: trained_model::run },
];

/// Finds a target by name.
///
/// # Panics
/// Panics if there is none.
pub fn named(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).expect("a target of that name")
}

impl Target {
    /// Folder of its seeds.
    pub fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(self.name)
    }

    /// Seeds with their file names, sorted by name.
    ///
    /// # Panics
    /// Panics if they cannot be read.
    pub fn seeds(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.folder()).expect("a folder of seeds");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        paths.iter().map(|path| (name(path), std::fs::read(path).expect("a seed"))).collect()
    }
}

/// Applies a few fuzzer-like mutations to `seed`, splicing pieces of `other`.
pub fn changed(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.between(1, 4) {
        let at = random.below(bytes.len() + 1);
        let room = bytes.len() - at;
        match random.below(8) {
            0 if room > 0 => bytes[at] ^= 1 << random.below(8),
            1 if room > 0 => bytes[at] = random.choose(&[0, 1, 2, 15, 16, 0x7f, 0x80, 0xfe, 0xff]),
            2 if room > 0 => bytes[at] = random.below(256) as u8,
            3 if room >= 4 => {
                let number =
                    random.choose(&[0, 1, 4, 64, 0x7fff, 0xffff, 0x1_0000, 0x7fff_ffff, 0xffff_fffc, u32::MAX]);
                bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            }
            4 => bytes.truncate(at),
            5 => bytes.insert(at, random.below(256) as u8),
            6 => {
                let length = random.below(room.min(16) + 1);
                bytes.drain(at..at + length);
            }
            _ => {
                let from = random.below(other.len() + 1);
                let length = random.below((other.len() - from).min(32) + 1);
                bytes.splice(at..at, other[from..from + length].iter().copied());
            }
        }
    }
    bytes
}

/// Overwrites bytes from `at` on, if there is room.
fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = file.get_mut(at..at + bytes.len()) {
        target.copy_from_slice(bytes);
    }
}
