//! Short runs of the fuzz targets on all seeds, including former failures, and on mutations of them.

use pixelrnn_converter::Blob;
use pixelrnn_converter::compress::decompress;
use pixelrnn_tests::golden;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::targets::{Target, changed, named};
use rayon::prelude::*;

/// Runs a target on its seeds and on `count` mutations of each.
fn runs(name: &str, count: u64) {
    let target: Target = named(name);
    let seeds = target.seeds();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    seeds.par_iter().for_each(|(_, seed)| (target.run)(seed));
    (0..count).into_par_iter().for_each(|round| {
        for (number, (file, seed)) in seeds.iter().enumerate() {
            let mut random = Random::new(round << 16 | number as u64);
            let other = &seeds[random.below(seeds.len())].1;
            let bytes = changed(seed, other, &mut random);
            let outcome = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(outcome.is_ok(), "{name}: round {round} of {file}");
        }
    });
}

/// Seeds in an outdated format would be rejected early and leave code behind the reader untested.
#[test]
fn seeds_are_of_the_formats_of_today() {
    let golden = golden::MADE_FROM.map(|(name, _)| (name, Blob::read(&golden::folder().join(name)).unwrap()));
    let (mut blobs, mut files) = (0, 0);
    for (file, seed) in named("blob").seeds().iter().filter(|(file, _)| file.strip_suffix(".prnn").is_some()) {
        assert!(Blob::new(seed).model().is_ok(), "{file}");
        blobs += 1;
    }
    for (file, seed) in named("container").seeds() {
        let of = |name: &str| file.starts_with(name.trim_end_matches(".prnn"));
        let Some((_, blob)) = golden.iter().find(|(name, _)| of(name)) else { continue };
        let restored = decompress(blob.model().unwrap(), &seed[1..], || ());
        assert!(restored.is_ok(), "{file}: {restored:?}");
        files += 1;
    }
    assert!(blobs > 10 && files > 5, "{blobs} blobs and {files} compressed files");
}

/// Overflow checks detect sums that wrap unintentionally. `Cargo.toml` enables them for tests, `fuzz/Cargo.toml` for
/// fuzzers.
#[cfg(debug_assertions)]
#[test]
fn sums_that_wrap_are_found() {
    let wraps = std::panic::catch_unwind(|| std::hint::black_box(u32::MAX) + std::hint::black_box(1));
    assert!(wraps.is_err());
}

#[test]
fn no_blob_does_harm() {
    runs("blob", 2000);
}

#[test]
fn no_compressed_file_does_harm() {
    runs("container", 2000);
}

#[test]
fn no_file_of_images_does_harm() {
    runs("images", 3000);
}

#[test]
fn no_checkpoint_does_harm() {
    runs("import", 2000);
}

#[test]
fn no_onnx_graph_does_harm() {
    runs("onnx", 1000);
}

#[test]
fn no_dialogue_does_harm() {
    runs("protocol", 1000);
}

#[test]
fn no_trained_model_does_harm() {
    runs("trained_model", 300);
}
