//! QEMU boards and hosts decode each other's compressed images, and boards resume images saved by others.
//!
//! Skipped with a message if QEMU or the Rust target is missing.
#![cfg(target_os = "linux")]

use heapless::Vec as Fixed;
use pixelrnn::FromImage;
use pixelrnn_client::file;
use pixelrnn_converter::ImageSet;
use pixelrnn_converter::compress::compress;
use pixelrnn_converter::images::Range;
use pixelrnn_firmware::protocol::{HELD_BYTES, MAX_BYTES, Session, line_bytes};
use pixelrnn_firmware::{MODELS, STATE_WORDS, VALUES};
use pixelrnn_tests::device::{Device, Served, draw};
use pixelrnn_tests::golden;
use pixelrnn_tests::npy;
use pixelrnn_tests::program::Folder;
use pixelrnn_tests::random::Random;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Target folder for firmware.
fn build() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Reads `bytes` replies up to the first reply of another kind, and returns both.
fn read_bytes(device: &mut Device) -> (Vec<u8>, Value) {
    let mut replies = Vec::new();
    loop {
        let reply = device.reply();
        if !reply["bytes"].is_string() && reply.get("row").is_none() {
            return (file(&replies).unwrap(), reply);
        }
        replies.push(reply);
    }
}

/// File from the replies to a request, and the final reply.
fn ask_for_file(device: &mut Device, request: &str) -> (Vec<u8>, Value) {
    let mut replies = device.ask(request);
    let last = replies.pop().unwrap();
    (file(&replies).unwrap(), last)
}

/// Sends a file in chunks of `piece` bytes on demand. Returns the replies without `more`.
fn send_bytes(device: &mut Device, command: &str, model: &str, bytes: &[u8], piece: usize) -> Vec<Value> {
    device.ask_with_file(&json!({"cmd": command, "model": model}).to_string(), bytes, piece)
}

/// Compresses an image on the host.
fn on_host(model: &Served, image: &[u8]) -> Vec<u8> {
    let parsed = model.blob.model().unwrap();
    let shape = parsed.image();
    let set = ImageSet::new([shape.channels, shape.height, shape.width], image.to_vec(), Range::Levels).unwrap();
    let labels = model.label.map(|label| vec![label as u16]);
    compress(parsed, &set, labels.as_deref(), || ()).unwrap().bytes
}

/// Device and host produce identical files and decode each other's.
fn codes(device: &mut Device, model: &Served) {
    let shape = model.blob.model().unwrap().image();
    let noise = Random::new(4).image(&shape);
    for (image, piece) in [(model.run(draw(7, 1000)).0, MAX_BYTES), (noise, 50)] {
        let expected = on_host(model, &image);
        let (bytes, done) =
            ask_for_file(device, &model.request(json!({"cmd": "compress", "image": model.text(&image)})));
        assert_eq!(bytes, expected, "{}", model.name);
        let scored = model.run(FromImage::new(&image, shape));
        let mut due = model.due("compress", None, &scored).remove(0);
        due["bytes"] = bytes.len().into();
        assert_eq!(done, due);

        let replies = send_bytes(device, "decompress", model.name, &expected, piece);
        let mut due = model.due("decompress", Some(0), &scored);
        let done = due.last_mut().unwrap().as_object_mut().unwrap();
        done.remove("seed");
        if let Some(label) = model.label {
            done.insert("label".into(), label.into());
        }
        assert_eq!(replies, due, "{}", model.name);
    }
}

/// The command-line program and the device decode each other's files.
fn the_program_agrees(device: &mut Device, model: &Served) {
    let shape = model.blob.model().unwrap().image();
    let image = model.run(draw(21, 1000)).0;
    let (bytes, _) = ask_for_file(device, &model.request(json!({"cmd": "compress", "image": model.text(&image)})));
    let folder = Folder::new();
    folder.write("model.prnn", model.blob.bytes());
    folder.write("device.prnz", &bytes);
    folder.run("decompress device.prnz -m model.prnn -o restored.npy").good();
    let (dimensions, restored) = npy::read_u8(&folder.path("restored.npy"));
    assert_eq!((dimensions, restored), (vec![1, shape.channels, shape.height, shape.width], image));
    folder.run("compress restored.npy -m model.prnn -o host.prnz").good();
    assert_eq!(folder.read("host.prnz"), bytes);
}

