//! `unsafe` is confined to known files and always justified: in kernels of the runtime and trainer, in programs without
//! an operating system, and in counting allocators.
//!
//! The compiler and clippy enforce this for compiled code (`unsafe_code`, `undocumented_unsafe_blocks`). This test
//! reads all sources, including those for other targets.

use std::path::{Path, PathBuf};

/// Files that may contain `unsafe`, and folders, which end with `/`.
const ALLOWED: [&str; 13] = [
    "runtime/src/kernels/",
    "trainer/src/kernels/",
    "firmware-example/src/bin/",
    "firmware-example/src/measure.rs",
    "firmware-example/src/uart/",
    "firmware-example/wasm/src/lib.rs",
    "bindings/c/src/",
    // The names of its exports.
    "bindings/web/src/lib.rs",
    "benches/src/peak.rs",
    "tests/no_std/src/main.rs",
    "tests/tests/allocation.rs",
    "tests/tests/flat_memory.rs",
    // Contains the word in string literals.
    "tests/tests/repository/unsafe_code.rs",
];

/// Modules of the runtime that forbid `unsafe`.
const FORBIDDEN_IN: [&str; 5] = ["blob", "coder", "exec", "fixed", "network"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust sources under `folder`, with paths relative to the root.
fn sources(folder: &Path, all: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let shown = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            all.push((shown, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for folder in
        ["runtime", "converter", "client", "trainer", "firmware-example", "tests", "benches", "fuzz", "bindings"]
    {
        sources(&root().join(folder), &mut all);
    }
    assert!(all.len() > 150, "only {} sources", all.len());
    all
}

/// The line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn allowed(path: &str) -> bool {
    ALLOWED.iter().any(|allowed| path == *allowed || allowed.ends_with('/') && path.starts_with(allowed))
}

#[test]
fn there_is_no_unsafe_code_but_where_it_must_be() {
    for (path, text) in all_sources() {
        let bad =
            |line: &&str| code(line).split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        if !allowed(&path) {
            assert_eq!(text.lines().find(bad), None, "{path}");
        }
        let lifted = text.lines().any(|line| code(line).contains("allow(unsafe_code"));
        let in_kernels = path.starts_with("runtime/src/kernels/") || path.starts_with("trainer/src/kernels/");
        let elsewhere = !path.starts_with("runtime/") && !path.starts_with("converter/") && allowed(&path);
        assert!(!lifted || in_kernels || elsewhere, "{path} allows unsafe code");
    }
}

#[test]
fn the_core_of_the_runtime_forbids_unsafe_code() {
    for module in FORBIDDEN_IN {
        let path = root().join(format!("runtime/src/{module}/mod.rs"));
        assert!(std::fs::read_to_string(path).unwrap().contains("#![forbid(unsafe_code)]"), "{module}");
    }
}

/// Line `at` together with the comment or attributes directly above it.
fn with_what_is_above(lines: &[&str], at: usize) -> String {
    let mut first = at;
    // Includes the whole statement and the comment before it.
    while first > 0 && !lines[first - 1].trim().is_empty() && at - first < 12 {
        first -= 1;
        if lines[first].contains("SAFETY:") {
            break;
        }
    }
    lines[first..=at].join("\n")
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut blocks = 0;
    for (path, text) in all_sources().into_iter().filter(|(path, _)| path != "tests/tests/repository/unsafe_code.rs") {
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..lines.len() {
            let line = code(lines[at]);
            if line.contains("unsafe {") || line.contains("unsafe impl") {
                blocks += 1;
                assert!(with_what_is_above(&lines, at).contains("SAFETY:"), "{path}:{}: {}", at + 1, lines[at].trim());
            }
        }
    }
    assert!(blocks > 50, "only {blocks} blocks were found");
}
