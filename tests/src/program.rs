//! Runs of the command-line program, each in a separate folder.

use crate::{cargo, fixtures};
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Shell setup that fixes the number of threads and malloc arenas before an address-space limit is set. Both reserve
/// address space, and the allocator creates arenas when threads contend.
pub const SAME_THREADS: &str = "export RAYON_NUM_THREADS=2 MALLOC_ARENA_MAX=1";

/// Result of a program run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Exit status. `None` if killed by a signal.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

/// Temporary working folder, deleted on drop.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// Creates an empty folder.
    ///
    /// # Panics
    /// Panics if the folder cannot be created.
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    /// Path of the file `name`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the file `name`.
    ///
    /// # Panics
    /// Panics if writing fails.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    /// Reads the file `name`.
    ///
    /// # Panics
    /// Panics if reading fails.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Sorted names of all files.
    ///
    /// # Panics
    /// Panics if the folder cannot be read.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Copies a fixture as `model.safetensors`, `images.npy` and, if present, `labels.npy`, and converts it to
    /// `model.prnn`.
    ///
    /// # Panics
    /// Panics on any failure.
    pub fn fixture(&self, name: &str) {
        for file in ["safetensors", "images.npy", "labels.npy"] {
            let from = fixtures::folder().join(format!("{name}.{file}"));
            let to = if file == "safetensors" { "model.safetensors" } else { file };
            if from.exists() {
                std::fs::copy(&from, self.path(to)).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
            }
        }
        self.write("model.prnn", fixtures::named(name).blob().expect("the engine has all its ops").bytes());
    }

    /// Runs the program with arguments split from `line`.
    pub fn run(&self, line: &str) -> Run {
        self.run_with(line.split_whitespace(), &[])
    }

    /// Runs the program with `input` on standard input.
    ///
    /// # Panics
    /// Panics if the program does not start.
    pub fn run_with(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &[u8]) -> Run {
        let mut command = self.command(cargo::pixelrnn());
        command.args(arguments);
        run(&mut command, input)
    }

    /// Like [`Folder::run`], in a shell after `before`, for example with a resource limit.
    ///
    /// # Panics
    /// Panics if there is no shell.
    pub fn run_after(&self, before: &str, line: &str) -> Run {
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", &format!(r#"{before} && exec "$0" "$@""#)]).arg(cargo::pixelrnn());
        run(command.args(line.split_whitespace()), &[])
    }

    /// Command for `program` in this folder.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_remove("RUST_BACKTRACE");
        command
    }
}

/// Runs `command` with `input` on standard input.
///
/// # Panics
/// Panics if it does not start.
pub fn run(command: &mut Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // Ignores the write error of a program that stops reading early.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the writer ends");
    Run {
        status: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("messages are text"),
    }
}

impl Run {
    /// Asserts success and returns the run.
    ///
    /// # Panics
    /// Panics if the program failed.
    pub fn good(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self
    }

    /// Parses standard output as JSON.
    ///
    /// # Panics
    /// Panics if the run failed or printed anything else.
    pub fn json(self) -> serde_json::Value {
        let run = self.good();
        serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&run.stdout)))
    }
}
