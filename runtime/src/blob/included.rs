//! Compile-time checks of included blobs.

use super::header::{HEADER_BYTES, Header, Layout};
use super::record::{LSTM, RECORD_BYTES, kind};
use core::mem::offset_of;

/// Disabled feature that the number format `weights` of a header needs.
pub(super) const fn missing_for_weights(weights: u8) -> Option<&'static str> {
    match weights {
        1 | 2 if !cfg!(feature = "float") => Some("float"),
        3 if !cfg!(feature = "a16") => Some("a16"),
        _ => None,
    }
}

/// Disabled feature that ops of this `kind` need.
pub(super) const fn missing_for_op(kind: u8) -> Option<&'static str> {
    match kind {
        kind::ROW_LSTM | kind::DIAGONAL_LEFT | kind::DIAGONAL_RIGHT if !LSTM => Some("lstm"),
        _ => None,
    }
}

/// Panics if the blob needs a disabled feature. The blob has a header; its fields may be wrong.
pub(super) const fn assert_features(blob: &[u8]) {
    let mut missing = missing_for_weights(blob[offset_of!(Header, weights)]);
    let (at, count) = (offset_of!(Header, ops), offset_of!(Header, op_count));
    let mut at = u32::from_le_bytes([blob[at], blob[at + 1], blob[at + 2], blob[at + 3]]) as usize;
    let mut remaining = u16::from_le_bytes([blob[count], blob[count + 1]]);
    while remaining > 0 && at < blob.len() && missing.is_none() {
        missing = missing_for_op(blob[at]);
        at += RECORD_BYTES;
        remaining -= 1;
    }
    let Some(feature) = missing else { return };
    match feature.as_bytes() {
        b"lstm" => panic!("the model has LSTMs: add \"lstm\" to the features of `pixelrnn` in Cargo.toml"),
        b"a16" => panic!("the model has 16-bit activations: add \"a16\" to the features of `pixelrnn` in Cargo.toml"),
        _ => panic!(
            "the model has float weights: convert it with `--weights i8`, or add \"float\" to the features of `pixelrnn` \
             in Cargo.toml"
        ),
    }
}

/// True if a blob's weights are row-major but this build's kernel, for the DSP extension, needs tiles to be fast.
#[doc(hidden)]
pub const fn rows_on_dsp(blob: &[u8]) -> bool {
    cfg!(pixelrnn_dsp) && row_major_integers(blob)
}

/// True for row-major integer weights. Invalid files are reported elsewhere.
const fn row_major_integers(blob: &[u8]) -> bool {
    blob.len() >= HEADER_BYTES
        && blob[offset_of!(Header, layout)] == Layout::RowMajor as u8
        && matches!(blob[offset_of!(Header, weights)], 0 | 3)
}

/// Compile-time warning conditional on a `const`: `hint` is deprecated for `true`.
#[doc(hidden)]
#[derive(Debug)]
pub struct RowsOnDsp<const SLOW: bool>;

impl RowsOnDsp<false> {
    /// No warning.
    pub const fn hint() {}
}

impl RowsOnDsp<true> {
    /// Deprecated to emit the warning.
    #[deprecated(
        note = "the model's weights lie in rows, and this core has DSP instructions: two to three times as fast is the \
                blob that `pixelrnn_build::model` makes in build.rs, or `pixelrnn convert --target dsp`"
    )]
    pub const fn hint() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{BlobError, Model, state_words};

    const LSTM_BLOB: &[u8] = include_bytes!("../../testdata/row_lstm_rgb_classes.prnn");
    const A16_BLOB: &[u8] = include_bytes!("../../testdata/ops_rgb_nested_residuals-a16.prnn");

    #[test]
    fn a_blob_whose_features_are_there_has_a_size_and_offsets_that_point_nowhere_are_left_to_the_check() {
        if !LSTM {
            return;
        }
        let mut blob = *LSTM_BLOB.first_chunk::<{ LSTM_BLOB.len() }>().unwrap();
        let words = state_words(&blob);
        let ops = offset_of!(Header, ops);
        blob[ops..ops + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(state_words(&blob), words);
    }

    #[test]
    fn only_integer_weights_in_rows_are_worth_a_hint() {
        assert!(row_major_integers(LSTM_BLOB) && row_major_integers(A16_BLOB));
        assert!(!row_major_integers(&LSTM_BLOB[..HEADER_BYTES - 1]));
        for (field, value) in [(offset_of!(Header, layout), 1), (offset_of!(Header, weights), 2)] {
            let mut blob = *LSTM_BLOB.first_chunk::<{ LSTM_BLOB.len() }>().unwrap();
            blob[field] = value;
            assert!(!row_major_integers(&blob));
        }
        // The test machine is not a Cortex-M.
        assert!(!rows_on_dsp(LSTM_BLOB));
    }

    /// Workspace tests have all features, `cargo test -p pixelrnn --no-default-features` has none.
    #[test]
    fn a_missing_feature_is_named_when_a_blob_is_read() {
        #[repr(align(4))]
        struct Aligned<T>(T);

        let lstm = Aligned(*LSTM_BLOB.first_chunk::<{ LSTM_BLOB.len() }>().unwrap());
        let wide = Aligned(*A16_BLOB.first_chunk::<{ A16_BLOB.len() }>().unwrap());
        let missing = |feature, there: bool| (!there).then_some(BlobError::Feature { feature });
        assert_eq!(Model::new(&lstm.0).err(), missing("lstm", cfg!(feature = "lstm")));
        assert_eq!(Model::new(&wide.0).err(), missing("a16", cfg!(feature = "a16")));
    }
}
