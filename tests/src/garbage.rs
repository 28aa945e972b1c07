//! Long dialogues with a device: requests of all kinds, and corrupted ones.

use crate::forward;
use crate::golden;
use crate::random::Random;
use crate::targets::changed;
use crate::targets::protocol::{MODELS, STATE_WORDS, VALUES};
use heapless::Vec as Fixed;
use pixelrnn_converter::compress::compress;
use pixelrnn_converter::images::Range;
use pixelrnn_converter::{Blob, ImageSet};
use pixelrnn_firmware::protocol::{HELD_BYTES, MAX_BYTES, Session, line_bytes};

/// Stops the current image and resets the temperature, so that the next sample is reproducible.
pub const CALM: [&str; 2] = [r#"{"cmd":"stop"}"#, r#"{"cmd":"temperature","value":1}"#];

/// A model with files for requests.
#[derive(Clone, Debug)]
pub struct Asked {
    name: String,
    /// `,"label":3` if the model has classes.
    label: String,
    /// An image encoded as in a request.
    image: String,
    height: usize,
    compressed: Vec<u8>,
    saved: Vec<u8>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

impl Asked {
    /// Model `number` of [`MODELS`], stored in the golden blob `file` and called `name`.
    ///
    /// # Panics
    /// Panics if the blob is missing.
    pub fn new(number: usize, file: &str, name: &str) -> Self {
        let blob = Blob::read(&golden::folder().join(file)).expect("a golden blob");
        let model = blob.model().expect("a golden blob");
        let (shape, label) = (model.image(), (model.classes() > 0).then_some(3));
        let image = forward::sample(model, 4, 1000, label).image;
        let digits = if shape.levels <= 16 { 1 } else { 2 };
        let set = ImageSet::new([shape.channels, shape.height, shape.width], image.clone(), Range::Levels);
        let labels = label.map(|label| vec![label as u16]);
        let file = compress(model, &set.expect("an image"), labels.as_deref(), || ()).expect("an image of the model's");
        let mut asked = Self {
            name: MODELS[number].name.into(),
            label: label.map(|label| format!(",\"label\":{label}")).unwrap_or_default(),
            image: image.iter().fold(String::new(), |text, value| format!("{text}{value:0digits$x}")),
            height: shape.height,
            compressed: file.bytes,
            saved: Vec::new(),
        };
        asked.saved = saved(&asked.line("sample", ",\"seed\":5"), shape.height * shape.width / 2);
        asked.name = name.into();
        asked
    }

    fn line(&self, command: &str, more: &str) -> String {
        format!("{{\"cmd\":\"{command}\",\"model\":\"{}\"{}{more}}}", self.name, self.label)
    }

    /// Request for a sample with a seed.
    pub fn sample(&self, seed: u64) -> String {
        self.line("sample", &format!(",\"seed\":{seed}"))
    }

    /// Lines of a random request: the first one, followed by the lines sent when the device asks for more bytes.
    pub fn request(&self, random: &mut Random) -> Vec<String> {
        let image = format!(",\"image\":\"{}\"", self.image);
        let line = match random.below(9) {
            0 => r#"{"cmd":"info"}"#.into(),
            1 => format!("{{\"cmd\":\"temperature\",\"value\":{}.5}}", random.below(9)),
            2 | 3 => self.sample(random.bits()),
            4 => self.line("score", &image),
            5 => {
                let (rows, seed) = (random.below(self.height + 1), random.bits());
                self.line("complete", &format!("{image},\"rows\":{rows},\"seed\":{seed}"))
            }
            6 => self.line("compress", &image),
            7 => return self.file("decompress", &self.compressed),
            _ => return self.file("resume", &self.saved),
        };
        vec![line]
    }

    fn file(&self, command: &str, file: &[u8]) -> Vec<String> {
        let mut pieces = file.chunks(MAX_BYTES).map(hex);
        let first = pieces.next().unwrap_or_default();
        let first = format!("{{\"cmd\":\"{command}\",\"model\":\"{}\",\"bytes\":\"{first}\"}}", self.name);
        let more = pieces.map(|piece| format!("{{\"cmd\":\"more\",\"bytes\":\"{piece}\"}}"));
        std::iter::once(first).chain(more).collect()
    }

    /// Random garbage in one non-empty line: a mutated request or random bytes. It may be a valid request by chance.
    pub fn garbage(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = if random.once_in(4) {
            (0..random.between(1, 300)).map(|_| random.below(256) as u8).collect()
        } else {
            let [line, other] = [(); 2].map(|()| self.request(random).swap_remove(0).into_bytes());
            changed(&line, &other, random)
        };
        bytes.retain(|byte| !matches!(byte, b'\n' | b'\r'));
        bytes.push(b'}');
        bytes
    }
}

/// File of an image saved after `pixels` pixels.
fn saved(request: &str, pixels: usize) -> Vec<u8> {
    let (mut state, mut image) = (vec![0; STATE_WORDS], vec![0; VALUES]);
    let (mut line, mut held) = (Fixed::<u8, { line_bytes(MODELS) }>::new(), Fixed::<u8, HELD_BYTES>::new());
    let mut session = Session::new(MODELS, &mut state, &mut image, &mut line, &mut held);
    let mut text = String::new();
    format!("{request}\n").bytes().for_each(|byte| session.push(byte, &mut text).expect("a text takes all"));
    let mut job = session.start().expect("an image is begun");
    for _ in 0..pixels {
        job.step(&mut text).expect("a text takes all");
    }
    b"{\"cmd\":\"save\"}\n".iter().for_each(|&byte| job.push(byte, &mut text).expect("a text takes all"));
    let replies = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an object"));
    let digits: String = replies.filter_map(|reply| reply["bytes"].as_str().map(str::to_owned)).collect();
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    (0..digits.len()).step_by(2).map(digit).collect()
}
