//! The C and C++ programs on this machine: the same sources that run in QEMU, linked with a library for the host.

use pixelrnn_build::{emit_c, layout};
use runtime::Model;
use runtime::blob::Layout;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command and returns what it printed.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The library for this machine, as `release` builds it for others.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["rustc", "--quiet", "--release", "--lib", "--crate-type", "staticlib", "--features", "archive"]);
        // Flags of the tests, such as those of a coverage run, are not the archive's.
        build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        output(build.arg("--target-dir").arg(&target).current_dir(here()));
        target.join("release/libpixelrnn.a")
    })
}

/// Compiles the program of `sources` in `folder`, with C99 or C++11 by the ending of the first, and returns what it prints.
fn run(folder: &Path, name: &str, sources: &[PathBuf]) -> String {
    let (compiler, standard) = match sources[0].extension().and_then(|ending| ending.to_str()) {
        Some("cpp") => ("g++", "-std=c++11"),
        _ => ("gcc", "-std=c99"),
    };
    let include = |folder: &Path| format!("-I{}", folder.display());
    let mut objects = Vec::new();
    for source in sources {
        let object = folder.join(source.file_name().unwrap()).with_extension(format!("{name}.o"));
        let of_c = source.extension().is_some_and(|ending| ending == "c");
        let (compiler, standard) = if of_c { ("gcc", "-std=c99") } else { (compiler, standard) };
        let mut compile = Command::new(compiler);
        compile.arg(standard).args(STRICT).arg(include(&here().join("include"))).arg(include(folder));
        output(compile.arg("-c").arg(source).arg("-o").arg(&object));
        objects.push(object);
    }
    let program = folder.join(name);
    output(Command::new(compiler).args(&objects).arg(library()).arg("-o").arg(&program));
    output(&mut Command::new(program))
}

/// Copies a blob to words, aligned as a model wants it.
fn aligned(bytes: &[u8]) -> Vec<u32> {
    let mut words = vec![0; bytes.len().div_ceil(4)];
    bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
    words
}

/// The model in the first bytes of `words`.
fn open(words: &[u32], bytes: usize) -> Model<'_> {
    Model::new(&bytemuck::cast_slice(words)[..bytes]).unwrap()
}

/// Folder with `model.c` and `model.h` of a blob, relative to the repository's `tests`.
fn model(blob: &str, layout: Layout) -> PathBuf {
    let bytes = fs::read(here().join("../../tests").join(blob)).unwrap();
    let words = aligned(&bytes);
    let arranged = layout::arrange(&open(&words, bytes.len()), layout).unwrap();
    let words = aligned(&arranged);
    let sources = emit_c::sources(&open(&words, arranged.len()), "model");
    let name = blob.replace(['/', '.'], "_");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{layout:?}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("model.c"), sources.source).unwrap();
    fs::write(folder.join("model.h"), sources.header).unwrap();
    folder
}

const DIGITS: &str = "../models/mnist-pixelcnn/model.prnn";

/// The lines that the examples print, by the reports in golden.json.
#[test]
fn the_examples_give_the_golden_checksums() {
    let golden = fs::read(here().join("../../tests/golden.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let mut checked = 0;
    for entry in golden["models"].as_array().unwrap() {
        let blob = entry["blob"].as_str().unwrap();
        let report = &entry["report"];
        // The larger models of the repository take long on an emulator, not here.
        let (Some(crc), Some(cost)) = (report["crc32"].as_str(), report["cost"].as_u64()) else { continue };
        if blob.contains("cifar10") {
            continue;
        }
        let expected = format!("crc={crc} cost={cost}");
        for layout in if blob == DIGITS { vec![Layout::RowMajor, Layout::Tiled] } else { vec![Layout::RowMajor] } {
            let folder = model(blob, layout);
            for example in ["main.c", "main.cpp"] {
                let sources = [here().join("examples").join(example), folder.join("model.c")];
                let printed = run(&folder, &example.replace('.', "-"), &sources);
                assert_eq!(printed.lines().last(), Some(&*expected), "{blob} {layout:?} {example}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 10, "only {checked} programs");
}

/// What a C program gets for wrong pointers, models and files.
#[test]
fn errors_come_back_as_their_codes() {
    let folder = model(DIGITS, Layout::RowMajor);
    let printed = run(&folder, "errors", &[here().join("tests/errors.c"), folder.join("model.c")]);
    assert_eq!(printed, "");
}

#[test]
fn the_example_in_c_has_at_most_60_lines() {
    let lines = fs::read_to_string(here().join("examples/main.c")).unwrap().lines().count();
    assert!(lines <= 60, "{lines} lines");
}
