//! Files of all format versions are readable by the current programs, with unchanged meaning.
//!
//! `golden/v1/` holds files of version 1, with expected results in `results.json`. Nothing writes there, not even
//! blessing: the files stay as they were first written. A new version needs a new folder; this test then fails and
//! prints the `results.json` for it.

use pixelrnn::Model;
use pixelrnn::blob::VERSION;
use pixelrnn::coder::container;
use pixelrnn_converter::Blob;
use pixelrnn_converter::compress::decompress;
use pixelrnn_tests::integer_model::bytes::crc32;
use pixelrnn_tests::{forward, golden};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Properties and results of a file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Result {
    /// CRC-32 of the file itself.
    file: String,
    /// CRC-32 of the resulting values: of four sampled images, or of the restored images. Float blobs do not promise
    /// one.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<String>,
    /// Total cost of the four images, in units of 2^-24 bit.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<u64>,
    /// Rounded cost of an all-zero image in bits, for float blobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<u64>,
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    format!("{:08x}", crc32(bytes.into_iter()))
}

fn of_blob(file: &[u8], model: Model<'_>) -> Result {
    let label = (model.classes() > 0).then_some(1);
    if !model.weights().is_integer() {
        let zeros = forward::score(model, &vec![0; model.image().values()], label).cost;
        let bits = zeros.bits().round() as u64;
        return Result { file: hex(file.iter().copied()), values: None, cost: None, bits: Some(bits) };
    }
    let passes: Vec<_> = (0..4).map(|seed| forward::sample(model, seed, 1000, label)).collect();
    Result {
        file: hex(file.iter().copied()),
        values: Some(hex(passes.iter().flat_map(|pass| pass.image.iter().copied()))),
        cost: Some(passes.iter().map(|pass| pass.cost.0).sum()),
        bits: None,
    }
}

/// Current results by file name. A compressed file belongs to the blob with the same stem.
fn today(folder: &Path) -> BTreeMap<String, Result> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let mut all = BTreeMap::new();
    for path in paths {
        let file = std::fs::read(&path).unwrap();
        let blob = |path: &Path| Blob::read(path).unwrap_or_else(|e| panic!("{e}"));
        let result = match path.extension().and_then(|ending| ending.to_str()) {
            Some("prnn") => of_blob(&file, blob(&path).model().unwrap()),
            Some("prnz") => {
                let blob = blob(&path.with_extension("prnn"));
                let restored = decompress(blob.model().unwrap(), &file, || ()).unwrap_or_else(|e| panic!("{e}"));
                // Labels in these files fit a byte.
                let labels = restored.labels.iter().flatten().map(|label| u8::try_from(*label).unwrap());
                let values = restored.set.data.iter().copied().chain(labels);
                let values = Some(hex(values));
                Result { file: hex(file.iter().copied()), values, cost: None, bits: None }
            }
            _ => continue,
        };
        all.insert(path.file_name().unwrap().to_string_lossy().into_owned(), result);
    }
    all
}

#[test]
fn files_of_every_version_mean_what_they_meant() {
    for version in 1..=VERSION.max(container::VERSION) {
        let folder = golden::folder().join(format!("v{version}"));
        let today = today(&folder);
        let text = std::fs::read_to_string(folder.join("results.json")).unwrap_or_default();
        let expected: BTreeMap<String, Result> = serde_json::from_str(&text).unwrap_or_default();
        if today != expected {
            println!("{}", serde_json::to_string_pretty(&today).unwrap());
        }
        assert_eq!(today, expected, "{}: what is read today, and results.json", folder.display());
        let kinds = |ending: &str| today.keys().filter(|name| name.ends_with(ending)).count();
        assert!(kinds(".prnn") >= 10 && kinds(".prnz") >= 3, "{}: {:?}", folder.display(), today.keys());
    }
}

#[test]
fn a_file_of_a_newer_version_is_refused_by_its_number() {
    let mut blob = std::fs::read(golden::folder().join("v1/pixel_cnn_gray.prnn")).unwrap();
    blob[4..6].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let message = Blob::new(&blob).model().unwrap_err().to_string();
    assert!(message.contains(&format!("version {}", VERSION + 1)), "{message}");
    let mut file = std::fs::read(golden::folder().join("v1/pixel_cnn_gray.prnz")).unwrap();
    file[4..6].copy_from_slice(&(container::VERSION + 1).to_le_bytes());
    let message = pixelrnn_converter::compress::header(&file).unwrap_err().to_string();
    assert!(message.contains(&format!("version {}", container::VERSION + 1)), "{message}");
}
