//! Compile-time checks of included blobs.

use super::features::{missing_for_op, missing_for_weights};
use super::format::Layout;
use super::header::{HEADER_BYTES, Header, MAGIC, VERSION};
use super::record::RECORD_BYTES;
use core::mem::offset_of;

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
        b"graph" => panic!("the model is a graph: add \"graph\" to the features of `pixelrnn` in Cargo.toml"),
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

/// State that an engine needs for a blob, in 32-bit words, as a constant for static buffers.
///
/// # Panics
/// The bytes are not a blob of this version, or need a disabled feature of this crate. In a `const`, this is a compile-time
/// error.
pub const fn state_words(blob: &[u8]) -> usize {
    const STATE: usize = core::mem::offset_of!(Header, state_bytes);
    assert_blob(blob);
    assert_features(blob);
    let bytes = u32::from_le_bytes([blob[STATE], blob[STATE + 1], blob[STATE + 2], blob[STATE + 3]]) as usize;
    bytes.div_ceil(4)
}

/// Number of values in an image of the blob, `channels * height * width`, as a constant.
///
/// # Panics
/// The bytes are not a blob of this version.
pub const fn image_values(blob: &[u8]) -> usize {
    const HEIGHT: usize = core::mem::offset_of!(Header, height);
    const WIDTH: usize = core::mem::offset_of!(Header, width);
    const CHANNELS: usize = core::mem::offset_of!(Header, channels);
    assert_blob(blob);
    let height = u16::from_le_bytes([blob[HEIGHT], blob[HEIGHT + 1]]) as usize;
    let width = u16::from_le_bytes([blob[WIDTH], blob[WIDTH + 1]]) as usize;
    blob[CHANNELS] as usize * height * width
}

/// Panics unless the bytes begin with a header of this version and have the declared length.
const fn assert_blob(blob: &[u8]) {
    assert!(blob.len() >= HEADER_BYTES, "not a model blob: it is shorter than a header");
    assert!(
        blob[0] == MAGIC[0] && blob[1] == MAGIC[1] && blob[2] == MAGIC[2] && blob[3] == MAGIC[3],
        "not a model blob: it does not begin with `PRNN`"
    );
    assert!(u16::from_le_bytes([blob[4], blob[5]]) == VERSION, "the blob is of another version of the format");
    assert!(
        u32::from_le_bytes([blob[8], blob[9], blob[10], blob[11]]) as usize == blob.len(),
        "the blob declares another length than it has"
    );
}

/// Compile-time error, with the excess in bytes, if a state of `state_words` words exceeds the `bytes` of `region`:
///
/// ```compile_fail
/// const _: () = pixelrnn::blob::assert_fits(3000, 11_000, "the board's RAM");
/// ```
///
/// # Panics
/// The state does not fit. In a `const`, this is a compile-time error.
pub const fn assert_fits(state_words: usize, bytes: usize, region: &str) {
    let mut message = Message { text: [0; 160], length: 0 };
    if state_words * 4 > bytes {
        message.put("the model's state is ".as_bytes());
        message.put_number(state_words * 4 - bytes);
        message.put(" bytes too large: it takes ".as_bytes());
        message.put_number(state_words * 4);
        message.put(", and there are ".as_bytes());
        message.put_number(bytes);
        message.put(" for it in ".as_bytes());
        message.put(region.as_bytes());
        panic!("{}", message.as_str());
    }
}

/// Message formatted at compile time.
struct Message {
    text: [u8; 160],
    length: usize,
}

impl Message {
    const fn put(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() && self.length < self.text.len() {
            self.text[self.length] = bytes[at];
            self.length += 1;
            at += 1;
        }
    }

    const fn put_number(&mut self, number: usize) {
        if number >= 10 {
            self.put_number(number / 10);
        }
        self.put(&[b'0' + (number % 10) as u8]);
    }

    const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.text.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "the model's state is too large",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{BlobError, LSTM, Model};

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

    #[test]
    fn a_state_that_fits_says_nothing() {
        const _: () = assert_fits(25, 100, "RAM");
        assert_fits(0, 0, "RAM");
    }

    #[test]
    #[should_panic(
        expected = "the model's state is 1004 bytes too large: it takes 12004, and there are 11000 for it in RAM"
    )]
    fn a_state_that_does_not_fit_says_by_how_much() {
        assert_fits(3001, 11_000, "RAM");
    }
}
