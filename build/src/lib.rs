//! Build-script helper for firmware with [`pixelrnn`]: converts a model's weights to the best layout for the target
//! core.
//!
//! Weights in a blob are row-major, as written by `pixelrnn convert`, or tiled. Every engine reads both layouts with
//! identical results. The DSP instructions of a Cortex-M4, M7 or M33 are two to three times as fast with tiled weights;
//! other cores are faster with row-major weights. This crate converts either one to the right layout automatically.
//!
//! `Cargo.toml`, with your own path or version:
//!
//! ```toml
//! [dependencies]
//! pixelrnn = { version = "0.1", default-features = false, features = ["lstm"] }
//!
//! [build-dependencies]
//! pixelrnn-build = "0.1"
//! ```
//!
//! `build.rs`:
//!
//! ```no_run
//! fn main() -> Result<(), pixelrnn_build::Error> {
//!     pixelrnn_build::model("digits", "models/digits.prnn")
//! }
//! ```
//!
//! `src/main.rs`:
//!
//! ```ignore
//! pixelrnn::include_model!(mod digits); // the module's name is the one in build.rs
//!
//! static STATE: ConstStaticCell<digits::State> = ConstStaticCell::new([0; digits::STATE_WORDS]);
//! ```
//!
//! The target and core (`-C target-cpu`) come from the variables that Cargo sets for build scripts. To convert a blob
//! outside a build script, for example for external flash, call [`laid_out`] or run `pixelrnn convert --target dsp`.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod emit_c;
mod error;
pub mod layout;

pub use error::Error;

use layout::{LayoutError, aligned, arrange, read, suited};
use pixelrnn::BlobError;
use pixelrnn::target::CortexM;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Prepares the model file at `path` for `pixelrnn::include_model!(mod NAME);`. Call it from a build script.
///
/// Converts the weights to the layout for the compilation target and writes `NAME.prnn` to `OUT_DIR`. A relative path
/// starts at the folder of the package's `Cargo.toml`. Cargo reruns the script if the file changes.
///
/// # Errors
/// Fails if the file cannot be read or is not a blob, if `name` is not a valid module name, if the result cannot be
/// written, or outside a build script. The message names the file.
pub fn model(name: &str, path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    check_name(name)?;
    println!("cargo::rerun-if-changed={}", path.display());
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or(Error::NotInBuildScript { variable: "OUT_DIR" })?);
    let target = env::var("TARGET").map_err(|_| Error::NotInBuildScript { variable: "TARGET" })?;
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let bytes = laid_out(path, &target, &flags)?;
    let to = folder.join(format!("{name}.prnn"));
    write(&to, &bytes).map_err(|source| Error::Write { file: to, source })
}

/// Reads the blob at `path` and converts its weights to the layout for a Rust `target` with `flags` in the format of
/// [`CortexM::of`].
///
/// # Errors
/// Fails if the file cannot be read or is not a blob, or if its weights cannot be converted.
pub fn laid_out(path: &Path, target: &str, flags: &str) -> Result<Vec<u8>, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { file: path.into(), source })?;
    let of_file = |source| Error::Layout { file: path.into(), source };
    let words = aligned(&bytes);
    let model = match read(&words, bytes.len()) {
        // Built without float support. Float weights are row-major on every core, so no conversion is needed.
        Err(LayoutError::Blob(BlobError::Feature { feature: "float" })) => return Ok(bytes),
        model => model.map_err(of_file)?,
    };
    arrange(&model, suited(model.weights(), CortexM::of(target, flags))).map_err(of_file)
}

/// Checks that `name` is usable as a module name and file name.
fn check_name(name: &str) -> Result<(), Error> {
    let right = |c: char| c == '_' || c.is_ascii_alphanumeric();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(right) {
        return Err(Error::Name { name: name.into() });
    }
    Ok(())
}

