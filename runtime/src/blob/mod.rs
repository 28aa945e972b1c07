//! The flat file that a model is: a header, ops of 64 bytes, and their weights, read in place.
//!
//! `docs/blob-format.md` specifies every byte.
#![forbid(unsafe_code)]

mod check;
mod error;
mod header;
mod reader;
mod record;

pub use error::BlobError;
pub use header::{
    CRC32, HEADER_BYTES, Header, Layout, MAGIC, VERSION, Weights, assert_fits, checksum, image_values, state_words,
};
pub use reader::{MAX_MULTIPLY_ADDS, MAX_STATE_BYTES, Model};
pub use record::{
    AddRecord, ConvRecord, DepthGateRecord, Destination, EluRecord, Form, Instruction, LstmRecord, QuantizeRecord,
    RECORD_BYTES, Record, ReluRecord, Vector, Vectors, group_start, kind,
};
pub(crate) use record::{LSTM, Linear};

/// Includes a blob at compile time, as a module that holds it and the size of its state.
///
/// `include_model!(pub mod digits = "digits.prnn");` makes
/// - `digits::BLOB`: the bytes, aligned;
/// - `digits::STATE_WORDS`: how many words of state an engine needs, so that the buffer can be a `static`;
/// - `digits::State`: that buffer's type;
/// - `digits::VALUES`: how many values an image has;
/// - `digits::model()`: the checked [`Model`].
///
/// The path is relative to the file that the macro stands in. A file that is no blob does not compile.
#[macro_export]
macro_rules! include_model {
    ($(#[$attribute:meta])* $visibility:vis mod $name:ident = $path:expr) => {
        $(#[$attribute])*
        $visibility mod $name {
            #[repr(C, align(16))]
            struct Aligned<T: ?Sized>(T);

            static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!($path));

            /// The blob.
            pub static BLOB: &[u8] = &ALIGNED.0;

            /// Words of four bytes that an engine needs.
            pub const STATE_WORDS: usize = $crate::blob::state_words(include_bytes!($path));

            /// Values of an image.
            pub const VALUES: usize = $crate::blob::image_values(include_bytes!($path));

            /// The memory that an engine needs.
            pub type State = [u32; STATE_WORDS];

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
