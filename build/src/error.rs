//! Errors of the build helper.

use crate::layout::LayoutError;
use pixelrnn::BlobError;
use std::path::PathBuf;
use std::{fmt, io};

/// Reason why a build script could not prepare a model.
///
/// `Debug` prints the same message as `Display`, since Cargo shows the `Debug` output of an error returned from a build
/// script's `main`.
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    Read {
        /// Path as given by the build script.
        file: PathBuf,
        /// Error from the system.
        source: io::Error,
    },
    /// The file is not a blob, or its weight layout cannot be converted.
    Layout {
        /// Path as given by the build script.
        file: PathBuf,
        /// Cause.
        source: LayoutError,
    },
    /// The name is not a valid module name.
    Name {
        /// The name.
        name: String,
    },
    /// The output file cannot be written.
    Write {
        /// Path in `OUT_DIR`.
        file: PathBuf,
        /// Error from the system.
        source: io::Error,
    },
    /// A variable that Cargo sets for build scripts is missing.
    NotInBuildScript {
        /// Name of the variable.
        variable: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { file, source } => {
                write!(f, "cannot read {}: {source}", file.display())?;
                if file.is_relative() {
                    f.write_str(" (relative paths start at the folder of Cargo.toml)")?;
                }
                Ok(())
            }
            Self::Layout { file, source } => {
                write!(f, "{}: {source}", file.display())?;
                if matches!(source, LayoutError::Blob(BlobError::Magic)) {
                    f.write_str("; create one from a trained model with `pixelrnn convert`")?;
                }
                Ok(())
            }
            Self::Name { name } => {
                write!(f, "`{name}` is not a valid module name: use ASCII letters, digits and `_`, and no digit first")
            }
            Self::Write { file, source } => write!(f, "cannot write {}: {source}", file.display()),
            Self::NotInBuildScript { variable } => {
                write!(
                    f,
                    "{variable} is not set: call `pixelrnn_build::model` from a build script, where Cargo sets it"
                )
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => Some(source),
            Self::Layout { source, .. } => Some(source),
            Self::Name { .. } | Self::NotInBuildScript { .. } => None,
        }
    }
}
