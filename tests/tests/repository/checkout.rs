//! A fresh checkout: the README's commands compile only the necessary crates and leave no untracked files.

use pixelrnn_tests::cargo;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn cargo_run_at_the_root_compiles_the_converter_alone() {
    let output = cargo::command()
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let defaults = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let named: Vec<&str> =
        packages.filter(|p| defaults.contains(&p["id"])).filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(named, ["pixelrnn-converter"]);
}

#[test]
fn the_default_outputs_of_the_commands_are_ignored_by_git() {
    let ignored = std::fs::read_to_string(root().join(".gitignore")).unwrap();
    // Anchored patterns, as model cards contain pictures of the same names.
    for output in ["/samples.png", "/context.png", "/runs/"] {
        assert!(ignored.lines().any(|line| line == output), "{output}");
    }
}

#[test]
fn the_front_page_names_the_command_that_tests_all_but_the_trainer() {
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(page.contains("`cargo test --workspace --exclude pixelrnn-trainer`"));
    let check = std::fs::read_to_string(root().join("check")).unwrap();
    for word in ["cargo clippy --workspace", "cargo doc --workspace", "cargo test --workspace"] {
        assert!(check.contains(word), "./check says `{word}`: without it, only the converter would be checked");
    }
}
