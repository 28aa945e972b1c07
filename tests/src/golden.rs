//! Small blobs that are part of the source, and what they must draw on every machine.
//!
//! `golden.json` holds, for each blob, a checksum of the images that it draws and the sum of their costs. Hosts, emulators
//! and browsers all read that one file.
//!
//! After a deliberate change of the arithmetic, or when the built-in model was replaced, one command takes the new numbers:
//!
//! ```text
//! PIXELRNN_BLESS=1 cargo test -p pixelrnn-tests --test golden
//! ```
//!
//! `PIXELRNN_BLESS=blobs` makes the golden blobs themselves again from their fixtures before that, which a change of the
//! format needs; otherwise only those that are missing are made.

use crate::integer_model::bytes::crc32;
use crate::{fixtures, walk};
use pixelrnn::Model;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file of results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Golden {
    /// What the numbers are, for whoever opens the file.
    pub about: String,
    /// Images drawn, image number `n` with the seed `n` at temperature 1.
    pub images: u32,
    /// The blobs.
    pub models: Vec<Entry>,
}

/// What a blob draws.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The blob, seen from the folder of `golden.json`.
    pub blob: String,
    /// CRC-32 of all values of all images, each image `[C, H, W]`, in hexadecimal.
    pub crc32: String,
    /// Sum of the costs of all images, in units of 2⁻²⁴ bit.
    pub cost: u64,
    /// What the firmware reports of it, which draws an image, scores it and completes its upper half.
    pub report: Report,
}

impl Entry {
    /// The name of a shipped model's folder, or of the blob's file.
    pub fn name(&self) -> String {
        let path = Path::new(&self.blob);
        let stem = path.file_stem().unwrap_or_default();
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        if stem == "model" { folder } else { stem }.to_string_lossy().into_owned()
    }
}

/// A checksum and a cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// CRC-32 of all values that were drawn and completed, in hexadecimal.
    pub crc32: String,
    /// Sum of all costs, in units of 2⁻²⁴ bit.
    pub cost: u64,
}

/// Images drawn of each blob.
pub const IMAGES: u32 = 16;

/// The golden blobs and the fixtures that they were made from.
pub const MADE_FROM: [(&str, &str); 4] = [
    ("pixel_cnn_gray.prnn", "pixel_cnn_gray_softmax_full_description"),
    ("pixel_cnn_rgb.prnn", "pixel_cnn_rgb_cyclic"),
    ("row_lstm_rgb_classes.prnn", "row_lstm_rgb_all_options"),
    ("diagonal_bilstm_gray.prnn", "ops_diagonal_bilstm_2_layers"),
];

/// The model that is built into the command line, seen from the folder of `golden.json`.
pub const BUILT_IN: &str = "../models/mnist-pixelcnn/model.prnn";

/// The shipped models, seen from the folder of `golden.json`, sorted by name.
///
/// # Panics
/// When `models/` cannot be listed.
pub fn shipped() -> Vec<String> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let folders = std::fs::read_dir(models).expect("shipped models").map(|entry| entry.expect("a folder").path());
    let blobs = folders.filter(|folder| folder.join("model.prnn").exists());
    let mut names: Vec<_> =
        blobs.map(|folder| folder.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
    names.sort();
    names.iter().map(|name| format!("../models/{name}/model.prnn")).collect()
}

/// The folder of the golden blobs.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The file of results.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden.json")
}

/// All blobs that `golden.json` has results of, seen from its folder.
pub fn blobs() -> Vec<String> {
    MADE_FROM.iter().map(|(blob, _)| format!("golden/{blob}")).chain(shipped()).collect()
}

/// Makes the golden blobs that are not there, or `all`.
///
/// # Panics
/// When a blob cannot be made or written.
pub fn make(all: bool) {
    for (blob, fixture) in MADE_FROM {
        let path = folder().join(blob);
        if all || !path.exists() {
            let blob = fixtures::named(fixture).blob().expect("the engine has all ops of a golden model");
            std::fs::create_dir_all(folder()).expect("a folder");
            std::fs::write(&path, blob.bytes()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }
}

/// What the firmware reports of `model`, computed here.
fn report(model: Model<'_>) -> Report {
    let mut state = vec![0; model.state_words()];
    let mut image = vec![0; model.image().values()];
    let outcome = pixelrnn_firmware::report::outcome(model, &mut state, &mut image).expect("the model runs");
    Report { crc32: format!("{:08x}", outcome.crc), cost: outcome.cost }
}

/// Draws the images of `model`, whose classes take turns, and sums them up.
pub fn entry(blob: &str, model: Model<'_>) -> Entry {
    let label = |n: u32| (model.classes() > 0).then(|| n as usize % model.classes());
    let walks: Vec<_> = (0..IMAGES).map(|n| walk::sample(model, n.into(), 1000, label(n))).collect();
    Entry {
        blob: blob.into(),
        crc32: format!("{:08x}", crc32(walks.iter().flat_map(|walk| walk.image.iter().copied()))),
        cost: walks.iter().map(|walk| walk.cost.0).sum(),
        report: report(model),
    }
}
