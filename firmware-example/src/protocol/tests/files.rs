//! Compression, decompression, saving and resuming.

use super::*;
use crate::protocol::bytes::receive;
use pixelrnn::coder::container::{HEADER_BYTES, Header, SMALL_SEGMENT, write_block};
use pixelrnn::coder::{ByteSource, Decode, Decoder};

/// The two valid models of [`SMALL`]. The one with classes gets a name without escapes, so that requests can name it.
const BOTH: &[Entry] = &[GRAY, Entry { name: "classes", ..SMALL[1] }];

/// Label for models with classes.
fn label(entry: &Entry) -> Option<usize> {
    ((entry.model)().unwrap().classes() > 0).then_some(3)
}

/// A sample from the model, and an unlikely image.
fn images(entry: &Entry) -> [Vec<u8>; 2] {
    let levels = u8::try_from(shape(entry).levels).unwrap();
    let noise = (0..entry.values).map(|n| (n * n / 3 % 251) as u8 % levels).collect();
    [run(entry, label(entry), &mut draw(3, 1000)).0, noise]
}

/// Compresses an image with the library, in segments of `SEGMENT` bytes.
fn compressed_to<const SEGMENT: usize>(entry: &Entry, image: &[u8]) -> Vec<u8> {
    let model = (entry.model)().unwrap();
    let mut state = vec![0; entry.state_words];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let mut block = heapless::Vec::<u8, 8192>::new();
    write_block::<SEGMENT, _, _>(&mut engine, [(label(entry), image)].into_iter(), &mut block).unwrap();
    [&Header::new(&model, 1).to_bytes()[..], &block[..]].concat()
}

fn compressed(entry: &Entry, image: &[u8]) -> Vec<u8> {
    compressed_to::<SMALL_SEGMENT>(entry, image)
}

/// Collects the bytes of a file from replies.
fn bytes(replies: &[Value]) -> Vec<u8> {
    let lines = replies.iter().filter_map(|reply| reply["bytes"].as_str());
    let mut held = heapless::Vec::<u8, 64>::new();
    let mut file = Vec::new();
    for line in lines {
        held.clear();
        receive(line, 64, &mut held).unwrap();
        file.extend_from_slice(&held);
    }
    file
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends `file` with `command`, `piece` bytes per request, whenever the device asks for more.
fn send(models: &'static [Entry], command: &str, model: &str, file: &[u8], piece: usize) -> Vec<Value> {
    let mut pieces = file.chunks(piece);
    let mut next = || hex(pieces.next().unwrap_or_default());
    let first = format!("{{\"cmd\":\"{command}\",\"model\":\"{model}\",\"bytes\":\"{}\"}}\n", next());
    let mut asked = 0;
    let replies = converse(models, &first, |text| {
        let asks = text.matches("{\"more\":true}").count();
        (asks > asked).then(|| {
            asked += 1;
            format!("{{\"cmd\":\"more\",\"bytes\":\"{}\"}}\n", next())
        })
    });
    replies.into_iter().filter(|reply| reply.get("more").is_none()).collect()
}

/// Request with a label if the model has classes.
fn request(command: &str, entry: &Entry, more: &str) -> String {
    let label = label(entry).map(|label| format!(",\"label\":{label}")).unwrap_or_default();
    format!("{{\"cmd\":\"{command}\",\"model\":\"{}\"{label}{more}}}\n", entry.name)
}

#[test]
fn a_compressed_image_is_the_file_that_the_library_makes() {
    for entry in BOTH {
        for image in images(entry) {
            let line = request("compress", entry, &format!(",\"image\":\"{}\"", digits(&image)));
            let replies = talk(BOTH, &format!("{{\"cmd\":\"temperature\",\"value\":3}}\n{line}"), "");
            let file = compressed(entry, &image);
            assert_eq!(bytes(&replies), file, "{}", entry.name);
            let (_, cost) = run(entry, label(entry), &mut FromImage::new(&image, shape(entry)));
            let nats = (cost.nats() * 1e4).round() / 1e4;
            let crc = format!("{:08x}", CRC32.checksum(&image));
            let done = json!({"done": "compress", "bytes": file.len(), "nats": nats, "cost": cost.0, "crc": crc});
            assert_eq!(*replies.last().unwrap(), done);
        }
    }
}

#[test]
fn a_compressed_image_is_restored_in_pieces_of_any_size() {
    for entry in BOTH {
        for image in images(entry) {
            let file = compressed(entry, &image);
            let (_, cost) = run(entry, label(entry), &mut FromImage::new(&image, shape(entry)));
            let mut expected = drawn("decompress", entry, 0, &(image, cost));
            let done = expected.last_mut().unwrap().as_object_mut().unwrap();
            done.remove("seed");
            if let Some(label) = label(entry) {
                done.insert("label".into(), label.into());
            }
            for piece in [1, 2, 7, 31, 33, 64, MAX_BYTES] {
                assert_eq!(send(BOTH, "decompress", entry.name, &file, piece), expected, "{piece} bytes at a time");
            }
        }
    }
}

/// The range coder holds back bytes of 255, as a carry may still change them. It stores only their count, so memory use
/// is constant.
#[test]
fn an_image_whose_code_is_one_long_carry_is_compressed_as_well() {
    let code = [&[0x7f][..], &[0xff; 200]].concat();
    let mut decoder = Decoder::new(Endless(&code)).unwrap();
    let (image, _) = run(&GRAY, None, &mut Decode::new(&mut decoder));
    let line = request("compress", &GRAY, &format!(",\"image\":\"{}\"", digits(&image)));
    let file = bytes(&talk(SMALL, &line, ""));
    assert_eq!(file[HEADER_BYTES + 6..][..10], [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0], "the end turned all that waited");
    assert_eq!(file, compressed(&GRAY, &image));
    assert_eq!(
        send(SMALL, "decompress", "gray", &file, 64).last().unwrap()["crc"],
        format!("{:08x}", CRC32.checksum(&image))
    );
}

/// The given bytes followed by endless 255s.
struct Endless<'a>(&'a [u8]);

