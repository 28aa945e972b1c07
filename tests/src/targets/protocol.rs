//! A device on a serial line: every reply is a JSON object, and after any input the next sample is unchanged.
//!
//! The first byte selects the use of the rest: a raw dialogue, or a compressed or saved image sent in chunks.

use super::put;
use crate::integer_model::bytes::crc32;
use heapless::Vec as Fixed;
use pixelrnn::coder::container::{HEADER_BYTES, Header};
use pixelrnn_firmware::Entry;
use pixelrnn_firmware::protocol::{HELD_BYTES, MAX_BYTES, Session, line_bytes};
use std::sync::OnceLock;

pixelrnn::include_model!(
    /// 4x7 pixels, 16 levels.
    mod gray = "../../golden/pixel_cnn_gray.prnn"
);
pixelrnn::include_model!(
    /// 3x4 pixels in colour, 4 levels, 5 classes.
    mod colour = "../../golden/row_lstm_rgb_classes.prnn"
);

/// The device's models, one gray and one colour.
pub const MODELS: &[Entry] = &[
    Entry { name: "gray", model: gray::model, state_words: gray::STATE_WORDS, values: gray::VALUES, levels: 16 },
    Entry { name: "colour", model: colour::model, state_words: colour::STATE_WORDS, values: colour::VALUES, levels: 4 },
];

/// State words for the larger model.
pub const STATE_WORDS: usize =
    if gray::STATE_WORDS > colour::STATE_WORDS { gray::STATE_WORDS } else { colour::STATE_WORDS };
/// Image values for the larger model.
pub const VALUES: usize = if gray::VALUES > colour::VALUES { gray::VALUES } else { colour::VALUES };

/// Stops the current image and draws a sample.
const END: &str = "\n{\"cmd\":\"stop\"}\n{\"cmd\":\"temperature\",\"value\":1}\n{\"cmd\":\"sample\",\"seed\":7}\n";

/// Runs a dialogue with a fresh device.
pub fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let model = &MODELS[usize::from(kind >> 4) % MODELS.len()];
    match kind % 4 {
        0 => talk(rest, usize::from(kind >> 4)),
        1 => talk(&in_requests("decompress", model, rest), 1),
        2 => talk(&in_requests("decompress", model, &with_header(model, rest)), 1),
        _ => talk(&in_requests("resume", model, &sealed(rest)), 1),
    }
}

/// Sends a file without waiting for requests. The device rejects chunks that arrive early.
fn in_requests(command: &str, model: &Entry, file: &[u8]) -> Vec<u8> {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let mut pieces = file.chunks(MAX_BYTES).map(hex);
    let first = pieces.next().unwrap_or_default();
    let mut text = format!("{{\"cmd\":\"{command}\",\"model\":\"{}\",\"bytes\":\"{first}\"}}\n", model.name);
    text.extend(pieces.chain([String::new()]).map(|piece| format!("{{\"cmd\":\"more\",\"bytes\":\"{piece}\"}}\n")));
    text.into_bytes()
}

/// Replaces the header with a valid one for `model`.
fn with_header(model: &Entry, file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file.resize(file.len().max(HEADER_BYTES), 0);
    put(&mut file, 0, &Header::new(&(model.model)().expect("a golden blob"), 1).to_bytes());
    file
}

/// Repairs the checksum at the end of a file.
fn sealed(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    if let Some(end) = file.len().checked_sub(4) {
        let sum = crc32(file[..end].iter().copied());
        put(&mut file, end, &sum.to_le_bytes());
    }
    file
}

/// Sends `bytes` followed by [`END`]. The device gets a line every `steps` steps of an image, or whenever it waits.
fn talk(bytes: &[u8], steps: usize) {
    static EXPECTED: OnceLock<String> = OnceLock::new();
    let expected = EXPECTED.get_or_init(|| replies(b"", 1));
    let text = replies(bytes, steps);
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value.is_object(), "{line}");
    }
    let drawn = expected.find("{\"temperature\"").map(|at| &expected[at..]).expect("a reply to `temperature`");
    assert!(text.ends_with(drawn), "the image at the end is another one: {text}");
}

fn replies(bytes: &[u8], steps: usize) -> String {
    let (mut state, mut image) = (vec![0x5a5a_a5a5; STATE_WORDS], vec![0xff; VALUES]);
    let (mut line, mut held) = (Fixed::<u8, { line_bytes(MODELS) }>::new(), Fixed::<u8, HELD_BYTES>::new());
    let mut session = Session::new(MODELS, &mut state, &mut image, &mut line, &mut held);
    let mut text = String::new();
    let bytes = [bytes, END.as_bytes()].concat();
    let mut bytes = bytes.iter().copied();
    while let Some(byte) = bytes.next() {
        session.push(byte, &mut text).expect("a text takes all");
        let Some(mut job) = session.start() else { continue };
        let mut at = 0;
        while job.step(&mut text).expect("a text takes all") {
            at += 1;
            if job.waits() || at % (steps + 1) == 0 {
                // `END` stops a waiting job, and any other job ends by itself.
                assert!(!job.waits() || bytes.len() > 0, "it waits for what does not come: {text}");
                for byte in bytes.by_ref() {
                    job.push(byte, &mut text).expect("a text takes all");
                    if byte == b'\n' {
                        break;
                    }
                }
            }
        }
    }
    text
}
