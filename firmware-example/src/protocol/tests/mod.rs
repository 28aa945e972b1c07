//! Sessions from the host's point of view.

use super::*;
use crate::{MODELS, STATE_WORDS, VALUES};
use pixelrnn::blob::CRC32;
use pixelrnn::network::Image;
use pixelrnn::{BlobError, Complete, Cost, FromImage, Sample, SymbolSource, Temperature};
use serde_json::{Value, json};

mod files;
mod pieces;

pixelrnn::include_model!(mod gray = "../../../../tests/golden/pixel_cnn_gray.prnn");
pixelrnn::include_model!(mod classes = "../../../../tests/golden/row_lstm_rgb_classes.prnn");

const GRAY: Entry = Entry {
    name: "gray",
    model: gray::model,
    state_words: gray::STATE_WORDS,
    values: gray::VALUES,
    levels: crate::levels(include_bytes!("../../../../tests/golden/pixel_cnn_gray.prnn")),
};

/// A gray model of 4x7 pixels and 16 levels, a colour model of 3x4 pixels, 4 levels and 5 classes, and a damaged one.
const SMALL: &[Entry] = &[
    GRAY,
    Entry {
        name: "a \"b\"",
        model: classes::model,
        state_words: classes::STATE_WORDS,
        values: classes::VALUES,
        levels: crate::levels(include_bytes!("../../../../tests/golden/row_lstm_rgb_classes.prnn")),
    },
    Entry { name: "damaged", model: || Err(BlobError::Checksum), ..GRAY },
];

const LINE: usize = line_bytes(SMALL);

/// Buffers of a device.
struct Memory {
    state: Vec<u32>,
    image: Vec<u8>,
    line: heapless::Vec<u8, { line_bytes(MODELS) }>,
    held: heapless::Vec<u8, HELD_BYTES>,
}

impl Memory {
    /// Filled with leftovers of earlier use.
    fn dirty() -> Self {
        let (line, held) = (heapless::Vec::from_slice(b"{").unwrap(), heapless::Vec::from_slice(b"PRNZ").unwrap());
        Self { state: vec![0xa5a5_5a5a; STATE_WORDS], image: vec![0xff; VALUES], line, held }
    }

