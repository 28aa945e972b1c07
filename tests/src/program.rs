//! Runs of the command line's program, in folders of their own.

use crate::{cargo, fixtures};
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// For a shell, before it sets a limit on address space: as many threads and heaps on every machine. Each reserves some, and a heap is made
/// where two threads meet in the allocator.
pub const SAME_THREADS: &str = "export RAYON_NUM_THREADS=2 MALLOC_ARENA_MAX=1";

/// What a run of the program came to.
#[derive(Clone, Debug)]
pub struct Run {
    /// Exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

/// A folder to run the program in, which goes when it is dropped.
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
    /// An empty folder.
    ///
    /// # Panics
    /// When there can be none.
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    /// The file `name` in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the file `name`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    /// Reads the file `name`.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Names of all files in it, sorted.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Copies the files of a fixture: `model.safetensors`, `images.npy` and, where there is one, `labels.npy`; makes
    /// `model.prnn` of them.
    ///
    /// # Panics
    /// When that fails.
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

    /// Runs the program here with the words of `line`.
    pub fn run(&self, line: &str) -> Run {
        self.run_with(line.split_whitespace(), &[])
    }

    /// Runs the program here with `input` on standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_with(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &[u8]) -> Run {
        let mut command = self.command(cargo::pixelrnn());
        command.args(arguments);
        run(&mut command, input)
    }

    /// As [`Folder::run`], by a shell that has done `before`, such as setting a limit.
    ///
    /// # Panics
    /// When there is no shell.
    pub fn run_after(&self, before: &str, line: &str) -> Run {
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", &format!(r#"{before} && exec "$0" "$@""#)]).arg(cargo::pixelrnn());
        run(command.args(line.split_whitespace()), &[])
    }

    /// `program` in this folder.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_remove("RUST_BACKTRACE");
        command
    }
}

/// Runs `command` with `input` on standard input.
///
/// # Panics
/// When it cannot be started.
pub fn run(command: &mut Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // A program that does not read everything must not stop the test.
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
    /// The same run, which must have ended well.
    ///
    /// # Panics
    /// When it did not.
    pub fn good(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When the run failed or printed anything else.
    pub fn json(self) -> serde_json::Value {
        let run = self.good();
        serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&run.stdout)))
    }
}
