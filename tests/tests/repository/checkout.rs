//! A fresh checkout: the README's commands compile only the necessary crates and leave no untracked files.

use pixelrnn_tests::cargo;
use serde_json::Value;
use std::collections::BTreeSet;
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

/// Lines of a page outside of fenced code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence && !line.starts_with("    ")
    })
}

/// Targets of the inline links and pictures of a page.
fn links(page: &str) -> Vec<String> {
    let ends = prose(page).flat_map(|line| line.split("](").skip(1));
    ends.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// Anchors of a page's headings: lower case, blanks as hyphens, punctuation left out.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

/// Markdown files at the root, in `docs/`, and beside crates, models, tests and boards.
fn documents() -> Vec<PathBuf> {
    let mut folders = vec![
        root(),
        root().join("docs/pytorch"),
        root().join("bindings/python"),
        root().join("tests/fixtures"),
        root().join("firmware-example/boards"),
    ];
    for parent in [root(), root().join("models")] {
        let entries = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|path| path.is_dir()));
    }
    let files = folders.into_iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let files = files.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect()
}

#[test]
fn relative_links_of_the_documents_lead_somewhere() {
    let documents = documents();
    assert!(documents.len() > 20, "{documents:?}");
    let mut broken = Vec::new();
    for path in &documents {
        let page = std::fs::read_to_string(path).unwrap();
        for link in links(&page).iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let there = target.exists()
                && (anchor.is_empty() || anchors(&std::fs::read_to_string(&target).unwrap()).contains(anchor));
            if !there {
                broken.push(format!("{}: {link}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn the_book_lists_every_page() {
    let folder = root().join("docs");
    let summary = std::fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    let listed: BTreeSet<String> = links(&summary).into_iter().collect();
    let pages = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let pages = pages.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let pages = pages.filter(|name| name != "SUMMARY.md");
    assert_eq!(pages.collect::<BTreeSet<_>>(), listed);
}
