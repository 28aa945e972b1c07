//! The library needs neither `std` nor `alloc`: a program without them links, runs and draws the same image.
//!
//! The program is the crate in `no_std/`, built for the host so that it can be run. Compilation for bare-metal targets
//! is tested elsewhere.
#![cfg(target_os = "linux")]

use pixelrnn_converter::Blob;
use pixelrnn_tests::{cargo, forward, golden};
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;

/// Serializes builds with different features, which share a folder.
static BUILDING: Mutex<()> = Mutex::new(());

/// Builds the program and runs it if the build succeeded.
fn build_and_run(features: &str) -> Result<Output, String> {
    let _turn = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("no_std");
    // Same dependency versions as the workspace, already downloaded.
    std::fs::copy(folder.join("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std");
    let built = cargo::command()
        .args(["build", "--offline", "--quiet", "--features", features, "--target-dir"])
        .arg(&target)
        .current_dir(&folder)
        .output()
        .unwrap();
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    Ok(std::process::Command::new(target.join("debug/pixelrnn-no-std")).output().unwrap())
}

#[test]
fn a_program_without_std_alloc_and_allocator_draws_the_same_image() {
    let blob = Blob::read(&golden::folder().join("row_lstm_rgb_classes.prnn")).unwrap();
    let expected = forward::sample(blob.model().unwrap(), 1, 1000, Some(1)).cost.0;
    for features in ["", "float"] {
        let output = build_and_run(features).unwrap_or_else(|e| panic!("{e}"));
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, expected.to_le_bytes());
    }
}

/// Ensures that the test above is meaningful.
#[test]
fn the_program_does_not_link_with_std_or_alloc() {
    let error = build_and_run("std").unwrap_err();
    assert!(error.contains("panic_impl") || error.contains("panic_handler"), "{error}");
    let error = build_and_run("alloc").unwrap_err();
    assert!(error.contains("no global memory allocator found"), "{error}");
}

#[test]
fn a_file_that_is_no_blob_does_not_compile() {
    let error = build_and_run("not-a-blob").unwrap_err();
    assert!(error.contains("not a model blob"), "{error}");
}
