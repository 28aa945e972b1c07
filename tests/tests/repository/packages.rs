//! Packages of the crates, ready to be published: complete manifests, licences, and copies of files from elsewhere in the repository.

use pixelrnn_tests::cargo;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Published crates and their folders. The others have `publish = false`.
const PUBLISHED: [(&str, &str); 5] = [
    ("pixelrnn", "runtime"),
    ("pixelrnn-build", "build"),
    ("pixelrnn-client", "client"),
    ("pixelrnn-converter", "converter"),
    ("pixelrnn-trainer", "trainer"),
];

/// Files inside of packages and their originals. A package cannot include files from outside its folder.
const COPIES: [(&str, &str); 6] = [
    ("converter/models/mnist-pixelcnn.prnn", "models/mnist-pixelcnn/model.prnn"),
    ("converter/models/mnist-class-pixelcnn.prnn", "models/mnist-class-pixelcnn/model.prnn"),
    ("converter/testdata/palette-of-4-bytes.png", "fuzz/seeds/images/palette-of-4-bytes.png"),
    ("runtime/testdata/mnist-pixelcnn.prnn", "models/mnist-pixelcnn/model.prnn"),
    ("runtime/testdata/row_lstm_rgb_classes.prnn", "tests/golden/row_lstm_rgb_classes.prnn"),
    ("runtime/testdata/ops_rgb_nested_residuals-a16.prnn", "tests/golden/v1/ops_rgb_nested_residuals-a16.prnn"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = root().join(path);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All packages of a workspace, as Cargo reads their manifests.
fn packages(workspace: &str) -> Vec<Value> {
    let output = cargo::command()
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(root().join(workspace))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

#[test]
fn copies_inside_packages_equal_their_originals() {
    for (copy, original) in COPIES {
        assert!(read(copy) == read(original), "{copy} is out of date: cp {original} {copy}");
    }
}

/// A new file has to enter the list of copies.
#[test]
fn every_file_of_the_folders_of_copies_has_an_original() {
    let listed: BTreeSet<PathBuf> = COPIES.iter().map(|(copy, _)| PathBuf::from(copy)).collect();
    let mut found = BTreeSet::new();
    for folder in ["converter/models", "converter/testdata", "runtime/testdata"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            found.insert(Path::new(folder).join(entry.unwrap().file_name()));
        }
    }
    assert_eq!(found, listed);
}

#[test]
fn each_published_crate_has_both_licences() {
    for (_, folder) in PUBLISHED {
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(read(Path::new(folder).join(licence)) == read(licence), "{folder}/{licence}");
        }
    }
}

#[test]
fn manifests_of_published_crates_are_complete_and_no_other_crate_is_published() {
    let mut published = BTreeSet::new();
    for package in [".", "bindings/c", "bindings/python", "firmware-example", "fuzz"].into_iter().flat_map(packages) {
        let name = package["name"].as_str().unwrap();
        // `publish = false` is an empty list of registries.
        if package["publish"].as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        published.insert(name.to_owned());
        for key in ["description", "license", "rust_version"] {
            assert!(package[key].is_string(), "{name} has no `{key}`");
        }
        assert_eq!(package["readme"], "README.md", "{name}");
        let keywords = package["keywords"].as_array().unwrap();
        // The registry takes at most five of each.
        assert!((1..=5).contains(&keywords.len()), "{name}: {keywords:?}");
        for keyword in keywords.iter().filter_map(Value::as_str) {
            assert!(keyword.len() <= 20, "{name}: the registry refuses the keyword {keyword}");
        }
        let categories = package["categories"].as_array().unwrap();
        assert!((1..=5).contains(&categories.len()), "{name}: {categories:?}");
    }
    assert_eq!(published, PUBLISHED.map(|(name, _)| name.to_owned()).into());
}

/// Paths of `include_bytes!`, `include_str!` and `include_model!` in the sources of published crates stay inside the package.
#[test]
fn no_published_crate_includes_a_file_from_outside() {
    for (_, folder) in PUBLISHED {
        let folder = root().join(folder).canonicalize().unwrap();
        let mut waiting = vec![folder.join("src")];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                for included in source.split('"').filter(|text| text.starts_with("../")) {
                    let Ok(file) = path.parent().unwrap().join(included).canonicalize() else { continue };
                    // A unit test of the trainer reads the recipes of the shipped models.
                    let exempt = file.ends_with("recipe.toml");
                    assert!(file.starts_with(&folder) || exempt, "{}: {included}", path.display());
                }
            }
        }
    }
}