impl ByteSource for Endless<'_> {
    type Error = core::convert::Infallible;

    fn next(&mut self) -> Result<Option<u8>, Self::Error> {
        let next = self.0.split_first().map(|(first, rest)| {
            self.0 = rest;
            *first
        });
        Ok(Some(next.unwrap_or(0xff)))
    }
}

#[test]
fn segments_of_any_length_are_restored() {
    let image = &images(&GRAY)[1];
    let file = compressed_to::<1>(&GRAY, image);
    assert!(file.len() > compressed(&GRAY, image).len() + 20);
    for piece in [1, 60, MAX_BYTES] {
        let replies = send(SMALL, "decompress", "gray", &file, piece);
        assert_eq!(replies.last().unwrap()["crc"], format!("{:08x}", CRC32.checksum(image)), "{replies:?}");
    }
}

/// Sends a bad file and returns the error. Checks that the device still draws the same sample afterwards.
fn refused(command: &str, file: &[u8], piece: usize) -> Value {
    let mut replies = send(SMALL, command, "gray", file, piece);
    let last = replies.pop().unwrap();
    assert!(replies.iter().all(|reply| reply.get("row").is_some()), "{replies:?}");
    last
}

#[test]
fn every_flipped_bit_and_every_missing_end_of_a_compressed_image_is_refused() {
    let file = compressed(&GRAY, &images(&GRAY)[0]);
    for bit in 0..8 * file.len() {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(refused("decompress", &bad, 20)["error"], "compressed", "bit {bit}");
    }
    for length in 0..file.len() {
        assert_eq!(refused("decompress", &file[..length], 20)["error"], "compressed", "{length} bytes");
    }
    let longer = refused("decompress", &[&file[..], b"x"].concat(), MAX_BYTES);
    assert_eq!(longer["message"], "the compressed file is refused: something follows its last image");
}

#[test]
fn files_of_other_models_and_of_several_images_are_refused() {
    let other = refused("decompress", &compressed(&BOTH[1], &images(&BOTH[1])[0]), MAX_BYTES);
    assert!(other["message"].as_str().unwrap().contains("it was made with another model"), "{other}");
    for images in [0, 2, u32::MAX] {
        let file = Header::new(&(GRAY.model)().unwrap(), images).to_bytes();
        let reply = refused("decompress", &file, MAX_BYTES);
        let message = format!("the compressed file has {images} images, expected one");
        assert_eq!(reply, json!({"error": "compressed", "message": message}));
    }
}

