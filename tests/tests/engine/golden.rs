//! Reproducibility over time and machines: blob and seed determine the image, as recorded in `golden.json`.
//!
//! `PIXELRNN_BLESS=1 cargo test -p pixelrnn-tests --test engine golden::` records the current results.
//! `PIXELRNN_BLESS=blobs` first rebuilds the golden blobs from their fixtures.

use pixelrnn_converter::Blob;
use pixelrnn_tests::golden::{self, Golden, IMAGES};

/// Current results, and the errors of blobs that cannot be read.
fn today() -> (Golden, Vec<String>) {
    let folder = golden::file().parent().unwrap().to_path_buf();
    let (mut models, mut failures) = (Vec::new(), Vec::new());
    for name in golden::blobs() {
        match Blob::read(&folder.join(&name)) {
            Ok(blob) => models.push(golden::entry(&name, blob.model().unwrap())),
            Err(error) => failures.push(error.to_string()),
        }
    }
    let about = format!(
        "{IMAGES} images of each blob, image n with seed n, label n mod classes, temperature 1: the CRC-32 of all values, \
         each image [C, H, W], and the sum of the costs in units of 2^-24 bit"
    );
    (Golden { about, images: IMAGES, models }, failures)
}

#[test]
fn golden_blobs_draw_what_they_always_drew() {
    let path = golden::file();
    if let Some(what) = std::env::var_os("PIXELRNN_BLESS").filter(|what| !what.is_empty() && what != "0") {
        golden::make(what == "blobs");
        let text = serde_json::to_string_pretty(&today().0).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let expected: Golden = serde_json::from_str(&text).unwrap();
    let (today, failures) = today();
    assert!(failures.is_empty(), "{failures:?}");
    for (got, expected) in today.models.iter().zip(&expected.models) {
        assert_eq!(got, expected, "the images changed; where that is meant, see the head of this file");
    }
    assert_eq!(today, expected);
}
