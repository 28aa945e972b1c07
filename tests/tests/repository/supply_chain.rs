//! Dependencies: few, from a single registry, and compatible with the promised compiler.

use pixelrnn_tests::cargo;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Output of `cargo` with these arguments, offline.
fn ask(words: &[&str]) -> String {
    let output = cargo::command().args(words).args(["--offline", "--locked"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Crates compiled into a program with `package` for the host.
fn needs(package: &str, features: &[&str]) -> BTreeSet<String> {
    let words =
        ["tree", "--package", package, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let tree = ask(&[&words[..], features].concat());
    println!("{tree}");
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(String::from).collect()
}

/// Firmware dependencies: a checksum, fixed-capacity vectors, random numbers, and checked casts. Every crate here must
/// be trusted, so review any addition.
#[test]
fn the_runtime_needs_few_crates() {
    let least = [
        "bytemuck",
        "byteorder",
        "crc",
        "crc-catalog",
        "hash32",
        "heapless",
        "pixelrnn",
        "rand_core",
        "rand_xoshiro",
        "stable_deref_trait",
    ];
    assert_eq!(needs("pixelrnn", &["--no-default-features"]), least.map(String::from).into());
    let mut all = BTreeSet::from(least.map(String::from));
    all.extend(["cfg-if", "half", "libm", "zerocopy"].map(String::from));
    assert_eq!(needs("pixelrnn", &[]), all);
}

/// Firmware compiles the build helper first, so it stays free of command line, image formats and floats.
#[test]
fn the_build_helper_needs_no_crate_that_firmware_does_not_compile_anyway() {
    let mut all = needs("pixelrnn", &["--no-default-features"]);
    all.insert("pixelrnn-build".into());
    assert_eq!(needs("pixelrnn-build", &[]), all);
}

/// Packages compiled for the host. Packages for other platforms may not be downloaded.
fn metadata() -> Value {
    let said = ask(&["--version", "--verbose"]);
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo says which machine this is");
    serde_json::from_str(&ask(&["metadata", "--format-version", "1", "--filter-platform", host])).unwrap()
}

/// Parses `1.90` or `1.90.0`.
fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|number| number.parse().unwrap_or_else(|e| panic!("{text}: {e}"))).collect()
}

/// Each `Cargo.toml` declares the minimum version. Clippy's `incompatible_msrv` checks our sources, this test the
/// dependencies.
#[test]
fn no_dependency_asks_for_a_newer_compiler_than_is_promised() {
    let metadata = metadata();
    let list = |key: &Value| key.as_array().unwrap().clone();
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (id(&package), package)).collect();
    let needs: BTreeMap<String, Vec<Value>> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (id(&node), list(&node["dependencies"]))).collect();
    let asks = |id: &str| packages[id]["rust_version"].as_str().map(version);
    for member in list(&metadata["workspace_members"]) {
        let member = member.as_str().unwrap();
        let promised = asks(member).expect("a promise");
        let (mut waiting, mut reached) = (vec![member], BTreeSet::new());
        while let Some(id) = waiting.pop() {
            if reached.insert(id) {
                waiting.extend(needs[id].iter().filter_map(Value::as_str));
            }
        }
        let newer: Vec<_> = reached.into_iter().filter(|id| asks(id).is_some_and(|asked| asked > promised)).collect();
        assert!(newer.is_empty(), "{member} promises {promised:?}, these ask for more: {newer:?}");
    }
}

#[test]
fn all_crates_come_from_one_registry_or_from_here() {
    for lock in ["Cargo.lock", "firmware-example/Cargo.lock", "fuzz/Cargo.lock", "bindings/web/Cargo.lock"] {
        let text = std::fs::read_to_string(root().join(lock)).unwrap();
        let sources: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
        assert_eq!(sources, BTreeSet::from(["\"registry+https://github.com/rust-lang/crates.io-index\""]), "{lock}");
    }
}
