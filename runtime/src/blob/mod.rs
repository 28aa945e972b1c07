//! The flat file that a model is: a header, ops of 64 bytes, and their weights, read in place.
//!
//! `docs/blob-format.md` specifies every byte.
#![forbid(unsafe_code)]

mod bytes;
mod check;
mod error;
mod features;
mod format;
mod header;
mod included;
mod limits;
mod model;
mod plan;
mod raw;
mod record;

pub use error::BlobError;
pub use format::{Layout, NumberFormat};
#[doc(hidden)]
pub use header::CRC32;
pub use header::{HEADER_BYTES, Header, MAGIC, VERSION, checksum};
#[doc(hidden)]
pub use included::{RowsOnDsp, rows_on_dsp};
pub use included::{assert_fits, image_values, state_words};
pub use limits::{MAX_MULTIPLY_ADDS, MAX_STATE_BYTES};
pub use model::Model;
pub use plan::Plan;
pub(crate) use record::LSTM;
#[doc(hidden)]
pub use record::*;

/// Includes a blob at compile time, as a module that holds it and the size of its state.
///
/// `include_model!(pub mod digits);` takes the blob that the crate's build script made with `pixelrnn_build::model("digits",
/// "digits.prnn")`, its weights laid out for the target. It makes
/// - `digits::BLOB`: the bytes, aligned;
/// - `digits::STATE_WORDS`: how many words of state an engine needs, so that the buffer can be a `static`;
/// - `digits::State`: that buffer's type;
/// - `digits::VALUES`: how many values an image has;
/// - `digits::model()`: the checked [`Model`].
///
/// `include_model!(pub mod digits = "digits.prnn");` takes a file as it is, without a build script. The path is relative to the
/// file that the macro stands in. On a core with DSP instructions (Cortex-M4, M7, M33) a blob with its weights in rows is two to three
/// times slower than it could be, which is a warning there; `#[allow(deprecated)]` before `mod` turns it off.
///
/// A file that is no blob does not compile, nor does a blob that needs a feature of this crate which is left out.
#[macro_export]
macro_rules! include_model {
    ($(#[$attribute:meta])* $visibility:vis mod $name:ident) => {
        $crate::include_model!(
            $(#[$attribute])*
            $visibility mod $name = concat!(
                env!(
                    "OUT_DIR",
                    "`include_model!(mod NAME)` takes a model that build.rs made with `pixelrnn_build::model`, and there is no \
                     build.rs; `include_model!(mod NAME = \"PATH\")` takes a file"
                ),
                "/",
                stringify!($name),
                ".prnn"
            )
        );
    };
    ($(#[$attribute:meta])* $visibility:vis mod $name:ident = $path:expr) => {
        $(#[$attribute])*
        $visibility mod $name {
            // Named once, so that the compiler complains once about a path that leads nowhere.
            const FILE: &[u8] = include_bytes!($path);

            #[repr(C, align(16))]
            struct Aligned<T: ?Sized>(T);

            static ALIGNED: &Aligned<[u8]> = &Aligned(*FILE.first_chunk::<{ FILE.len() }>().unwrap());

            /// The blob.
            pub static BLOB: &[u8] = &ALIGNED.0;

            /// Words of four bytes that an engine needs.
            pub const STATE_WORDS: usize = $crate::blob::state_words(FILE);

            /// Values of an image.
            pub const VALUES: usize = $crate::blob::image_values(FILE);

            /// The memory that an engine needs.
            pub type State = [u32; STATE_WORDS];

            // A warning of the compiler where the layout is the wrong one.
            const _: () = $crate::blob::RowsOnDsp::<{ $crate::blob::rows_on_dsp(FILE) }>::hint();

            /// Checks the blob and gives the model.
            ///
            /// # Errors
            /// What is wrong with the blob.
            pub fn model() -> Result<$crate::Model<'static>, $crate::BlobError> {
                $crate::Model::new(BLOB)
            }
        }
    };
}
