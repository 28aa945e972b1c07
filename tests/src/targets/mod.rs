//! What a fuzzer runs, as functions: each takes any bytes, and panics where something is wrong.
//!
//! `fuzz/` has a program for each. The tests run each as well, on the files in `fuzz/seeds` and on changes of these that are the same every
//! time; what a fuzzer found bad is such a file from then on. A checksum would keep a fuzzer out, and so it is put right before the bytes are
//! given to a reader, beside the bytes as they came.

mod blob;
mod container;
mod images;
pub mod protocol;
mod trained_model;

use crate::random::Random;
use std::path::{Path, PathBuf};

/// Something that reads what comes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its program and of its folder of seeds.
    pub name: &'static str,
    /// What it does with some bytes.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target { name: "blob", run: blob::run },
    Target { name: "container", run: container::run },
    Target { name: "images", run: images::run },
    Target { name: "protocol", run: protocol::run },
    Target { name: "trained_model", run: trained_model::run },
];

/// The target called `name`.
///
/// # Panics
/// When there is none.
pub fn named(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).expect("a target of that name")
}

impl Target {
    /// The folder of its seeds.
    pub fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(self.name)
    }

    /// Its seeds with the names of their files, sorted by these.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn seeds(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.folder()).expect("a folder of seeds");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        paths.iter().map(|path| (name(path), std::fs::read(path).expect("a seed"))).collect()
    }
}

/// `seed` with a few changes, as a fuzzer makes them; `other` is where it takes pieces from.
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

/// Writes `bytes` at `at`, where there is room.
fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = file.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
