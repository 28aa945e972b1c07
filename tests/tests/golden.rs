//! The same blob and seed give the same image today, tomorrow and on every machine: `golden.json` says which.
//!
//! `PIXELRNN_BLESS=1 cargo test -p pixelrnn-tests --test golden` takes today's results as the right ones.

use pixelrnn_converter::Blob;
use pixelrnn_tests::golden::{self, Golden, IMAGES};

fn blessing() -> bool {
    std::env::var_os("PIXELRNN_BLESS").is_some_and(|value| value != "0")
}

/// What the engine draws today.
fn today() -> Golden {
    let folder = golden::file().parent().unwrap().to_path_buf();
    let of = |name: &String| {
        let blob = Blob::read(&folder.join(name)).unwrap_or_else(|e| panic!("{e}"));
        golden::entry(name, blob.model().unwrap())
    };
    Golden {
        about: format!(
            "{IMAGES} images of each blob, image n with seed n, label n mod classes, temperature 1: the CRC-32 of all \
             values, each image [C, H, W], and the sum of the costs in units of 2^-24 bit"
        ),
        images: IMAGES,
        models: golden::blobs().iter().map(of).collect(),
    }
}

#[test]
fn golden_blobs_draw_what_they_always_drew() {
    let path = golden::file();
    if blessing() {
        golden::make_missing();
        let text = serde_json::to_string_pretty(&today()).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let expected: Golden = serde_json::from_str(&text).unwrap();
    let today = today();
    for (got, expected) in today.models.iter().zip(&expected.models) {
        assert_eq!(got, expected, "the images changed; where that is meant, see the head of this file");
    }
    assert_eq!(today, expected);
}
