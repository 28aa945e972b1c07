//! Build scripts for firmware with [`pixelrnn`]: a model whose weights lie as the core that is compiled for wants them.
//!
//! A blob's weights lie in rows, as `pixelrnn convert` writes them, or in blocks. Every engine reads both and draws the same bytes; but
//! the DSP instructions of a Cortex-M4, M7 or M33 are two to three times as fast with blocks, and every other core is better off with
//! rows. This crate takes either and writes the right one, so that nobody has to know.
//!
//! `Cargo.toml`, with a path or a version of your own:
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
//! The target and the core (`-C target-cpu`) are those that Cargo tells every build script. To lay a blob out without one, for
//! external flash for example, call [`laid_out`] or run `pixelrnn convert --target dsp`.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod error;
pub mod layout;

pub use error::Error;

use layout::{LayoutError, aligned, arrange, read, suited};
use pixelrnn::BlobError;
use pixelrnn::target::CortexM;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// In a build script: makes the model of the file at `path` ready for `pixelrnn::include_model!(mod NAME);`.
///
/// The file's weights are laid out for the target that is compiled for, and what is made is `NAME.prnn` in `OUT_DIR`. The path begins
/// at the folder of the package's `Cargo.toml`. Cargo runs the script again when the file changes.
///
/// # Errors
/// When the file cannot be read or is no blob, when `name` is no name of a module, when the result cannot be written, or outside a
/// build script. The message names the file.
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

/// The blob in the file at `path`, its weights laid out for a `target` of Rust and its `flags`, the latter as
/// [`CortexM::of`] has them.
///
/// # Errors
/// When the file cannot be read or is no blob, or when its weights cannot be laid out anew.
pub fn laid_out(path: &Path, target: &str, flags: &str) -> Result<Vec<u8>, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { file: path.into(), source })?;
    let of_file = |source| Error::Layout { file: path.into(), source };
    let words = aligned(&bytes);
    let model = match read(&words, bytes.len()) {
        // All that this build knows of float weights is that they lie in rows on every core.
        Err(LayoutError::Blob(BlobError::Feature { feature: "float" })) => return Ok(bytes),
        model => model.map_err(of_file)?,
    };
    arrange(&model, suited(model.weights(), CortexM::of(target, flags))).map_err(of_file)
}

/// Refuses what cannot stand in `mod NAME` and in a file's name.
fn check_name(name: &str) -> Result<(), Error> {
    let right = |c: char| c == '_' || c.is_ascii_alphanumeric();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(right) {
        return Err(Error::Name { name: name.into() });
    }
    Ok(())
}

/// Writes a file, all of it or nothing: beside it first, then in its place.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("prnn.part");
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).inspect_err(|_| {
        // What went wrong is said by the caller; a leftover is no reason for another message.
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
            // A build of this crate alone knows no floats.
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
                // Float weights have no other layout.
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
        // Cargo prints `Debug` of what `main` gives back.
        assert_eq!(format!("{error:?}"), said);

        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let said = laid_out(&file, M4, "").unwrap_err().to_string();
        assert!(said.starts_with(&format!("{}: not a model blob", file.display())), "{said}");
        assert!(said.ends_with("`pixelrnn convert` makes one of a trained model"), "{said}");
    }

    #[test]
    fn a_name_that_no_module_can_have_and_a_call_outside_a_build_script_are_refused() {
        for name in ["", "1st", "my-digits", "../digits", "zi\u{301}ffer"] {
            let said = model(name, golden("pixel_cnn_gray.prnn")).unwrap_err().to_string();
            assert!(said.starts_with(&format!("`{name}` is no name of a module")), "{said}");
        }
        // Cargo sets OUT_DIR for the tests of packages with a build script alone.
        let said = model("digits", golden("pixel_cnn_gray.prnn")).unwrap_err().to_string();
        assert_eq!(said, "OUT_DIR is not set: `pixelrnn_build::model` is for build scripts, for which Cargo sets it");
    }

    #[test]
    fn a_result_that_cannot_be_written_leaves_nothing_behind() {
        let folder = env::temp_dir().join(format!("pixelrnn-build-{}", std::process::id()));
        // A folder of the file's name.
        let to = folder.join("digits.prnn");
        fs::create_dir_all(&to).unwrap();
        assert!(write(&to, b"blob").is_err());
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, [to]);
    }
}