    fn session(&mut self, models: &'static [Entry]) -> Session<'_> {
        Session::new(models, &mut self.state, &mut self.image, &mut self.line, &mut self.held)
    }
}

/// Runs a session with a freshly started device and returns all replies. Sends `before`; then, before each step of an
/// image, sends the result of `inside` on the replies so far. A waiting device gets the rest of `before`.
fn converse(models: &'static [Entry], before: &str, mut inside: impl FnMut(&str) -> Option<String>) -> Vec<Value> {
    let (mut memory, mut text) = (Memory::dirty(), String::new());
    let mut session = memory.session(models);
    let mut bytes = before.bytes();
    'all: while let Some(byte) = bytes.next() {
        session.push(byte, &mut text).unwrap();
        while let Some(mut job) = session.start() {
            loop {
                if let Some(inside) = inside(&text) {
                    inside.bytes().for_each(|byte| job.push(byte, &mut text).unwrap());
                } else if job.waits() {
                    let Some(byte) = bytes.next() else { break 'all };
                    job.push(byte, &mut text).unwrap();
                }
                if !job.step(&mut text).unwrap() {
                    break;
                }
            }
        }
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Sends `before`, then `inside` after the third pixel of the first image, and returns the replies.
fn talk(models: &'static [Entry], before: &str, inside: &str) -> Vec<Value> {
    talk_at(models, before, 3, inside)
}

/// Like [`talk`], but after `pixels` pixels.
fn talk_at(models: &'static [Entry], before: &str, pixels: usize, inside: &str) -> Vec<Value> {
    let mut left = pixels;
    let mut inside = Some(inside);
    converse(models, before, |_| {
        if left > 0 {
            left -= 1;
            return None;
        }
        inside.take().map(String::from)
    })
}

/// Sends one line and returns the single reply.
fn ask(line: &str) -> Value {
    let replies = talk(SMALL, &format!("{line}\n"), "");
    assert_eq!(replies.len(), 1, "{line}: {replies:?}");
    replies.into_iter().next().unwrap()
}

/// Runs the engine directly and returns an image and its cost.
fn run<S: SymbolSource>(entry: &Entry, label: Option<usize>, source: &mut S) -> (Vec<u8>, Cost) {
    let (mut state, mut image) = (vec![0; entry.state_words], vec![0; entry.values]);
    let mut engine = Engine::new((entry.model)().unwrap(), &mut state).unwrap();
    let Ok(cost) = engine.run(label, source, &mut image) else { panic!("the engine runs") };
    (image, cost)
}

fn draw(seed: u64, milli: u32) -> Sample<pixelrnn::DefaultRng> {
    Sample::seeded(seed, Temperature::from_milli(milli).unwrap())
}

fn shape(entry: &Entry) -> Image {
    (entry.model)().unwrap().image()
}

fn digits(values: &[u8]) -> String {
    values.iter().filter_map(|&value| char::from_digit(value.into(), 16)).collect()
}

/// Expected replies for an image: all rows and the final reply.
fn drawn(command: &str, entry: &Entry, seed: u64, (image, cost): &(Vec<u8>, Cost)) -> Vec<Value> {
    let Image { height, width, .. } = shape(entry);
    let row = |row| image.chunks(height * width).flat_map(move |plane| &plane[row * width..(row + 1) * width]);
    let rows = (0..height).map(|n| json!({"row": n, "values": digits(&row(n).copied().collect::<Vec<_>>())}));
    let nats = (cost.nats() * 1e4).round() / 1e4;
    let crc = format!("{:08x}", CRC32.checksum(image));
    rows.chain([json!({"done": command, "seed": seed, "nats": nats, "cost": cost.0, "crc": crc})]).collect()
}

#[test]
fn info_says_what_there_is() {
    let info = ask(r#"{"cmd":"info"}"#);
    let gray = json!({"name": "gray", "height": 4, "width": 7, "channels": 1, "levels": 16, "classes": 0,
        "state_bytes": 4 * gray::STATE_WORDS});
    assert_eq!(info["protocol"], 1);
    assert_eq!(info["models"][0], gray);
    assert_eq!(info["models"][1]["name"], "a \"b\"");
    assert_eq!(info["models"][1]["classes"], 5);
    assert_eq!(info["models"][2], json!({"name": "damaged", "error": BlobError::Checksum.to_string()}));
    assert_eq!((&info["temperature"], &info["making"]), (&json!(1.0), &Value::Null));
}

#[test]
fn a_sample_is_what_the_engine_draws() {
    let built_in = talk(MODELS, "{\"cmd\":\"sample\",\"seed\":7}\n", "");
    assert_eq!(built_in, drawn("sample", &MODELS[0], 7, &run(&MODELS[0], None, &mut draw(7, 1000))));
    let big = u64::MAX;
    let gray = talk(SMALL, &format!("{{\"cmd\":\"sample\",\"seed\":{big},\"temperature\":0.8}}\n"), "");
    assert_eq!(gray, drawn("sample", &SMALL[0], big, &run(&SMALL[0], None, &mut draw(big, 800))));
    let line = r#"{ "temperature" : 1.5 , "label" : 3 , "model" : "a \"b\"", "cmd" : "sample" }"#;
    assert_eq!(ask(line)["error"], "unknown_model", "names with escapes cannot be asked for");
}

#[test]
fn colour_and_classes_work_as_well() {
    const COLOUR: &[Entry] = &[Entry { name: "colour", ..SMALL[1] }, GRAY];
    let replies = talk(COLOUR, "{\"label\":3,\"seed\":9,\"temperature\" : 1.5 ,\"cmd\":\"sample\"}\r\n", "");
    let image = run(&COLOUR[0], Some(3), &mut draw(9, 1500));
    assert_eq!(replies, drawn("sample", &COLOUR[0], 9, &image));
    let line = format!(r#"{{"cmd":"score","label":3,"image":"{}"}}"#, digits(&image.0));
    let given = run(&COLOUR[0], Some(3), &mut FromImage::new(&image.0, shape(&COLOUR[0])));
    assert_eq!(talk(COLOUR, &format!("{line}\n"), "")[0]["cost"], given.1.0);
    let gray = talk(COLOUR, "{\"cmd\":\"sample\",\"model\":\"gray\",\"seed\":1}\n", "");
    assert_eq!(gray, drawn("sample", &GRAY, 1, &run(&GRAY, None, &mut draw(1, 1000))));
}

#[test]
fn a_score_is_the_likelihood_of_the_model_as_it_is() {
    let (image, _) = run(&GRAY, None, &mut draw(3, 1000));
    let (_, cost) = run(&GRAY, None, &mut FromImage::new(&image, shape(&GRAY)));
    let score = format!("{{\"cmd\":\"score\",\"image\":\"{}\"}}\n", digits(&image).to_uppercase());
    let replies = talk(SMALL, &format!("{{\"cmd\":\"temperature\",\"value\":3}}\n{score}"), "");
    let crc = format!("{:08x}", CRC32.checksum(&image));
    let nats = (cost.nats() * 1e4).round() / 1e4;
    assert_eq!(replies[1], json!({"done": "score", "nats": nats, "cost": cost.0, "crc": crc}));
}

#[test]
fn completing_keeps_the_given_rows() {
    let (image, _) = run(&GRAY, None, &mut draw(3, 1000));
    for rows in 0..=4 {
        let line = format!("{{\"cmd\":\"complete\",\"image\":\"{}\",\"rows\":{rows},\"seed\":5}}\n", digits(&image));
        let mut source = Complete::new(&image, shape(&GRAY), rows, draw(5, 1000));
        assert_eq!(talk(SMALL, &line, ""), drawn("complete", &GRAY, 5, &run(&GRAY, None, &mut source)));
    }
}

#[test]
fn temperature_and_seed_last() {
    let replies = talk(
        SMALL,
        "{\"cmd\":\"temperature\",\"value\":0.5}\n{\"cmd\":\"sample\"}\n{\"cmd\":\"sample\",\"seed\":8}\n\
         {\"cmd\":\"temperature\",\"value\":1}\n{\"cmd\":\"sample\"}\n",
        "",
    );
    let image = |seed, milli| drawn("sample", &GRAY, seed, &run(&GRAY, None, &mut draw(seed, milli)));
    let temperatures = [json!({"temperature": 0.5}), json!({"temperature": 1.0})];
    let (first, last) = replies.split_at(1 + 2 * 5);
    assert_eq!(first, [vec![temperatures[0].clone()], image(0, 500), image(8, 500)].concat());
    assert_eq!(last, [vec![temperatures[1].clone()], image(9, 1000)].concat());
}

#[test]
fn every_error_has_its_kind_and_a_message() {
    let image = "0".repeat(28);
    let cases = [
        ("not_json", "hello".to_owned()),
        ("not_json", "[1]".into()),
        ("not_json", "7".into()),
        ("not_json", "{".into()),
        ("not_json", r#"{"cmd":"info""#.into()),
        ("not_json", r#"{"cmd":"info",}"#.into()),
        ("not_json", r#"{"cmd":"info"} x"#.into()),
        ("not_json", r#"{"cmd":"info" "seed":1}"#.into()),
        ("not_json", r#"{cmd:"info"}"#.into()),
        ("not_json", r#"{"cmd":"sample","seed":}"#.into()),
        ("not_json", "\u{0}\u{1}".into()),
        ("unknown_command", r#"{"cmd":"dance"}"#.into()),
        ("unknown_command", r#"{"cmd":""}"#.into()),
        ("field", "{}".into()),
        ("field", r#"{"seed":1}"#.into()),
        ("field", r#"{"cmd":7}"#.into()),
        ("field", r#"{"cmd":"info","color":1}"#.into()),
        ("field", r#"{"cmd":"info","cmd":"info"}"#.into()),
        ("field", r#"{"cmd":"info","seed":1}"#.into()),
        ("field", r#"{"cmd":"stop","model":"gray"}"#.into()),
        ("field", r#"{"cmd":"temperature"}"#.into()),
        ("field", r#"{"cmd":"temperature","value":"hot"}"#.into()),
        ("field", r#"{"cmd":"temperature","value":1e0}"#.into()),
        ("field", r#"{"cmd":"temperature","temperature":1}"#.into()),
        ("field", r#"{"cmd":"sample","seed":-1}"#.into()),
        ("field", r#"{"cmd":"sample","seed":1.5}"#.into()),
        ("field", r#"{"cmd":"sample","seed":"1"}"#.into()),
        ("field", r#"{"cmd":"sample","seed":null}"#.into()),
        ("field", r#"{"cmd":"sample","seed":[[[[1]]]]}"#.into()),
        ("field", r#"{"cmd":"sample","seed":{"a":1}}"#.into()),
        ("field", r#"{"cmd":"sample","seed":18446744073709551616}"#.into()),
        ("field", format!(r#"{{"cmd":"sample","image":"{image}"}}"#)),
        ("field", r#"{"cmd":"score"}"#.into()),
        ("field", r#"{"cmd":"score","image":7}"#.into()),
        ("field", format!(r#"{{"cmd":"score","image":"{image}","temperature":1}}"#)),
        ("field", format!(r#"{{"cmd":"complete","image":"{image}"}}"#)),
        ("field", r#"{"cmd":"complete","rows":2}"#.into()),
        ("unknown_model", r#"{"cmd":"sample","model":"cats"}"#.into()),
        ("label", r#"{"cmd":"sample","label":0}"#.into()),
        ("image", format!(r#"{{"cmd":"score","image":"{image}0"}}"#)),
        ("image", r#"{"cmd":"score","image":""}"#.into()),
        ("image", format!(r#"{{"cmd":"score","image":"x{}"}}"#, &image[1..])),
        ("image", format!(r#"{{"cmd":"score","image":"é{}"}}"#, &image[2..])),
        ("rows", format!(r#"{{"cmd":"complete","image":"{image}","rows":5}}"#)),
        ("rows", format!(r#"{{"cmd":"complete","image":"{image}","rows":18446744073709551615}}"#)),
        ("temperature", r#"{"cmd":"temperature","value":0}"#.into()),
        ("temperature", r#"{"cmd":"temperature","value":-1}"#.into()),
        ("temperature", r#"{"cmd":"temperature","value":100.001}"#.into()),
        ("temperature", r#"{"cmd":"temperature","value":99999999999999999999.5}"#.into()),
        ("temperature", r#"{"cmd":"sample","temperature":0.009}"#.into()),
        ("idle", r#"{"cmd":"stop"}"#.into()),
        ("idle", r#"{"cmd":"save"}"#.into()),
        ("idle", r#"{"cmd":"more","bytes":"00"}"#.into()),
        ("field", r#"{"cmd":"more"}"#.into()),
        ("field", r#"{"cmd":"compress"}"#.into()),
        ("field", r#"{"cmd":"decompress","bytes":0}"#.into()),
        ("field", r#"{"cmd":"resume","bytes":"00","seed":1}"#.into()),
        ("bytes", r#"{"cmd":"decompress","bytes":"000"}"#.into()),
        ("bytes", r#"{"cmd":"resume","bytes":"0x"}"#.into()),
        ("bytes", format!(r#"{{"cmd":"resume","bytes":"{}"}}"#, "00".repeat(MAX_BYTES + 1))),
        ("compressed", format!(r#"{{"cmd":"decompress","bytes":"{}"}}"#, "00".repeat(32))),
        ("saved", format!(r#"{{"cmd":"resume","bytes":"{}"}}"#, "00".repeat(48))),
        ("model", r#"{"cmd":"sample","model":"damaged"}"#.into()),
        ("lost", "{\"cmd\":\u{1a}\"info\"}".into()),
    ];
    for (kind, line) in cases {
        let reply = ask(&line);
        assert_eq!(reply["error"], kind, "{line}: {reply}");
        assert!(reply["message"].as_str().is_some_and(|message| message.len() > 20), "{reply}");
        assert_eq!(reply.as_object().unwrap().len(), 2);
    }
}

#[test]
fn labels_are_those_of_the_model() {
    const COLOUR: &[Entry] = &[SMALL[1]];
    for line in
        [r#"{"cmd":"sample"}"#, r#"{"cmd":"sample","label":5}"#, r#"{"cmd":"sample","label":18446744073709551615}"#]
    {
        let replies = talk(COLOUR, &format!("{line}\n"), "");
        let message = "the model has 5 classes: expected a label from 0 to 4";
        assert_eq!(replies, [json!({"error": "label", "message": message})]);
    }
}

#[test]
fn lines_that_are_too_long_end_where_they_end() {
    let (mut state, mut image) = (vec![0; STATE_WORDS], vec![0; VALUES]);
    let mut line = heapless::Vec::<u8, LINE>::new();
    let mut held = heapless::Vec::<u8, HELD_BYTES>::new();
    let mut session = Session::new(SMALL, &mut state, &mut image, &mut line, &mut held);
    let mut push = |text: &str| {
        let mut out = String::new();
        text.bytes().for_each(|byte| session.push(byte, &mut out).unwrap());
        out
    };
    let fits = format!("{:LINE$}", r#"{"cmd":"info"}"#);
    assert!(push(&format!("{fits}\n")).contains("models"));
    for extra in [1, 2, 100_000] {
        assert!(push(&format!("{fits}{}", "x".repeat(extra))).is_empty());
        assert!(push("\n").starts_with(r#"{"error":"too_long""#));
    }
    assert!(push("\r\n \n\t\n").is_empty());
    assert!(push("{\"cmd\":\"info\"}\r\n").contains("models"));
    let longest =
        "{\"cmd\":\"complete\",\"seed\":18446744073709551615,\"rows\":4,\"label\":65535,\"temperature\":100.000,";
    let digits = "0".repeat(line_bytes(SMALL) - REST - "damaged".len());
    let longest = format!("{longest}\"model\":\"damaged\",\"image\":\"{digits}\"}}\n");
    assert!(push(&longest).starts_with(r#"{"error":"model""#), "the longest request that means anything fits");
}

#[test]
fn an_image_in_the_making_stops_when_told_and_goes_on_else() {
    let sample = "{\"cmd\":\"sample\",\"seed\":7}\n";
    let whole = talk(SMALL, sample, "");
    let stopped = talk(SMALL, sample, "{\"cmd\":\"stop\"}\n");
    assert_eq!(stopped, [json!({"stopped": true, "pixels": 3})]);

    let busy = [
        "{\"cmd\":\"temperature\",\"value\":2}\n",
        sample,
        "{\"cmd\":\"score\",\"image\":\"0000000000000000000000000000\"}\n",
        "{\"cmd\":\"complete\",\"image\":\"0000000000000000000000000000\",\"rows\":1}\n",
    ];
    for (kind, lines) in busy.map(|line| ("busy", line)).into_iter().chain([("not_json", "x\n"), ("lost", "\u{1a}\n")])
    {
        let replies = talk(SMALL, sample, lines);
        assert_eq!(replies[0]["error"], kind);
        assert_eq!(replies[1..], whole);
    }
    let replies = talk(SMALL, sample, "{\"cmd\":\"info\"}\n");
    assert_eq!(replies[0]["making"], json!({"cmd": "sample", "pixels": 3}));
    assert_eq!(replies[1..], whole);
    // Two queued requests: the second follows the first.
    let replies = talk(SMALL, "{\"cmd\":\"sample\",\"seed\":1}\n", &format!("{{\"cmd\":\"stop\"}}\n{sample}"));
    assert_eq!(replies[1..], whole);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (mut line, mut held) = (heapless::Vec::<u8, LINE>::new(), heapless::Vec::<u8, HELD_BYTES>::new());
    for (words, values) in [(gray::STATE_WORDS - 1, VALUES), (STATE_WORDS, gray::VALUES - 1), (0, 0)] {
        let (mut state, mut image) = (vec![0; words], vec![0; values]);
        let mut session = Session::new(SMALL, &mut state, &mut image, &mut line, &mut held);
        let mut out = String::new();
        b"{\"cmd\":\"sample\"}\n".iter().for_each(|&byte| session.push(byte, &mut out).unwrap());
        assert!(out.starts_with(r#"{"error":"model""#), "{out}");
        assert!(session.start().is_none());
    }
}

#[test]
fn whatever_comes_in_each_line_has_an_answer_and_the_next_sample_is_the_same() {
    let image = "0".repeat(28);
    let good = [
        r#"{"cmd":"info"}"#.to_owned(),
        r#"{"cmd":"temperature","value":0.8}"#.into(),
        r#"{"cmd":"sample","seed":7,"temperature":0.8,"model":"gray"}"#.into(),
        format!(r#"{{"cmd":"complete","image":"{image}","rows":2,"seed":7}}"#),
        format!(r#"{{"cmd":"compress","image":"{image}"}}"#),
        r#"{"cmd":"decompress","bytes":"50524e5a0100"}"#.into(),
        r#"{"cmd":"resume","bytes":"50524e530100"}"#.into(),
    ];
    let mut random = 1u64;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit
    };
    let end = "{\"cmd\":\"sample\",\"seed\":7,\"temperature\":1}\n";
    let expected = talk(SMALL, end, "");
    for _ in 0..2000 {
        let mut line = good[below(good.len())].clone().into_bytes();
        for _ in 0..=below(3) {
            let at = below(line.len());
            match below(4) {
                0 => line[at] = b"{}[]\":,.0-e\\ tx"[below(15)],
                1 => line.truncate(at + 1),
                2 => line.insert(at, b"{}[]\":,.0-e\\ tx"[below(15)]),
                _ => line.extend_from_within(at..),
            }
        }
        let line = String::from_utf8(line).unwrap();
        // A job that waits for more bytes must be stopped.
        let replies = talk(SMALL, &format!("{line}\n{{\"cmd\":\"stop\"}}\n{end}"), "");
        let split = replies.len() - expected.len();
        assert!(split >= usize::from(!line.trim().is_empty()), "{line}: {replies:?}");
        assert_eq!(replies[split..], expected, "{line}");
    }
}