/// Bad files end in an error, and the device draws as before.
fn refuses(device: &mut Device, model: &Served, other: &Served) {
    let drawn = model.due("sample", Some(7), &model.run(draw(7, 1000)));
    let file = on_host(model, &model.run(draw(7, 1000)).0);
    let mut flipped = file.clone();
    flipped[45] ^= 4;
    let mut absurd = file.clone();
    absurd[34] = 255;
    let foreign = on_host(other, &other.run(draw(7, 1000)).0);
    for (what, bytes) in [
        ("a flipped bit", flipped),
        ("half of it", file[..file.len() / 2].to_vec()),
        ("all but the last byte", file[..file.len() - 1].to_vec()),
        ("millions of images", absurd),
        ("another model's", foreign),
        ("nothing", Vec::new()),
    ] {
        let replies = send_bytes(device, "decompress", model.name, &bytes, MAX_BYTES);
        let last = replies.last().unwrap();
        assert_eq!(last["error"], "compressed", "{what}: {last}");
        let replies = device.ask(model.request(json!({"cmd": "sample", "seed": 7})));
        assert_eq!(replies, drawn, "after {what}");
    }
}

#[test]
fn a_cortex_m4f_and_a_host_read_each_others_compressed_images() {
    let classes = golden::folder().join("row_lstm_rgb_classes.prnn");
    let gray = golden::folder().join("pixel_cnn_gray.prnn");
    let models = [
        Served::built_in(),
        Served::new("row_lstm_rgb_classes", classes, Some(3)),
        Served::new("pixel_cnn_gray", gray, None),
    ];
    let paths = models.each_ref().map(|model| model.path.clone());
    let Some(mut device) = Device::start("mps2-an386", &paths, &build()) else { return };
    for model in &models {
        codes(&mut device, model);
    }
    the_program_agrees(&mut device, &models[0]);
    refuses(&mut device, &models[0], &models[2]);
}

/// Output of an in-process device that is told to save and stop after `pixels` pixels of a request.
fn saved_here(request: &str, pixels: usize) -> Vec<u8> {
    let (mut state, mut image) = (vec![0; STATE_WORDS], vec![0; VALUES]);
    let (mut line, mut held) = (Fixed::<u8, { line_bytes(MODELS) }>::new(), Fixed::<u8, HELD_BYTES>::new());
    let mut session = Session::new(MODELS, &mut state, &mut image, &mut line, &mut held);
    let mut text = String::new();
    format!("{request}\n").bytes().for_each(|byte| session.push(byte, &mut text).unwrap());
    let mut job = session.start().expect("an image is begun");
    for _ in 0..pixels {
        assert!(job.step(&mut text).unwrap());
    }
    b"{\"cmd\":\"save\"}\n".iter().for_each(|&byte| job.push(byte, &mut text).unwrap());
    let replies: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    file(&replies).unwrap()
}