/// Writes a file atomically: to a temporary file, then by renaming it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("prnn.part");
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).inspect_err(|_| {
        // The caller reports the error. A leftover temporary file needs no report.
        let _ = fs::remove_file(&part);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixelrnn::blob::Layout;

    const M4: &str = "thumbv7em-none-eabihf";
    const M33: &str = "thumbv8m.main-none-eabihf";

    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
    }

    fn layout(file: &str, target: &str, flags: &str) -> Layout {
        let bytes = laid_out(&golden(file), target, flags).unwrap();
        match read(&aligned(&bytes), bytes.len()) {
            Ok(model) => model.layout(),
            // Built alone, this crate has no float support.
            Err(error) => {
                assert_eq!(error, LayoutError::Blob(BlobError::Feature { feature: "float" }));
                assert_eq!(bytes, fs::read(golden(file)).unwrap());
                Layout::RowMajor
            }
        }
    }

    #[test]
    fn cores_with_dsp_instructions_get_blocks_and_all_others_rows_whatever_the_file_has() {
        let (narrow, wide) = ("v1/ops_rgb_nested_residuals-dsp.prnn", "v1/ops_rgb_nested_residuals-a16.prnn");
        for (target, flags, dsp) in [
            (M4, "", true),
            (M33, "-Ctarget-cpu=cortex-m33", true),
            (M33, "", false),
            (M33, "-Ctarget-cpu=cortex-m55", false),
            ("thumbv6m-none-eabi", "", false),
            ("thumbv7m-none-eabi", "", false),
            ("riscv32imac-unknown-none-elf", "", false),
            ("x86_64-unknown-linux-gnu", "", false),
        ] {
            let [blocks, pairs] = if dsp { [Layout::Tiled, Layout::TiledPairs] } else { [Layout::RowMajor; 2] };
            for (file, expected) in [
                ("pixel_cnn_gray.prnn", blocks),
                (narrow, blocks),
                (wide, pairs),
                ("v1/ops_rgb_nested_residuals-a16-blocks.prnn", pairs),
                // Float weights are always row-major.
                ("v1/ops_rgb_nested_residuals-f16.prnn", Layout::RowMajor),
                ("v1/ops_rgb_nested_residuals-f32.prnn", Layout::RowMajor),
            ] {
                assert_eq!(layout(file, target, flags), expected, "{file} for {target} {flags}");
            }
        }
    }

    #[test]
    fn a_file_that_is_missing_or_no_blob_gives_a_sentence_that_names_it() {
        let error = laid_out(Path::new("models/none.prnn"), M4, "").unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with("cannot read models/none.prnn: ") && said.ends_with("the folder of Cargo.toml)"),
            "{said}"
        );
        // Cargo prints the `Debug` output of an error from `main`.
        assert_eq!(format!("{error:?}"), said);

        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let said = laid_out(&file, M4, "").unwrap_err().to_string();
        assert!(said.starts_with(&format!("{}: not a model blob", file.display())), "{said}");
        assert!(said.ends_with("create one from a trained model with `pixelrnn convert`"), "{said}");
    }

    #[test]
    fn a_name_that_no_module_can_have_and_a_call_outside_a_build_script_are_refused() {
        for name in ["", "1st", "my-digits", "../digits", "zi\u{301}ffer"] {
            let said = model(name, golden("pixel_cnn_gray.prnn")).unwrap_err().to_string();
            assert!(said.starts_with(&format!("`{name}` is not a valid module name")), "{said}");
        }
        // Cargo sets OUT_DIR only for tests of packages with a build script.
        let said = model("digits", golden("pixel_cnn_gray.prnn")).unwrap_err().to_string();
        assert_eq!(said, "OUT_DIR is not set: call `pixelrnn_build::model` from a build script, where Cargo sets it");
    }

    #[test]
    fn a_result_that_cannot_be_written_leaves_nothing_behind() {
        let folder = env::temp_dir().join(format!("pixelrnn-build-{}", std::process::id()));
        // A folder in place of the output file.
        let to = folder.join("digits.prnn");
        fs::create_dir_all(&to).unwrap();
        assert!(write(&to, b"blob").is_err());
        let remaining: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(remaining, [to]);
    }
}
