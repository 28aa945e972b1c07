//! Small blobs in the source tree, with the images that they must produce on every machine.
//!
//! `golden.json` holds a checksum of the images and their total cost for each blob. Hosts, emulators and browsers all
//! read this file.
//!
//! After a deliberate change of the arithmetic, or if the built-in model was replaced, update the results:
//!
//! ```text
//! PIXELRNN_BLESS=1 cargo test -p pixelrnn-tests --test engine golden::
//! ```
//!
//! `PIXELRNN_BLESS=blobs` first rebuilds the golden blobs from their fixtures, as needed after a format change.
//! Otherwise only missing blobs are built.

use crate::integer_model::bytes::crc32;
use crate::{fixtures, forward};
use pixelrnn::Model;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Contents of `golden.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Golden {
    /// Explanation for readers of the file.
    pub about: String,
    /// Number of images. Image `n` uses seed `n` and temperature 1.
    pub images: u32,
    /// Results per blob.
    pub models: Vec<Entry>,
}

/// Results for a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path of the blob, relative to `golden.json`.
    pub blob: String,
    /// CRC-32 of all values of all images, each image `[C, H, W]`, in hexadecimal.
    pub crc32: String,
    /// Total cost of all images, in units of 2⁻²⁴ bit.
    pub cost: u64,
    /// Result of the firmware's report, which samples an image, scores it and completes its upper half.
    pub report: Report,
}

impl Entry {
    /// Folder name of a shipped model, or file name of the blob.
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
    /// CRC-32 of all sampled and completed values, in hexadecimal.
    pub crc32: String,
    /// Total cost, in units of 2⁻²⁴ bit.
    pub cost: u64,
}

/// Number of images per blob.
pub const IMAGES: u32 = 16;

/// The golden blobs with their source fixtures.
pub const MADE_FROM: [(&str, &str); 4] = [
    ("pixel_cnn_gray.prnn", "pixel_cnn_gray_softmax_full_description"),
    ("pixel_cnn_rgb.prnn", "pixel_cnn_rgb_cyclic"),
    ("row_lstm_rgb_classes.prnn", "row_lstm_rgb_all_options"),
    ("diagonal_bilstm_gray.prnn", "ops_diagonal_bilstm_2_layers"),
];

/// Built-in model of the command-line program, relative to `golden.json`.
pub const BUILT_IN: &str = "../models/mnist-pixelcnn/model.prnn";

/// Paths of the shipped models relative to `golden.json`, sorted by name.
///
/// # Panics
/// Panics if `models/` cannot be listed.
pub fn shipped() -> Vec<String> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let folders = std::fs::read_dir(models).expect("shipped models").map(|entry| entry.expect("a folder").path());
    let blobs = folders.filter(|folder| folder.join("model.prnn").exists());
    let mut names: Vec<_> =
        blobs.map(|folder| folder.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
    names.sort();
    names.iter().map(|name| format!("../models/{name}/model.prnn")).collect()
}

/// Folder of the golden blobs.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Path of `golden.json`.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden.json")
}

/// Paths of all blobs with results, relative to `golden.json`.
pub fn blobs() -> Vec<String> {
    MADE_FROM.iter().map(|(blob, _)| format!("golden/{blob}")).chain(shipped()).collect()
}

/// Builds the missing golden blobs, or `all` of them.
///
/// # Panics
/// Panics if a blob cannot be built or written.
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

/// Runs the firmware's report for `model` on the host.
fn report(model: Model<'_>) -> Report {
    let mut state = vec![0; model.state_words()];
    let mut image = vec![0; model.image().values()];
    let outcome = pixelrnn_firmware::report::outcome(model, &mut state, &mut image).expect("the model runs");
    Report { crc32: format!("{:08x}", outcome.crc), cost: outcome.cost }
}

/// Samples the images of `model`, cycling through its classes, and computes their checksum and cost.
pub fn entry(blob: &str, model: Model<'_>) -> Entry {
    let label = |n: u32| (model.classes() > 0).then(|| n as usize % model.classes());
    let passes: Vec<_> = (0..IMAGES).map(|n| forward::sample(model, n.into(), 1000, label(n))).collect();
    Entry {
        blob: blob.into(),
        crc32: format!("{:08x}", crc32(passes.iter().flat_map(|pass| pass.image.iter().copied()))),
        cost: passes.iter().map(|pass| pass.cost.0).sum(),
        report: report(model),
    }
}