/// After a restart, as after power loss, a device resumes images saved at many positions on boards and hosts.
#[test]
fn an_image_goes_on_on_another_board_and_is_the_same() {
    let model = Served::built_in();
    let request = model.request(json!({"cmd": "sample", "seed": 7}));
    let expected = model.due("sample", Some(7), &model.run(draw(7, 1000)));
    let paths = std::slice::from_ref(&model.path);
    let mut saved: Vec<Vec<u8>> = [0, 1, 27, 28, 400, 783].map(|pixels| saved_here(&request, pixels)).into();
    for board in ["mps2-an386", "microbit"] {
        let Some(mut device) = Device::start(board, paths, &build()) else { return };
        for file in &saved {
            assert_eq!(send_bytes(&mut device, "resume", model.name, file, MAX_BYTES), expected, "{board}");
        }
        // Saves an image on this board for the next one. The image continues meanwhile.
        let file = loop {
            device.send(format!("{request}\n").as_bytes());
            let (file, said) = ask_for_file(&mut device, r#"{"cmd":"save"}"#);
            // The image finished before the line arrived.
            if said["error"] == "idle" {
                continue;
            }
            assert_eq!((&said["saved"], &said["bytes"]), (&json!("sample"), &json!(file.len())), "{said}");
            while device.reply().get("done").is_none() {}
            break file;
        };
        saved = vec![file];
    }
}

/// Resumes an image and saves it again after at least one more pixel. Returns the file and its pixel count, or `None`
/// if the image finished first and equals `expected`.
fn goes_on_and_is_saved(
    device: &mut Device,
    model: &Served,
    file: &[u8],
    pixels: usize,
    expected: &Value,
) -> Option<(Vec<u8>, usize)> {
    let pieces = file.chunks(MAX_BYTES).map(hex);
    let mut line = json!({"cmd": "resume", "model": model.name});
    for (n, piece) in pieces.enumerate() {
        if n > 0 {
            assert!(device.reply().get("more").is_some(), "piece {n}");
            line = json!({"cmd": "more"});
        }
        line["bytes"] = piece.into();
        device.send(format!("{line}\n").as_bytes());
    }
    loop {
        device.send(b"{\"cmd\":\"save\"}\n");
        let (file, said) = read_bytes(device);
        if said.get("done").is_some() {
            assert_eq!(said, *expected);
            assert_eq!(device.reply()["error"], "idle");
            return None;
        }
        // The device may not have read the last chunk yet.
        if said["error"] == "not_saved" {
            continue;
        }
        assert_eq!((&said["saved"], &said["bytes"]), (&json!("sample"), &json!(file.len())), "{said}");
        let now = said["pixels"].as_u64().unwrap() as usize;
        if now > pixels {
            return Some((file, now));
        }
    }
}

/// The same from every pixel, on a board that loses power at the end of each row.
///
/// From some pixels the board draws to the end. From the others it continues for at least a pixel and is then told to
/// save. Its file equals the one saved in-process at the same pixel, so both continue to the same image.
#[test]
#[ignore = "minutes; tests/long runs it"]
fn an_image_goes_on_from_every_pixel_after_a_loss_of_power() {
    let model = Served::built_in();
    let request = model.request(json!({"cmd": "sample", "seed": 7}));
    let expected = model.due("sample", Some(7), &model.run(draw(7, 1000)));
    let paths = std::slice::from_ref(&model.path);
    let mut device = None;
    let (mut to_the_end, mut by_one, mut by_more) = (0, 0, 0);
    for pixels in 0..28 * 28 {
        if pixels % 28 == 0 {
            // Power loss: only flash contents survive.
            drop(device.take());
            device = Device::start("microbit", paths, &build());
        }
        let Some(device) = &mut device else { return };
        let file = saved_here(&request, pixels);
        if pixels % 28 == 0 || pixels >= 27 * 28 {
            assert_eq!(send_bytes(device, "resume", model.name, &file, MAX_BYTES), expected, "from pixel {pixels}");
            to_the_end += 1;
            continue;
        }
        let Some((saved, now)) = goes_on_and_is_saved(device, &model, &file, pixels, expected.last().unwrap()) else {
            to_the_end += 1;
            continue;
        };
        assert!(saved == saved_here(&request, now), "from pixel {pixels} to {now}");
        by_one += usize::from(now == pixels + 1);
        by_more += usize::from(now > pixels + 1);
        let stopped = device.ask(r#"{"cmd":"stop"}"#).pop().unwrap();
        if stopped.get("stopped").is_none() {
            assert_eq!(stopped, *expected.last().unwrap());
            assert_eq!(device.reply()["error"], "idle");
        }
    }
    println!("{to_the_end} images drawn to the end, {by_one} by a pixel, {by_more} by more");
}