#[test]
fn bytes_that_are_none_are_refused_and_the_device_still_waits() {
    let image = &images(&GRAY)[0];
    let file = compressed(&GRAY, image);
    let first = format!("{{\"cmd\":\"decompress\",\"bytes\":\"{}\"}}\n", hex(&file[..40]));
    let bad = ["0".into(), "0g".into(), "00".repeat(MAX_BYTES + 1)];
    let bad = bad.map(|text: String| format!("{{\"cmd\":\"more\",\"bytes\":\"{text}\"}}\n")).concat();
    let busy = "{\"cmd\":\"sample\"}\n{\"cmd\":\"save\"}\n{\"cmd\":\"info\"}\n";
    let good = format!("{{\"cmd\":\"more\",\"bytes\":\"{}\"}}\n", hex(&file[40..]));
    let mut lines = Some(format!("{bad}{busy}{good}{good}"));
    let replies = converse(SMALL, &first, |text| text.contains("more").then(|| lines.take()).flatten());
    let kinds: Vec<_> = replies.iter().filter_map(|reply| reply["error"].as_str()).collect();
    assert_eq!(kinds, ["bytes", "bytes", "bytes", "busy", "not_saved", "bytes"], "{replies:?}");
    assert_eq!(replies[6]["making"], json!({"cmd": "decompress", "pixels": 0}), "{replies:?}");
    assert_eq!(replies.last().unwrap()["crc"], format!("{:08x}", CRC32.checksum(image)));
}

#[test]
fn a_device_that_waits_can_be_stopped() {
    let stop = "{\"cmd\":\"stop\"}\n{\"cmd\":\"more\",\"bytes\":\"\"}\n{\"cmd\":\"sample\",\"seed\":7}\n";
    for command in ["decompress", "resume"] {
        let mut lines = Some(stop.to_owned());
        let first = format!("{{\"cmd\":\"{command}\",\"bytes\":\"50\"}}\n");
        let replies = converse(SMALL, &first, |text| text.contains("more").then(|| lines.take()).flatten());
        assert_eq!(replies[..2], [json!({"more": true}), json!({"stopped": true, "pixels": 0})]);
        assert_eq!(replies[2]["error"], "idle");
        assert_eq!(replies[3..], talk(SMALL, "{\"cmd\":\"sample\",\"seed\":7}\n", ""));
    }
}

/// One request of each kind that can be saved.
fn savable(entry: &Entry) -> [String; 3] {
    let image = digits(&images(entry)[1]);
    [
        request("sample", entry, ",\"seed\":11,\"temperature\":0.7"),
        request("score", entry, &format!(",\"image\":\"{image}\"")),
        request("complete", entry, &format!(",\"image\":\"{image}\",\"rows\":2,\"seed\":12")),
    ]
}

#[test]
fn an_image_saved_at_any_pixel_goes_on_after_a_reset_and_is_the_same() {
    for entry in BOTH {
        let pixels = shape(entry).height * shape(entry).width;
        for line in savable(entry) {
            let whole = talk(BOTH, &line, "");
            for at in 0..pixels {
                let replies = talk_at(BOTH, &line, at, "{\"cmd\":\"save\"}\n");
                let file = bytes(&replies);
                let saved = replies.iter().find(|reply| reply.get("saved").is_some()).unwrap();
                assert_eq!((&saved["pixels"], &saved["bytes"]), (&json!(at), &json!(file.len())));
                // Saving does not disturb the image in progress.
                let rest: Vec<_> = replies
                    .into_iter()
                    .filter(|reply| reply.get("done").is_some() || reply.get("row").is_some())
                    .collect();
                assert_eq!(rest, whole);
                assert_eq!(send(BOTH, "resume", entry.name, &file, MAX_BYTES), whole, "{line} from pixel {at}");
            }
        }
    }
}

