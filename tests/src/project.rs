//! Crates that tests write as a user of ours would, and build.

use crate::cargo;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of this repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap_or(root)
}

/// A crate in a folder of its own. Those in one folder share what they compile.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    target: PathBuf,
}

impl Project {
    /// An empty crate called `name` in `folder`, with the versions of `lock`, which are here already: nothing is fetched.
    ///
    /// # Panics
    /// When files cannot be written: a test cannot go on.
    pub fn new(folder: &Path, name: &str, lock: &Path) -> Self {
        let project = Self { folder: folder.join(name), target: folder.join("target") };
        let _ = std::fs::remove_dir_all(&project.folder); // of an earlier run
        std::fs::create_dir_all(&project.folder).expect("a folder for a crate");
        std::fs::copy(lock, project.folder.join("Cargo.lock")).expect("a file with versions");
        project
    }

    /// Writes a file; folders that it needs are made.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.folder.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder in a crate");
        }
        std::fs::write(&path, content).expect("a file in a crate");
        if path == self.folder.join("Cargo.toml") {
            // The folder lies inside this repository, whose workspace it is no part of.
            let manifest = std::fs::read_to_string(&path).expect("a manifest");
            if !manifest.contains("[workspace]") {
                std::fs::write(path, manifest + "\n[workspace]\n").expect("a manifest");
            }
        }
        self
    }

    /// A file or folder in the crate.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Where what is built goes.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// `cargo` in the crate's folder, with these words.
    pub fn cargo(&self, words: &[&str]) -> Command {
        let mut command = cargo::command();
        command.args(words).args(["--offline", "--target-dir"]).arg(&self.target).current_dir(&self.folder);
        // Build scripts and tests have variables of their own.
        for name in ["OUT_DIR", "TARGET", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs [`Project::cargo`] with these words.
    ///
    /// # Panics
    /// When Cargo does not start.
    pub fn run(&self, words: &[&str]) -> Output {
        self.cargo(words).output().expect("cargo runs")
    }
}

/// What a command said on standard error.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command printed, where it ended well.
///
/// # Panics
/// When it did not.
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), errors(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
