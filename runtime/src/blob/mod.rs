//! The blob: a model as one flat file, read in place. A header, op records of 64 bytes, and their weights.
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

pub use error::{BlobError, SizeError};
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
#[doc(hidden)]
pub use record::*;
pub(crate) use record::{GRAPH, LSTM};

/// Includes a blob at compile time, as a module with the blob and the size of its state.
///
/// `include_model!(pub mod digits);` takes the blob that the crate's build script made with `pixelrnn_build::model("digits",
/// "digits.prnn")`, its weights laid out for the target. It makes
/// - `digits::BLOB`: the bytes, aligned;
/// - `digits::STATE_WORDS`: number of words of state that an engine needs, for a `static` buffer;
/// - `digits::State`: type of that buffer;
/// - `digits::VALUES`: number of values in an image;
/// - `digits::model()`: the checked [`Model`].
///
/// `include_model!(pub mod digits = "digits.prnn");` takes a file as it is, without a build script. The path is relative to the
/// file of the macro call. On a core with DSP instructions (Cortex-M4, M7, M33) a blob with row-major weights is two to three
/// times slower than a tiled one, and gives a warning; `#[allow(deprecated)]` before `mod` turns it off.
///
/// An invalid file is a compile error, and so is a blob that needs a disabled feature of this crate.
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
            // Named once: one compiler error for a wrong path.
            const FILE: &[u8] = include_bytes!($path);

            #[repr(C, align(16))]
            struct Aligned<T: ?Sized>(T);

            static ALIGNED: &Aligned<[u8]> = &Aligned(*FILE.first_chunk::<{ FILE.len() }>().unwrap());

            /// The blob.
            pub static BLOB: &[u8] = &ALIGNED.0;

            /// State of an engine, in 32-bit words.
            pub const STATE_WORDS: usize = $crate::blob::state_words(FILE);

            /// Number of values in an image, `channels * height * width`.
            pub const VALUES: usize = $crate::blob::image_values(FILE);

            /// Buffer for the state of an engine.
            pub type State = [u32; STATE_WORDS];

            // Compiler warning for a slow layout.
            const _: () = $crate::blob::RowsOnDsp::<{ $crate::blob::rows_on_dsp(FILE) }>::hint();

            /// Checks the blob and returns the model.
            ///
            /// # Errors
            /// The first check that fails.
            pub fn model() -> Result<$crate::Model<'static>, $crate::BlobError> {
                $crate::Model::new(BLOB)
            }
        }
    };
}