#[test]
fn a_resumed_image_can_be_saved_again_and_the_next_seed_is_the_one_after_its_own() {
    let line = &savable(&GRAY)[0];
    let file = bytes(&talk_at(SMALL, line, 5, "{\"cmd\":\"save\"}\n{\"cmd\":\"stop\"}\n"));
    let whole = talk(SMALL, line, "");
    let first = format!("{{\"cmd\":\"resume\",\"bytes\":\"{}\"}}\n", hex(&file[..100]));
    let mut pieces = file[100..].chunks(MAX_BYTES);
    let mut steps = 0;
    let mut asked = 0;
    let replies = converse(SMALL, &first, |text| {
        let asks = text.matches("more").count();
        if asks > asked {
            asked = asks;
            return Some(format!("{{\"cmd\":\"more\",\"bytes\":\"{}\"}}\n", hex(pieces.next().unwrap_or_default())));
        }
        steps += usize::from(pieces.len() == 0);
        (steps == 4).then(|| "{\"cmd\":\"save\"}\n{\"cmd\":\"stop\"}\n{\"cmd\":\"sample\"}\n".to_owned())
    });
    let again = bytes(&replies);
    assert_ne!(again, file);
    assert_eq!(send(SMALL, "resume", "gray", &again, 150), whole);
    assert_eq!(replies.last().unwrap()["seed"], 12, "one more than the seed of what was resumed");
}

#[test]
fn every_flipped_bit_and_every_missing_end_of_a_saved_image_is_refused() {
    let file = bytes(&talk_at(SMALL, &savable(&GRAY)[0], 9, "{\"cmd\":\"save\"}\n"));
    let bad = |what: &str, file: &[u8]| {
        let replies = send(SMALL, "resume", "gray", file, MAX_BYTES);
        assert_eq!(replies.len(), 1, "{what}: {replies:?}");
        assert_eq!(replies[0]["error"], "saved", "{what}: {replies:?}");
    };
    // All bits of the header and image, and some of the state.
    let bits = (0..8 * 80).chain((8 * 80..8 * file.len()).step_by(37)).chain(8 * (file.len() - 4)..8 * file.len());
    for bit in bits {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        bad(&format!("bit {bit}"), &flipped);
    }
    for length in (0..80).chain((80..file.len()).step_by(97)).chain([file.len() - 1]) {
        bad(&format!("{length} bytes"), &file[..length]);
    }
    bad("one byte more", &[&file[..], b"x"].concat());
    let other = bytes(&talk_at(BOTH, &savable(&BOTH[1])[0], 9, "{\"cmd\":\"save\"}\n"));
    bad("another model's", &other);
}

/// A forged checksum: each field is validated independently.
#[test]
fn a_saved_image_that_makes_no_sense_is_refused_in_spite_of_a_right_checksum() {
    let file = bytes(&talk_at(SMALL, &savable(&GRAY)[0], 9, "{\"cmd\":\"save\"}\n"));
    let cases: [(&str, usize, &[u8]); 10] = [
        ("its command", 6, &[0]),
        ("its command", 6, &[4]),
        ("its command", 7, &[1]),
        ("its number of pixels", 32, &28u32.to_le_bytes()),
        ("its number of pixels", 32, &[255; 4]),
        ("its temperature", 36, &[0; 4]),
        ("its state's size", 40, &[255; 4]),
        ("its number of rows", 44, &[5, 0]),
        ("its label", 46, &[0, 0]),
        ("its image", 50, &[16]),
    ];
    for (what, at, patch) in cases {
        let mut forged = file.clone();
        forged[at..at + patch.len()].copy_from_slice(patch);
        let end = forged.len() - 4;
        let sum = CRC32.checksum(&forged[..end]);
        forged[end..].copy_from_slice(&sum.to_le_bytes());
        let replies = send(SMALL, "resume", "gray", &forged, MAX_BYTES);
        assert_eq!(replies.len(), 1, "{what}");
        let message = replies[0]["message"].as_str().unwrap();
        assert!(message.contains(what) && message.ends_with("out of range"), "{what}: {message}");
    }
    // A saturated cost and an arbitrary state are harmless.
    let mut forged = file.clone();
    forged[24..32].fill(255);
    forged[80..file.len() - 4].fill(0x7f);
    let end = forged.len() - 4;
    let sum = CRC32.checksum(&forged[..end]);
    forged[end..].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(send(SMALL, "resume", "gray", &forged, MAX_BYTES).last().unwrap()["cost"], u64::MAX);
}
