//! Why a build script cannot make a model.

use crate::layout::LayoutError;
use pixelrnn::BlobError;
use std::path::PathBuf;
use std::{fmt, io};

/// Why a build script cannot make a model.
///
/// `Debug` is the same sentence as `Display`: it is what Cargo shows of a build script whose `main` gives an error back.
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    Read {
        /// The file, as the build script names it.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no blob, or its weights cannot be laid out anew.
    Layout {
        /// The file, as the build script names it.
        file: PathBuf,
        /// What is wrong with it.
        source: LayoutError,
    },
    /// A name that no module can have.
    Name {
        /// The name.
        name: String,
    },
    /// The result cannot be written.
    Write {
        /// The file in `OUT_DIR`.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A variable that Cargo sets for build scripts is not set.
    NotInBuildScript {
        /// Which variable.
        variable: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { file, source } => {
                write!(f, "cannot read {}: {source}", file.display())?;
                if file.is_relative() {
                    f.write_str(" (a relative path begins at the folder of Cargo.toml)")?;
                }
                Ok(())
            }
            Self::Layout { file, source } => {
                write!(f, "{}: {source}", file.display())?;
                if matches!(source, LayoutError::Blob(BlobError::Magic)) {
                    f.write_str("; `pixelrnn convert` makes one of a trained model")?;
                }
                Ok(())
            }
            Self::Name { name } => {
                write!(f, "`{name}` is no name of a module: expected ASCII letters, digits and `_`, and no digit first")
            }
            Self::Write { file, source } => write!(f, "cannot write {}: {source}", file.display()),
            Self::NotInBuildScript { variable } => {
                write!(
                    f,
                    "{variable} is not set: `pixelrnn_build::model` is for build scripts, for which Cargo sets it"
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
